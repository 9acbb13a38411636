"""What a key's record says about its replacement: the rotation that is under way, those that ended, and where the key lies.

Imported only for records that say something of the kind, so that `env` does not pay for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from keyvault.core.clock import is_time
from keyvault.vault.codec import altered, is_hex, take

BEGUN, CREATING, PENDING, CHECKED, PROMOTED = "begun", "creating", "pending", "checked", "promoted"
PROPAGATED, REVOKING, REVOKED, ABORTING = "propagated", "revoking", "revoked", "aborting"
MOST_ENDED = 8  # rotations that are remembered
MOST_PLACES = 32
SERVICES = ("github", "gitlab")  # kinds of places that are no files


class Rotation(NamedTuple):
    """A rotation under way. Each step is committed before the next begins; `id` and `step` are compared at each commit.

    `old` and `new` are version ids, `new` empty until the value is sealed. `old_id` and `new_id` are the vendor's ids,
    `name` what the new key is called there. Grace is counted from `promoted`; `boot` and `up` are this machine's run and
    its age then. `created`, `expires` and `vendor_name` are what the key said of the old value, `new_expires` what the
    vendor said of the new. `back`: the old value was put back, so that the roles are swapped. `extra`: what a later
    keyvault wrote.
    """

    id: str
    step: str
    began: int
    at: int
    scheme: str
    old: str
    new: str = ""
    name: str = ""
    admin: str = ""
    old_id: str = ""
    new_id: str = ""
    grace: int = 0
    promoted: int = 0
    boot: str = ""
    up: int = 0
    leaked: bool = False
    back: bool = False
    created: int | None = None
    expires: int | None = None
    vendor_name: str = ""
    new_expires: int | None = None
    extra: Mapping[str, Any] = {}

    def as_record(self) -> dict[str, Any]:
        """What is written: fields that have their default are left out."""
        unset = self._field_defaults
        kept = {
            name: value for name, value in zip(self._fields, self, strict=True) if name not in unset or value != unset[name]
        }
        return dict(self.extra) | {name: value for name, value in kept.items() if name != "extra"}


class Ended(NamedTuple):
    """A rotation that ended: "done", "unconfirmed", "rolled back", "aborted", "refused" or "lost"."""

    began: int
    at: int
    outcome: str
    scheme: str


class Place(NamedTuple):
    """Where the key is known to lie: a format's name and an absolute path, or "github"/"gitlab" and a repository."""

    kind: str
    path: str
    variable: str


_TYPES: dict[str, type] = {
    **dict.fromkeys(("id", "step", "scheme", "old", "new", "name", "admin", "old_id", "new_id", "boot", "vendor_name"), str),
    **dict.fromkeys(("began", "at", "grace", "promoted", "up", "created", "expires", "new_expires"), int),
    **dict.fromkeys(("leaked", "back"), bool),
}


def read_rotation(fields: dict[str, Any] | None, versions: Sequence[str]) -> Rotation | None:
    """The rotation of a record whose version ids are given. Raises VaultCorrupt."""
    if fields is None:
        return None
    rest = dict(fields)
    try:
        known = {name: take(rest, name, kind) for name, kind in _TYPES.items() if name in rest}
        rotation = Rotation(**known, extra=rest)
    except TypeError as exc:
        raise altered("a record") from exc
    times = (
        rotation.began,
        rotation.at,
        rotation.promoted,
        rotation.created or 0,
        rotation.expires or 0,
        rotation.new_expires or 0,
    )
    spans = (rotation.grace, rotation.up)
    if not all(map(is_time, (*times, *spans))) or not is_hex(8)(rotation.id):
        raise altered("a record")
    if rotation.old not in versions or (rotation.new and rotation.new not in versions):
        raise altered("a record")
    return rotation


def read_ended(rows: Any) -> tuple[Ended, ...]:
    """The rotations that ended, oldest first. Raises VaultCorrupt, TypeError."""
    ended = tuple(Ended(*_row(row)) for row in rows)
    if any([*map(type, e)] != [int, int, str, str] or not (is_time(e.began) and is_time(e.at)) for e in ended):
        raise altered("a record")
    return ended


def read_places(rows: Any) -> tuple[Place, ...]:
    """Where the key lies. Raises VaultCorrupt, TypeError."""
    places = tuple(Place(*_row(row)) for row in rows)
    if {type(text) for place in places for text in place} - {str}:
        raise altered("a record")
    return places


def _row(row: Any) -> list[Any]:
    if type(row) is not list:
        raise altered("a record")
    return row
