"""Copies of the user's files from before keyvault changed them: they hold keys, so they are sealed like the vault.

One file each in the state folder. Their key hangs on the fingerprint key, which a rekey keeps.
"""

from __future__ import annotations

import base64
import os
from binascii import Error as NoBase64
from typing import NamedTuple

from keyvault.core.errors import NotFound
from keyvault.crypto.primitives import expand, random_bytes
from keyvault.store.files import create_private, make_private_folder, read_private
from keyvault.vault import codec
from keyvault.vault.codec import Header, Kind, altered, dump_json, is_hex, load_json, stepped, take

_LARGEST = 8 * 1024 * 1024
_KIND = Kind(b"file", stepped(4096))


class Copy(NamedTuple):
    """A file as it was: its path, mode, content, and when it was put away. `name` finds it again."""

    name: str
    path: str
    mode: int
    at: int
    data: bytes


class SealedFiles:
    """The put-away files of one vault."""

    def __init__(self, state: str, vault_id: str, fingerprint_key: bytes) -> None:
        self._folder = os.path.join(state, f"files-{vault_id}")
        self._header = Header(vault_id, 0, ())
        self._key = expand(fingerprint_key, b"keyvault/1/file\x00")

    def put(self, path: str, mode: int, data: bytes, at: int) -> str:
        """Put a file's content away, durably; the copy's name. Raises StoreFailed."""
        name = random_bytes(16).hex()
        fields = {"path": path, "mode": mode, "at": at, "data": base64.b64encode(data).decode()}
        make_private_folder(self._folder)
        sealed = codec.seal(_KIND, self._key, self._header, bytes.fromhex(name), dump_json(fields))
        create_private(os.path.join(self._folder, name), sealed)
        return name

    def names(self) -> list[str]:
        """The names of all copies, in no order."""
        try:
            return [name for name in os.listdir(self._folder) if is_hex(16)(name)]
        except OSError:
            return []

    def get(self, name: str) -> Copy:
        """A copy by its name. Raises NotFound, VaultCorrupt."""
        if not is_hex(16)(name):
            raise NotFound("no such copy of a file")
        sealed = read_private(os.path.join(self._folder, name), _LARGEST)
        fields = load_json(codec.unseal(_KIND, self._key, self._header, bytes.fromhex(name), sealed), "a file's copy")
        try:
            data = base64.b64decode(take(fields, "data", str), validate=True)
        except (NoBase64, ValueError) as exc:
            raise altered("a file's copy") from exc
        return Copy(name, take(fields, "path", str), take(fields, "mode", int), take(fields, "at", int), data)
