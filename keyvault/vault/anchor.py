"""What this machine has seen of a vault, kept apart from it, so that an older or a different copy is noticed.

An anchor is written after a commit is durable: it may lag, never lead. Two small files in the state folder: the anchor by vault
id, and which vault lies at which path.
"""

import json
import os
import sys
from typing import Any, NamedTuple

from keyvault.core.clock import is_time
from keyvault.core.errors import KeyvaultError, NotFound
from keyvault.crypto.primitives import sha256
from keyvault.store.files import check_private, make_private_folder, read_private, write_private
from keyvault.vault.codec import is_hex

_LARGEST = 4096


class AnchorLost(KeyvaultError):
    """The file is there and cannot be understood."""

    def __init__(self) -> None:
        super().__init__("this machine's note of the vault's newest state cannot be read")


class Anchor(NamedTuple):
    """The newest commit seen: its number, and the chain hash (hex) after it; who saw it, and when."""

    vault_id: str
    seq: int
    chain: str
    host: str
    at: int


class Anchors:
    """The anchors of this user on this machine, in the folder `state`."""

    def __init__(self, state: str) -> None:
        self._state = state

    def read(self, vault_id: str) -> Anchor | None:
        """The anchor of a vault, or None. Raises AnchorLost, UnsafeFile."""
        fields = self._load(f"anchor-{vault_id}")
        if fields is None:
            return None
        anchor = Anchor(vault_id, *(fields.get(name) for name in Anchor._fields[1:]))  # type: ignore[arg-type]
        right = [type(part) for part in anchor] == [str, int, str, str, int]
        if not (right and 0 < anchor.seq < 2**63 and is_time(anchor.at) and is_hex(32)(anchor.chain)):
            raise AnchorLost
        return anchor

    def write(self, anchor: Anchor) -> None:
        """Remember a commit. Call it under the writers' queue. Raises StoreFailed, UnsafeFile."""
        self._save(f"anchor-{anchor.vault_id}", anchor._asdict())

    def vault_at(self, path: str) -> str | None:
        """The id of the vault that this machine knows at `path`, or None. Raises AnchorLost, UnsafeFile."""
        fields = self._load(_path_file(path))
        return str(fields.get("vault_id", "")) or None if fields else None

    def pin(self, path: str, vault_id: str) -> None:
        """Remember which vault lies at `path`. Raises StoreFailed, UnsafeFile."""
        self._save(_path_file(path), {"vault_id": vault_id})

    def _load(self, name: str) -> dict[str, Any] | None:
        try:
            check_private(self._state, folder=True)  # who can swap its files decides what is believed
            data = read_private(os.path.join(self._state, name), _LARGEST)
        except NotFound:
            return None
        try:
            fields = json.loads(data)
            checksum = fields.pop("checksum")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as exc:
            raise AnchorLost from exc
        if checksum != _checksum(fields):
            raise AnchorLost
        return dict(fields)

    def _save(self, name: str, fields: dict[str, Any]) -> None:
        make_private_folder(self._state)
        data = json.dumps(fields | {"checksum": _checksum(fields)}, sort_keys=True)
        write_private(os.path.join(self._state, name), data.encode())


def files_of(state: str, vault_id: str, path: str) -> list[str]:
    """The two files that say what is known of a vault at a path."""
    return [os.path.join(state, f"anchor-{vault_id}"), os.path.join(state, _path_file(path))]


def host_name() -> str:
    """The name of this machine, for people."""
    if sys.platform != "win32":
        return os.uname().nodename
    import platform

    return platform.node()


def _path_file(path: str) -> str:
    return "path-" + sha256(os.fsencode(path)).hex()[:32]


def _checksum(fields: dict[str, Any]) -> str:
    # Against torn writes and stray edits only; whoever can write this file can also compute it.
    return sha256(json.dumps(fields, sort_keys=True).encode()).hex()
