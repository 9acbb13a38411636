"""When keys were last exported and last used: a hint of this machine, sealed, to the day, and no loss if lost."""

import os
from collections.abc import Iterable
from typing import NamedTuple

from keyvault.core.clock import DAY
from keyvault.core.errors import KeyvaultError, NotFound
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


def first_today(state: str, vault_id: str, at: int) -> bool:
    """Whether this is the first call of the day, in UTC. Where it cannot be noted it is not: nobody wants a line each time."""
    path = os.path.join(state, f"reminded-{vault_id}")
    today = str(at // DAY).encode()
    try:
        if read_private(path, 64) == today:
            return False
    except NotFound:
        pass
    except KeyvaultError:
        return False
    try:
        make_private_folder(state)
        write_private(path, today, durable=False)
    except KeyvaultError:
        return False
    return True


def note_backup(state: str, vault_id: str, at: int, seq: int) -> None:
    """Note that a copy of the vault was made, and of which change. A hint of this machine: it never fails."""
    try:
        make_private_folder(state)
        write_private(os.path.join(state, f"backup-{vault_id}"), f"{at} {seq}".encode(), durable=False)
    except KeyvaultError:
        return  # the copy is there all the same


def last_backup(state: str, vault_id: str) -> tuple[int, int] | None:
    """When this machine last made a copy of the vault, and of which change; None where it knows of none."""
    try:
        at, seq = read_private(os.path.join(state, f"backup-{vault_id}"), 64).decode().split()
        return int(at), int(seq)
    except (KeyvaultError, ValueError):
        return None


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
