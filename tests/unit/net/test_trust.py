"""Which certificates are believed, where OpenSSL looks in other places than the system keeps them."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest
import truststore

from keyvault.net import trust

SYSTEM = next((bundle for bundle in trust._BUNDLES if Path(bundle).is_file()), "")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_certificate_and_name_are_verified() -> None:
    context = trust.system_trust()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.skipif(not SYSTEM, reason="this machine keeps no certificates")
def test_an_openssl_that_finds_none_is_shown_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert trust.system_trust().cert_store_stats()["x509_ca"] > 50


def test_what_a_person_chose_is_all_that_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "1234abcd.0").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert trust.system_trust().cert_store_stats()["x509_ca"] == 0


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_macos_and_windows_are_asked_for_their_own_verdict(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    context = trust.system_trust()
    assert isinstance(context, truststore.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
