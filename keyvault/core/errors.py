"""The errors that all layers share, as one tree. A module's own ones are kinds of these, and stand where they are raised.

    KeyvaultError                 1  failed
    |-- InvalidInput              2  usage
    |-- NotFound                  3  no such key, version, slot, vault, file
    |-- Locked                    4  locked, and nobody to ask
    |-- WrongSecret               5  wrong passphrase, key file or recovery code
    |-- VaultCorrupt              6  damaged or tampered with
    |   |-- RolledBack            6  older than what this machine has seen
    |   |-- Forked                6  a different line of history
    |   `-- Replaced              6  another vault at this path
    |-- Unreachable               8  network or OS keyring does not answer
    |-- AlreadyExists             1
    |-- StoreBusy                 1  somebody else holds the writers' queue
    |-- StoreFailed               1  the disk said no: full, read-only, I/O error
    |-- UnsafeFile                1  loose mode, foreign owner, link where none may be
    |-- UnsupportedFormat         1  not a vault, or a newer one
    `-- NotCarried                1  a format cannot carry this value

Messages are lower case, name what was wrong, and never hold a secret value. `hint` says what to do next.
The numbers are the process's exit codes (see `keyvault.cli.exits`).
"""

from __future__ import annotations


class KeyvaultError(Exception):
    """Base of all errors raised by keyvault."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(KeyvaultError):
    """The caller gave something that is not allowed."""


class NotFound(KeyvaultError):
    """What was asked for is not there."""


class Locked(KeyvaultError):
    """No way to unlock the vault without a person, and nobody to ask."""


class WrongSecret(KeyvaultError):
    """No slot opens with what was given, or the slot was altered."""


class VaultCorrupt(KeyvaultError):
    """Bytes that are not what the vault's owner wrote."""


class RolledBack(VaultCorrupt):
    """The vault is older than the newest state this machine has seen."""


class Forked(VaultCorrupt):
    """The vault does not descend from the newest state this machine has seen."""


class Replaced(VaultCorrupt):
    """Another vault lies at a path where this machine knows a different one."""


class Unreachable(KeyvaultError):
    """A service outside this process did not answer."""


class AlreadyExists(KeyvaultError):
    """The name is taken."""


class StoreBusy(KeyvaultError):
    """The writers' queue did not move within its deadline."""


class StoreFailed(KeyvaultError):
    """The disk or the database engine refused; the old state stands unless the message says otherwise."""


class UnsafeFile(KeyvaultError):
    """A file or folder whose mode, owner or kind would let others read or swap it."""


class UnsupportedFormat(KeyvaultError):
    """Not a vault, or one written by a newer keyvault."""


class NotCarried(KeyvaultError):
    """A format cannot represent this name or value exactly."""
