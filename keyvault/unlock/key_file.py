"""The key file: one line that unlocks the vault, for CI and machines without a person."""

from __future__ import annotations

import os
import re

from keyvault.core.errors import AlreadyExists, NotFound, WrongSecret
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.files import create_private, make_private_folder, read_private

_PREFIX = "keyvault-key-file-1 "
_LINE = re.compile(re.escape(_PREFIX).encode() + rb"([0-9a-f]{64})\n?\Z")


def read(path: str) -> bytes:
    """The 32 bytes in a key file. Raises WrongSecret, UnsafeFile, StoreFailed."""
    try:
        match = _LINE.match(read_private(path, 4096))
    except NotFound as exc:
        raise WrongSecret(f"the key file {escape(path)} does not exist", "check KEYVAULT_KEY_FILE") from exc
    if not match:
        raise WrongSecret(f"{escape(path)} is not a keyvault key file", "check KEYVAULT_KEY_FILE")
    return bytes.fromhex(match[1].decode())


def write(path: str, secret: bytes) -> None:
    """Make a new key file, mode 0600. Raises AlreadyExists, StoreFailed, UnsafeFile."""
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "choose another place for the key file")
    folder = os.path.dirname(absolute(path))
    if not os.path.isdir(folder):
        make_private_folder(folder)
    create_private(absolute(path), f"{_PREFIX}{secret.hex()}\n".encode())
