"""What is decided of a security descriptor, whatever is in it."""

from __future__ import annotations

from contextlib import suppress
from struct import pack

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyvault.core.errors import UnsafeFile
from keyvault.store import access_list
from keyvault.store.access_list import ADMINISTRATORS, ANY, CHANGING, NONE, SYSTEM, NotUnderstood

numbers = st.integers(0, 2**32 - 1)
sids = st.builds(
    lambda authority, parts: access_list._sid(authority, *parts), st.integers(0, 2**48 - 1), st.lists(numbers, max_size=15)
)
known = st.sampled_from([SYSTEM, ADMINISTRATORS, access_list._sid(3, 4), access_list._sid(3, 0), access_list.EVERYONE])
entries = st.lists(st.tuples(st.sampled_from([0, 1, 6, 9, 10, 12]), st.integers(0, 31), numbers, sids | known), max_size=6)


def descriptor(owner: bytes, listed: list[tuple[int, int, int, bytes]], *, control: int = 0x8004, extra: bytes = b"") -> bytes:
    packed = b"".join(
        pack("<BBHI", kind, flags, 8 + len(sid + extra), rights) + sid + extra for kind, flags, rights, sid in listed
    )
    access = pack("<BBHHH", 2, 0, 8 + len(packed), len(listed), 0) + packed
    return pack("<BBHIIII", 1, 0, control, 20 + len(access), 0, 0, 20) + access + owner


@given(
    user=sids,
    owner=sids | known,
    listed=entries,
    rights=st.sampled_from([ANY, CHANGING, NONE]),
    extra=st.sampled_from([b"", bytes(8)]),
)
def test_nobody_but_the_trusted_has_a_right_in_what_is_accepted(
    user: bytes, owner: bytes, listed: list[tuple[int, int, int, bytes]], rights: int, extra: bytes
) -> None:
    trusted = {user, SYSTEM, ADMINISTRATORS, access_list._sid(3, 4)}
    harmless = owner in {user, SYSTEM, ADMINISTRATORS} and not any(
        kind in (0, 9) and mask & rights and sid not in trusted and not (sid == access_list._sid(3, 0) and flags & 8)
        for kind, flags, mask, sid in listed
    )
    data = descriptor(owner, listed, extra=extra)
    if harmless:
        access_list.refuse("x", data, user, rights=rights)
    else:
        with pytest.raises(UnsafeFile):
            access_list.refuse("x", data, user, rights=rights)


@given(user=sids, folder=st.booleans(), padding=st.binary(max_size=9))
def test_what_is_built_is_read_back_and_closed(user: bytes, folder: bool, padding: bytes) -> None:
    data = access_list.build(user, folder=folder)
    found = access_list.parse(data + padding)
    assert (found.owner, found.protected) == (user, True)
    assert found.access is not None
    allowed = access_list.allowed(found.access)
    assert {entry.sid for entry in allowed} == {user, SYSTEM, ADMINISTRATORS}
    assert {entry.flags for entry in allowed} == {3 if folder else 0}
    access_list.refuse("x", data + padding, user, rights=ANY, folder=folder)


@given(user=sids, data=st.binary(max_size=200), cut=st.integers(0, 400), at=st.integers(0, 300), put=st.integers(0, 255))
@example(user=SYSTEM, data=b"", cut=400, at=22, put=255)
def test_bytes_that_are_no_descriptor_are_refused_and_raise_nothing_else(
    user: bytes, data: bytes, cut: int, at: int, put: int
) -> None:
    damaged = bytearray(access_list.build(user, folder=True)[:cut])
    if at < len(damaged):
        damaged[at] = put
    for candidate in (data, bytes(damaged)):
        with suppress(UnsafeFile):
            access_list.refuse("x", candidate, user, rights=ANY)
        with suppress(NotUnderstood):
            found = access_list.parse(candidate)
            assert len(found.owner) <= 68


