"""What the keyring's helper says of a keyring that fails, lies or keeps odd things. Its process is in test_os_keyring.py."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
import secretstorage

from keyvault.store import keyring_helper as helper


class Ring:
    """A keyring whose items are `kept`, or which fails with them; it forgets what it is told to keep, and keeps the rest."""

    def __init__(self, kept: str | Exception | None) -> None:
        self.kept = kept

    def get_password(self, service: str, user: str) -> str | None:
        if isinstance(self.kept, Exception):
            raise self.kept
        return self.kept

    def get_credential(self, service: str, user: None) -> Any:
        text = self.get_password(service, "")
        return SimpleNamespace(password=text) if text is not None else None

    def set_password(self, service: str, user: str, text: str) -> None: ...

    def delete_password(self, service: str, user: str) -> None: ...


def answer(ring: Ring, verb: str, user: str = "me") -> tuple[str, str]:
    try:
        return helper._perform(ring, verb, "service", user, "00ff")  # type: ignore[arg-type]
    except helper.Stop as stop:
        return stop.answer


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (secretstorage.PromptDismissedException("sk-canary"), ("dismissed", "")),
        (secretstorage.LockedException("sk-canary"), ("locked", "")),
        (
            secretstorage.SecretServiceNotAvailableException("sk-canary"),
            ("unavailable", "the Secret Service does not answer (SecretServiceNotAvailableException)"),
        ),
        (ConnectionResetError("sk-canary"), ("unavailable", "the connection to it failed (ConnectionResetError)")),
    ],
)
@pytest.mark.parametrize("verb", ["probe", "read", "write", "delete", "take"])
def test_a_secret_service_that_fails_is_an_answer_without_its_text(
    verb: str, failure: Exception, said: tuple[str, str]
) -> None:
    assert answer(Ring(failure), verb) == said


@pytest.mark.parametrize("user", ["me", ""])
@pytest.mark.parametrize(
    ("kept", "said"),
    [
        ("schlüssel", ("done", "schlüssel".encode().hex())),
        ("x" * 65_536, ("done", "78" * 65_536)),
        ("x" * 65_537, ("unavailable", "the item is too large for a key")),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "sk-canary"), ("unavailable", "the item is not UTF-8 text")),
        (None, ("missing", "")),
    ],
)
def test_what_is_taken_from_another_program(user: str, kept: str | Exception | None, said: tuple[str, str]) -> None:
    assert answer(Ring(kept), "take", user) == said


def test_what_is_not_kept_or_not_deleted_is_told() -> None:
    assert answer(Ring("something else"), "write") == ("unavailable", "it did not keep what was written")
    assert answer(Ring("it stays"), "delete") == ("unavailable", "it did not delete what it was asked to")


@pytest.mark.parametrize("kept", ["not hex", "0" * 201, "", UnicodeDecodeError("utf-8", b"\xff", 0, 1, "")])
def test_an_item_that_is_not_ours_is_not_shown(kept: str | Exception) -> None:
    assert answer(Ring(kept), "read") == ("done", "not ours")


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring.backends", None)
    with pytest.raises(helper.Stop) as stopped:
        helper._backend(ask=False)
    assert stopped.value.answer == ("unavailable", "the Python package keyring.backends cannot be imported")
