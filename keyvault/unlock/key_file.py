"""The key file: one line that unlocks the vault, for CI and machines without a person."""

from __future__ import annotations

import os

from keyvault.core.errors import AlreadyExists, NotFound, WrongSecret
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.files import create_private, make_private_folder, read_private
from keyvault.vault.codec import is_hex

_PREFIX = "keyvault-key-file-1 "


def read(path: str) -> bytes:
    """The 32 bytes in a key file. Raises WrongSecret, UnsafeFile, StoreFailed."""
    try:
        line = read_private(path, 4096).decode("ascii", "replace").removesuffix("\n")
    except NotFound as exc:
        raise WrongSecret(f"the key file {escape(path)} does not exist", "check KEYVAULT_KEY_FILE") from exc
    digits = line.removeprefix(_PREFIX)
    if digits == line or not is_hex(32)(digits):
        raise WrongSecret(f"{escape(path)} is not a keyvault key file", "check KEYVAULT_KEY_FILE")
    return bytes.fromhex(digits)


def write(path: str, secret: bytes) -> None:
    """Make a new key file, mode 0600. Raises AlreadyExists, StoreFailed, UnsafeFile."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "choose another place for the key file")
    folder = os.path.dirname(absolute(path))
    if not os.path.isdir(folder):
        make_private_folder(folder)
    create_private(absolute(path), f"{_PREFIX}{secret.hex()}\n".encode())
