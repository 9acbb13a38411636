"""Which keyring the helper process takes on a Mac and on Windows, and what it makes of their ways to fail."""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from keyring import errors
from keyring.backend import KeyringBackend
from keyring.backends import Windows, macOS

from keyvault.store import keyring_helper, os_keyring


def loaded(monkeypatch: pytest.MonkeyPatch, platform: str) -> Iterator[ModuleType]:
    monkeypatch.setattr(sys, "platform", platform)
    yield importlib.reload(keyring_helper)
    monkeypatch.undo()
    importlib.reload(keyring_helper)


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    yield from loaded(monkeypatch, "darwin")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    yield from loaded(monkeypatch, "win32")


class Ring(KeyringBackend):
    """A keyring that keeps what it is given, or fails as one is known to."""

    priority = 1.0

    def __init__(self, failure: Exception | None = None) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.failure = failure

    def get_password(self, service: str, username: str) -> str | None:
        if self.failure:
            raise self.failure
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


@pytest.mark.parametrize("ask", [True, False])
def test_a_mac_has_the_keychain_and_without_a_person_no_dialog(
    mac: ModuleType, monkeypatch: pytest.MonkeyPatch, ask: bool
) -> None:
    allowed: list[int] = []
    security = SimpleNamespace(SecKeychainSetUserInteractionAllowed=lambda flag: allowed.append(flag.value))

    def library(path: str) -> Any:
        assert path == "/System/Library/Frameworks/Security.framework/Security"
        return security

    monkeypatch.setattr(ctypes, "CDLL", library)
    assert type(mac._backend(ask=ask)) is macOS.Keyring
    assert allowed == ([] if ask else [0])
    assert mac._NAME == "macOS"


def test_windows_has_the_credential_manager_if_its_package_is_there(
    windows: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Windows, "missing_deps", None)
    assert type(windows._backend(ask=False)) is Windows.WinVaultKeyring
    assert windows._NAME == "Windows"
    monkeypatch.setattr(Windows, "missing_deps", ImportError("win32ctypes"))
    with pytest.raises(windows.Stop) as stopped:
        windows._backend(ask=False)
    assert stopped.value.answer[0] == "unavailable"


def not_allowed() -> errors.KeyringError:
    error = errors.KeyringError("Can't get password from keychain: (-25308, 'Unknown Error')")
    error.__cause__ = Exception(-25308, "Unknown Error")
    return error


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (not_allowed(), "locked"),
        (errors.KeyringLocked("Can't get password from keychain"), "dismissed"),
        (errors.KeyringError("sk-canary"), "unavailable"),
        (OSError(1, "sk-canary"), "unavailable"),
        (TimeoutError(), "timeout"),
    ],
)
def test_what_a_keychain_fails_with_becomes_an_answer_without_its_text(mac: ModuleType, failure: Exception, word: str) -> None:
    with pytest.raises(mac.Stop) as stopped:
        mac._perform(Ring(failure), "read", "keyvault", "me", "")
    assert stopped.value.answer[0] == word
    assert "canary" not in stopped.value.answer[1]


@pytest.mark.parametrize("system", ["mac", "windows"])
def test_an_item_is_written_read_and_deleted(system: str, request: pytest.FixtureRequest) -> None:
    module, ring = request.getfixturevalue(system), Ring()
    assert module._perform(ring, "write", "keyvault", "me", "00ff") == ("done", "")
    assert module._perform(ring, "read", "keyvault", "me", "") == ("done", "00ff")
    assert module._perform(ring, "delete", "keyvault", "me", "") == ("done", "")
    assert module._perform(ring, "read", "keyvault", "me", "") == ("missing", "")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_no_session_bus_is_looked_for_where_there_is_none(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    seen: list[dict[str, str]] = []

    def helper(
        arguments: list[str], request: bytes, environment: dict[str, str], timeout: float
    ) -> tuple[int | None, bytes, bytes]:
        seen.append(environment)
        return 0, b"done\nmacOS\n", b""

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os_keyring, "_run", helper)
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert os_keyring.probe() == "macOS"
    assert "DBUS_SESSION_BUS_ADDRESS" not in seen[0]
