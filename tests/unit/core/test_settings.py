from __future__ import annotations

from pathlib import Path

import pytest

from keyvault.core import settings


@pytest.mark.parametrize(
    ("home", "state", "wanted"),
    [
        ("/stick/vault", "", "/xdg/state/keyvault"),
        ("/stick/vault", "/stick/vault/state", "/xdg/state/keyvault"),
        ("/stick/vault", "/elsewhere/state", "/elsewhere/state"),
        ("", "", "/xdg/state/keyvault"),
    ],
)
def test_what_can_be_made_anew_never_lies_beside_the_vault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str, state: str, wanted: str
) -> None:
    for name, value in {"KEYVAULT_HOME": home, "KEYVAULT_STATE": state, "XDG_STATE_HOME": "/xdg/state"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.cache_folder(settings.load()) == wanted
