"""When keys were last exported and last used: a hint of this machine, sealed, to the day, and no loss if lost."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from keyvault.core.clock import DAY
from keyvault.core.errors import KeyvaultError
from keyvault.crypto.primitives import expand
from keyvault.store.files import make_private_folder, read_private, write_private
from keyvault.vault import codec
from keyvault.vault.codec import Header, Kind, dump_json, load_json, stepped

USED, EXPORTED = "used", "exported"
_LARGEST = 16 * 1024 * 1024
_KIND = Kind(b"usage", stepped(4096))


class Used(NamedTuple):
    """The days, as seconds since 1970, on which a key was last used by name and last exported in bulk."""

    used: int | None
    exported: int | None


class Usage:
    """The usage file of one vault in the state folder. Its key hangs on the fingerprint key, which a rekey keeps."""

    def __init__(self, state: str, vault_id: str, fingerprint_key: bytes) -> None:
        self.path = os.path.join(state, f"usage-{vault_id}")
        self._header = Header(vault_id, 0, ())
        self._key = expand(fingerprint_key, b"keyvault/1/usage\x00")

    def read(self) -> dict[str, Used]:
        """By record id. What cannot be read is empty."""
        try:
            sealed = read_private(self.path, _LARGEST)
            fields = load_json(codec.unseal(_KIND, self._key, self._header, b"", sealed), "the usage file")
            days = fields.items()
            return {key: Used(*(n * DAY if type(n) is int else None for n in pair)) for key, pair in days}
        except (KeyvaultError, TypeError, ValueError):
            return {}

    def note(self, keys: Iterable[str], what: str, at: int) -> None:
        """Note that keys were USED or EXPORTED at a time. Writes at most once a day a key, and never fails."""
        known, today, changed = self.read(), at - at % DAY, False
        for key in keys:
            before = known.get(key, Used(None, None))
            if (getattr(before, what) or 0) < today:
                known[key] = before._replace(**{what: today})
                changed = True
        if changed:
            self._write(known)

    def _write(self, known: dict[str, Used]) -> None:
        days = {key: [n // DAY if n else None for n in pair] for key, pair in known.items()}
        try:
            make_private_folder(os.path.dirname(self.path))
            write_private(self.path, codec.seal(_KIND, self._key, self._header, b"", dump_json(days)), durable=False)
        except KeyvaultError:
            return  # a full or read-only disk must not keep anybody from their keys
