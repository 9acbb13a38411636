"""Files as they were before keys were taken out of them, sealed, so that it can be undone. In the state folder."""

from __future__ import annotations

import base64
import os
from typing import NamedTuple

from keyvault.core.errors import NotFound, StoreFailed
from keyvault.core.text import escape
from keyvault.crypto.primitives import expand, hmac_sha256, sha256
from keyvault.store.files import create_private, make_private_folder, read_private, remove_quietly
from keyvault.vault import codec
from keyvault.vault.codec import Header, Kind, altered, dump_json, load_canonical, take

_LARGEST = 16 * 1024 * 1024
_KIND = Kind(b"file", codec.doubled)


class Original(NamedTuple):
    """A file as it was. `after` is the SHA-256 of what was put in its place."""

    path: str
    mode: int
    at: int
    data: bytes
    after: str


class Originals:
    """The originals that one vault has sealed. Their key hangs on the fingerprint key, which a rekey keeps."""

    def __init__(self, state: str, vault_id: str, fingerprint_key: bytes) -> None:
        self._folder = os.path.join(state, "cleaned")
        self._header = Header(vault_id, 0, ())
        self._key = expand(fingerprint_key, b"keyvault/1/file\x00")

    def put_away(self, original: Original) -> None:
        """Seal a file, and read it back before this returns. Raises StoreFailed, UnsafeFile, VaultCorrupt."""
        make_private_folder(os.path.dirname(self._folder))
        make_private_folder(self._folder)
        names = self._names(original.path)
        name = self._prefix(original.path) + f"{int(names[-1][-8:], 16) + 1 if names else 1:08x}"
        fields = {
            "after": original.after,
            "at": original.at,
            "data": base64.b64encode(original.data).decode(),
            "mode": original.mode,
            "path": base64.b64encode(os.fsencode(original.path)).decode(),
        }
        sealed = codec.seal(_KIND, self._key, self._header, name.encode(), dump_json(fields))
        create_private(os.path.join(self._folder, name), sealed)
        if self._open(name) != original:
            raise StoreFailed(f"what was put away of {escape(original.path)} does not read back", "the file was left as it is")

    def newest(self, path: str) -> tuple[str, Original]:
        """The last original of that file that was put away, and its name here. Raises NotFound, VaultCorrupt."""
        names = self._names(path)
        if not names:
            raise NotFound(f"nothing was put away of {escape(path)} on this machine", "check the path")
        return names[-1], self._open(names[-1])  # sealed under its name, which hangs on the path

    def forget(self, name: str) -> None:
        """Remove an original that is in its place again."""
        remove_quietly(os.path.join(self._folder, name))

    def _open(self, name: str) -> Original:
        sealed = read_private(os.path.join(self._folder, name), _LARGEST)
        what = "a file that was put away"
        fields = load_canonical(codec.unseal(_KIND, self._key, self._header, name.encode(), sealed), what)
        try:
            data = base64.b64decode(take(fields, "data", str), validate=True)
            path = os.fsdecode(base64.b64decode(take(fields, "path", str), validate=True))
        except ValueError as exc:
            raise altered(what) from exc
        mode = take(fields, "mode", int, lambda n: 0 <= n <= 0o7777)
        return Original(path, mode, take(fields, "at", int), data, take(fields, "after", str, codec.is_hex(32)))

    def _prefix(self, path: str) -> str:
        """The name tells nothing about the path to who has not the key."""
        return f"{self._header.vault_id}-{hmac_sha256(self._key, b'path' + bytes(1) + os.fsencode(path))[:16].hex()}-"

    def _names(self, path: str) -> list[str]:
        prefix = self._prefix(path)
        try:
            return sorted(n for n in os.listdir(self._folder) if n.startswith(prefix) and codec.is_hex(4)(n[len(prefix) :]))
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise StoreFailed(f"cannot read {escape(self._folder)}: {(exc.strerror or 'error').lower()}", "") from exc


def digest(data: bytes) -> str:
    """SHA-256 in hex, for `Original.after`."""
    return sha256(b"", data).hex()