GOOD = access_list.build(SYSTEM, folder=False)  # header 20, owner 12, list 8, then entries of 20 and 24
DAMAGES = {
    "another revision": (0, b"\2"),
    "pointers in place of offsets": (2, (0x1004).to_bytes(2, "little")),
    "no owner": (4, bytes(4)),
    "an owner behind the end": (4, b"\xff\xff\0\0"),
    "a list behind the end": (16, b"\xff\xff\0\0"),
    "an owner of another revision": (20, b"\2"),
    "an owner with more parts than there are": (21, b"\x10"),
    "a list that is longer than the bytes": (34, (len(GOOD) - 32 + 1).to_bytes(2, "little")),
    "more entries than the list holds": (36, b"\3"),
    "an entry shorter than its head": (42, b"\4"),
    "an entry that reaches over the list": (62, b"\x19"),
    "an entry shorter than its SID": (42, b"\x10"),
    "an entry of an unknown kind": (40, b"\5"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_descriptor_is_not_understood(damage: str) -> None:
    assert access_list.strangers(access_list.parse(GOOD), SYSTEM, ANY) == []
    at, put = DAMAGES[damage]
    data = GOOD[:at] + put + GOOD[at + len(put) :]
    with pytest.raises(NotUnderstood):
        access_list.strangers(access_list.parse(data), SYSTEM, ANY)


def labelled(*levels: int, sid: bytes = b"", kind: int = 0x11, control: int = 0x8010) -> bytes:
    sids = [sid or access_list._sid(16, level) for level in levels]
    packed = b"".join(pack("<BBHI", kind, 0, 8 + len(one), 3) + one for one in sids)
    held = pack("<BBHHH", 2, 0, 8 + len(packed), len(levels), 0) + packed
    return pack("<BBHIIII", 1, 0, control, 20, 0, 20 + len(SYSTEM), 0) + SYSTEM + held


@pytest.mark.parametrize(
    ("data", "level"),
    [
        (labelled(), 0x2000),
        (labelled(0), 0),
        (labelled(0x1000), 0x1000),
        (labelled(0x3000, 0x1000), 0x1000),  # Windows makes no two
        (labelled(0x4000), 0x4000),
        (labelled(0x1000, control=0x8000), 0x2000),  # there is no such list
        (labelled(0x1000, kind=2), 0x2000),  # an entry for the log
        (GOOD, 0x2000),
    ],
)
def test_the_level_is_the_label_s_and_medium_without_one(data: bytes, level: int) -> None:
    assert access_list.parse(data).level == level


@given(cut=st.integers(0, 100), at=st.integers(0, 100), put=st.integers(0, 255))
def test_a_damaged_label_is_a_level_or_not_understood(cut: int, at: int, put: int) -> None:
    damaged = bytearray(labelled(0x1000)[:cut])
    damaged[at : at + 1] = bytes([put])
    with suppress(NotUnderstood):
        assert 0 <= access_list.parse(bytes(damaged)).level < 2**32


@pytest.mark.parametrize("sid", [SYSTEM, access_list._sid(16), access_list._sid(16, 0x2000, 0x2000), b"\1"])
def test_a_label_that_names_no_level_is_not_understood(sid: bytes) -> None:
    with pytest.raises(NotUnderstood):
        access_list.parse(labelled(0x2000, sid=sid))


@pytest.mark.parametrize(
    ("sid", "text"),
    [
        (SYSTEM, "S-1-5-18"),
        (ADMINISTRATORS, "S-1-5-32-544"),
        (access_list.EVERYONE, "S-1-1-0"),
        (access_list._sid(2**32, 7), "S-1-0x000100000000-7"),
        (access_list._sid(12, 2**32 - 1), "S-1-12-4294967295"),
    ],
)
def test_a_sid_is_spelled_as_windows_spells_it(sid: bytes, text: str) -> None:
    assert access_list.sid_text(sid) == text


def test_a_descriptor_written_by_hand_in_another_order_is_read() -> None:
    # O:SYG:SYD:P(A;;FA;;;SY)(A;;FR;;;BA)(A;;FR;;;WD): the list behind owner and group
    sy = bytes.fromhex("010100000000000512000000")
    ba = bytes.fromhex("01020000000000052000000020020000")
    wd = bytes.fromhex("010100000000000100000000")
    aces = (
        bytes.fromhex("00001400ff011f00") + sy + bytes.fromhex("0000180089001200") + ba + bytes.fromhex("0000140089001200") + wd
    )
    data = bytes.fromhex("01000490")
    data += (20).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(4) + (44).to_bytes(4, "little") + sy + sy
    data += bytes.fromhex("0200") + (8 + len(aces)).to_bytes(2, "little") + bytes.fromhex("03000000") + aces
    found = access_list.parse(data)
    assert (found.owner, found.protected) == (SYSTEM, True)
    assert access_list.strangers(found, sy, ANY) == [access_list.EVERYONE]
    assert access_list.strangers(found, sy, CHANGING) == []
