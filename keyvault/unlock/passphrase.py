"""Passphrases: how strong one is, and reading one from where a machine was told to look."""

from __future__ import annotations

from typing import NamedTuple

from keyvault.core.errors import InvalidInput, WrongSecret
from keyvault.core.settings import Settings
from keyvault.vault.slots import LONGEST_PASSPHRASE

WEAK = 3  # zxcvbn scores below this are refused unless insisted on
_WORDS = ("very weak", "weak", "fair", "good", "strong")


class Strength(NamedTuple):
    """zxcvbn's score from 0 to 4, in a word, with its advice."""

    score: int
    word: str
    advice: str

    @property
    def weak(self) -> bool:
        """Too weak to be accepted without insisting."""
        return self.score < WEAK


def strength(passphrase: str) -> Strength:
    """How hard a passphrase is to guess. Source: the zxcvbn estimator."""
    from zxcvbn import zxcvbn

    found = zxcvbn(passphrase[:72])  # its cost grows fast, and its verdict on 72 characters stands
    score, feedback = int(found["score"]), found["feedback"]
    advice = " ".join(filter(None, [feedback.get("warning"), *feedback.get("suggestions", [])]))
    return Strength(score, _WORDS[score], advice)


def given(settings: Settings) -> str | None:
    """The passphrase from KEYVAULT_PASSPHRASE_FD, _FILE or KEYVAULT_PASSPHRASE, or None. Raises WrongSecret, InvalidInput.

    One trailing newline of a file or descriptor is not part of the passphrase. Read once a run: a pipe gives it once.
    """
    for known, text in _read:
        if known is settings:
            return text
    _read.append((settings, found := _given(settings)))
    return found


_read: list[tuple[Settings, str | None]] = []


def _given(settings: Settings) -> str | None:
    if settings.passphrase_fd is not None:
        return from_file("KEYVAULT_PASSPHRASE_FD", settings.passphrase_fd)
    if settings.passphrase_file:
        return from_file("KEYVAULT_PASSPHRASE_FILE", settings.passphrase_file)
    return settings.passphrase.reveal() if settings.passphrase else None


def from_file(variable: str, source: int | str) -> str:
    """The passphrase in a file or descriptor that `variable` names. Raises WrongSecret, InvalidInput."""
    limit = 4 * LONGEST_PASSPHRASE + 2
    try:
        # A pipe, a container's mounted secret or a process substitution is fine here: the person named it.
        # A descriptor is closed behind it: `run`'s child must not find it.
        with open(source, "rb") as file:
            data = file.read(limit)
    except OSError as exc:
        reason = (exc.strerror or "").lower()
        raise WrongSecret(f"cannot read the passphrase from {variable}: {reason}", "check what it names") from exc
    data = data[:-2] if data.endswith(b"\r\n") else data.removesuffix(b"\n")
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"what {variable} names is not UTF-8 text", "a passphrase is a line of text") from exc
