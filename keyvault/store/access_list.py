"""Windows' security descriptors, read, judged and built as bytes ([MS-DTYP] 2.4). Nothing here calls the system.

A descriptor names an owner and lists who may do what. Closed means: it belongs to the user, the system or the administrators,
and allows nobody else anything. The latter two are what root is elsewhere: they can read every file anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, error
from typing import NamedTuple

from keyvault.core.errors import UnsafeFile
from keyvault.core.text import escape

# Rights in an entry's mask ([MS-DTYP] 2.4.3, and 2.2.1.2 of [MS-SMB2] for files and folders).
ANY = 0xFFFF_FFFF
NONE = 0
# Write and append data, write EA, delete child, write attributes, delete, write DAC and owner, generic all and write.
CHANGING = 0x0002 | 0x0004 | 0x0010 | 0x0040 | 0x0100 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000
_ALL = 0x001F_01FF  # FILE_ALL_ACCESS

_PRESENT, _LABELS_PRESENT, _PROTECTED, _RELATIVE = 0x0004, 0x0010, 0x1000, 0x8000  # 2.4.6: what `control` says
_TO_CHILDREN, _CHILDREN_ONLY = 0x03, 0x08  # 2.4.4.1: object and container inherit; inherit only
_ALLOW, _ALLOW_CALLBACK = 0x00, 0x09
_DENY = (0x01, 0x06, 0x0A, 0x0C)  # they open nothing
_LABEL, MEDIUM = 0x11, 0x2000  # a mandatory label, and the level of what an ordinary program makes

_DESCRIPTOR, _LIST, _ENTRY, _SID = Struct("<BBHIIII"), Struct("<BBHHH"), Struct("<BBHI"), Struct("<BB6s")


def _sid(authority: int, *parts: int) -> bytes:
    return _SID.pack(1, len(parts), authority.to_bytes(6, "big")) + b"".join(part.to_bytes(4, "little") for part in parts)


SYSTEM, ADMINISTRATORS, EVERYONE = _sid(5, 18), _sid(5, 32, 544), _sid(1, 0)
_OWNER_RIGHTS, _CREATOR_OWNER = _sid(3, 4), _sid(3, 0)
_LABEL_SID = _sid(16, MEDIUM)[: _SID.size]  # one part, the level


class Entry(NamedTuple):
    """Who is allowed what. `flags` as in an ACE's header."""

    flags: int
    rights: int
    sid: bytes


class Descriptor(NamedTuple):
    """`access` is the list as it is, or None where there is none: all may do everything. `level` is its label's."""

    owner: bytes
    protected: bool
    access: bytes | None
    level: int


class NotUnderstood(ValueError):
    """Bytes that are no descriptor, or hold what nobody here knows."""


def parse(data: bytes) -> Descriptor:
    """Read a self-relative descriptor. Raises NotUnderstood."""
    try:
        revision, _, control, owner, _, labels, access = _DESCRIPTOR.unpack_from(data)
        if revision != 1 or not control & _RELATIVE or not owner:
            raise NotUnderstood
        held = _list_at(data, access) if control & _PRESENT and access else None
        level = _level(_list_at(data, labels)) if control & _LABELS_PRESENT and labels else MEDIUM
        return Descriptor(_read_sid(data[owner:]), bool(control & _PROTECTED), held, level)
    except error as exc:
        raise NotUnderstood from exc


def _list_at(data: bytes, at: int) -> bytes:
    size = _LIST.unpack_from(data, at)[2]
    if len(data) < at + size:
        raise NotUnderstood
    return data[at : at + size]


def allowed(access: bytes) -> list[Entry]:
    """The entries that allow something. Raises NotUnderstood."""
    entries = []
    for kind, flags, rights, rest in _entries(access):
        if kind in (_ALLOW, _ALLOW_CALLBACK):  # the latter with a condition behind the SID
            entries.append(Entry(flags, rights, _read_sid(rest)))
        elif kind not in _DENY:
            raise NotUnderstood
    return entries


def _level(labels: bytes) -> int:
    """The integrity that something has; MEDIUM without a label (2.4.4.13)."""
    sids = [_read_sid(rest) for kind, _, _, rest in _entries(labels) if kind == _LABEL]
    if any(sid[: _SID.size] != _LABEL_SID or len(sid) != _SID.size + 4 for sid in sids):
        raise NotUnderstood
    return min((int.from_bytes(sid[_SID.size :], "little") for sid in sids), default=MEDIUM)


def _entries(held: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, rights, and what follows them."""
    at = _LIST.size
    try:
        for _ in range(_LIST.unpack_from(held)[3]):
            kind, flags, size, rights = _ENTRY.unpack_from(held, at)
            if size < _ENTRY.size or at + size > len(held):
                raise NotUnderstood
            yield kind, flags, rights, held[at + _ENTRY.size : at + size]
            at += size
    except error as exc:
        raise NotUnderstood from exc


def _read_sid(data: bytes) -> bytes:
    if len(data) < _SID.size:
        raise NotUnderstood
    revision, count, _ = _SID.unpack_from(data)
    size = _SID.size + 4 * count
    if revision != 1 or count > 15 or len(data) < size:
        raise NotUnderstood
    return data[:size]


def sid_text(sid: bytes) -> str:
    """`S-1-5-18`, as icacls takes it with a star before it (2.4.2.1)."""
    _, count, authority = _SID.unpack_from(sid)
    number = int.from_bytes(authority, "big")
    parts = [int.from_bytes(sid[at : at + 4], "little") for at in range(_SID.size, _SID.size + 4 * count, 4)]
    return "-".join(["S-1", str(number) if number < 2**32 else f"0x{number:012X}", *map(str, parts)])


def strangers(found: Descriptor, user: bytes, rights: int) -> list[bytes]:
    """Who else is allowed any of these rights, whatever is denied them too. Raises NotUnderstood."""
    if found.access is None:
        return [EVERYONE] if rights else []
    trusted = (user, SYSTEM, ADMINISTRATORS, _OWNER_RIGHTS)
    return list(
        dict.fromkeys(
            entry.sid
            for entry in allowed(found.access)
            if entry.rights & rights
            and entry.sid not in trusted
            and not (entry.sid == _CREATOR_OWNER and entry.flags & _CHILDREN_ONLY)  # whoever makes a file there: one of these
        )
    )


def refuse(path: str, data: bytes, user: bytes, *, rights: int, folder: bool = False) -> None:
    """Raises UnsafeFile for what belongs to somebody else, or allows somebody else any of `rights`."""
    shown = escape(path)
    try:
        found = parse(data)
        others = strangers(found, user, rights)
    except NotUnderstood as exc:
        raise UnsafeFile(
            f"{shown} has an access list that keyvault does not understand", _closing(shown, user, [], folder)
        ) from exc
    if found.owner not in (user, SYSTEM, ADMINISTRATORS):
        raise UnsafeFile(f"{shown} belongs to another user", "run keyvault as the user who owns it")
    if others:
        names = ", ".join(map(sid_text, others))
        closing = _closing(shown, user, others, folder)
        if rights == CHANGING:
            raise UnsafeFile(f"{shown} can be changed by other users ({names})", closing)
        raise UnsafeFile(f"{shown} is open to other users ({names})", closing)


def _closing(shown: str, user: bytes, others: list[bytes], folder: bool) -> str:
    """The command that leaves what `build` would have made. Nothing of it but the path is a word of somebody else's."""
    down = "(OI)(CI)" if folder else ""
    grants = " ".join(f'"*{sid_text(sid)}:{down}F"' for sid in dict.fromkeys((user, SYSTEM, ADMINISTRATORS)))
    remove = "".join(f' "*{sid_text(sid)}"' for sid in others)
    return f'icacls "{shown}" /inheritance:r /grant:r {grants}' + (f" /remove:g{remove}" if remove else "")


def build(user: bytes, *, folder: bool) -> bytes:
    """A descriptor that is closed, inherits nothing, and in a folder is the one of what is made there too."""
    flags = _TO_CHILDREN if folder else 0
    sids = dict.fromkeys((user, SYSTEM, ADMINISTRATORS))
    entries = b"".join(_ENTRY.pack(_ALLOW, flags, _ENTRY.size + len(sid), _ALL) + sid for sid in sids)
    access = _LIST.pack(2, 0, _LIST.size + len(entries), len(sids), 0) + entries
    head = _DESCRIPTOR.pack(1, 0, _PRESENT | _PROTECTED | _RELATIVE, _DESCRIPTOR.size, 0, 0, _DESCRIPTOR.size + len(user))
    return head + user + access
