"""What a key begins with, as sets of bytes: short and of a fixed length, so that an end tells the start.

A shape is no decision. It only says where to look; the catalogue's own expression decides.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import cache
from re import _parser  # type: ignore[attr-defined]
from typing import Any, NamedTuple

Shape = tuple[frozenset[int], ...]

_PRINTABLE = frozenset(range(0x20, 0x7F))
_ANY = frozenset(range(256))
_VARIANTS = 16
_LONGEST = 128
_ENOUGH = 24  # bytes, of which some are fixed: more would not find less
_LITERAL = 3
_ALONE, _MIXED = 6, 16  # characters of base64
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_CLASSES = {
    "CATEGORY_DIGIT": frozenset(b"0123456789"),
    "CATEGORY_SPACE": frozenset(b" \t\n\r\f\v"),
    "CATEGORY_WORD": frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"),
}


class Wrapped(NamedTuple):
    """A shape in base64: the characters, and which of four the first of them is."""

    chars: Shape
    place: int


@cache
def beginnings(regex: str) -> list[Shape]:
    """What a match of the expression begins with: it has one of these at its start."""
    fold = bool(re.compile(regex).flags & re.IGNORECASE) or "(?i" in regex
    found = [_enough(shape) for shape, _ in _sequences(_parser.parse(regex))]
    return uncovered([tuple(_folded(part) for part in shape) for shape in found] if fold else found)


def uncovered(found: Iterable[Shape]) -> list[Shape]:
    """Those that are needed: what begins as another one is found by that one."""
    return list(covering(found))


def covering(found: Iterable[Shape]) -> dict[Shape, list[Shape]]:
    """Those that are needed, each with all that it finds. Grouped by their first byte, for there are many."""
    if not all(found := list(dict.fromkeys(found))):
        return {(): found}
    every: dict[Shape, list[Shape]] = {}
    by_first: dict[frozenset[int], list[Shape]] = {}
    for shape in sorted(found, key=lambda shape: (len(shape), -sum(map(len, shape)))):
        wider = [other for first, others in by_first.items() if first >= shape[0] for other in others]
        covers = [other for other in wider if all(map(frozenset.issuperset, other, shape))]
        if not covers:
            covers = [shape]
            by_first.setdefault(shape[0], []).append(shape)
        for other in covers:
            every.setdefault(other, []).append(shape)
    return every


def escaped(shape: Shape) -> list[Shape]:
    """The shape as JSON and URLs write it, where they write it otherwise."""
    ways = ({ord("/"): "\\/"}, {ord("/"): "%2F", ord("|"): "%7C", ord(":"): "%3A"})
    return [other for way in ways if (other := _with_escapes(shape, way)) != shape]


def _with_escapes(shape: Shape, way: dict[int, str]) -> Shape:
    out: list[frozenset[int]] = []
    for part in shape:
        written = way.get(min(part)) if len(part) == 1 else None
        out += [frozenset((char.lower() + char.upper()).encode()) for char in written] if written else [part]
    return tuple(out)


def inner_literal(regex: str) -> Shape:
    """The longest run of fixed characters that each match has, for expressions without a telling start."""
    best: list[int] = []
    run: list[int] = []
    for operation, argument in _parser.parse(regex):
        run = [*run, argument] if str(operation) == "LITERAL" and argument < 0x80 else []
        best = max(best, run, key=len)
    return literal(bytes(best).strip(b"\"' "))


def strength(shape: Shape) -> float:
    """How much a shape tells, in bits: text that fits by chance is that rare."""
    return sum(math.log2(max(1.0, len(_PRINTABLE) / len(part))) for part in shape)


def is_shown(shape: Shape) -> bool:
    """It has enough fixed characters to be sought in base64."""
    return len(longest_literal(shape)[1]) >= _LITERAL


def literal(text: bytes) -> Shape:
    """The shape of just this text."""
    return tuple(frozenset((byte,)) for byte in text)


def in_base64(shape: Shape) -> list[Wrapped]:
    """How the shape looks in base64, at each of the three ways it can lie in there. Both alphabets in one."""
    return [_at(shape, lead) for lead in range(3)]


def expression(shape: Shape) -> str:
    """A regular expression for it, in the dialect that all engines share."""
    out: list[str] = []
    count = 0
    for index, part in enumerate(shape):
        count += 1
        if index + 1 == len(shape) or shape[index + 1] != part:
            out.append(_class(part) + (f"{{{count}}}" if count > 1 else ""))
            count = 0
    return "".join(out)


def longest_literal(shape: Shape) -> tuple[int, bytes]:
    """Where the longest run of fixed bytes is, and the run."""
    best, run, start = (0, b""), b"", 0
    for index, part in enumerate(shape):
        if len(part) > 1:
            run, start = b"", index + 1
            continue
        run += bytes(part)
        if len(run) > len(best[1]):
            best = start, run
    return best


def _at(shape: Shape, lead: int) -> Wrapped:
    """What characters can there be? Ends that could be anything are left off."""
    parts = (*([_ANY] * lead), *shape)
    sets = [
        _six_bits(parts[at * 6 // 8], parts[min((at * 6 + 5) // 8, len(parts) - 1)], at % 4)
        for at in range(len(parts) * 8 // 6)
    ]
    first = next((i for i, values in enumerate(sets) if len(values) < 64 and i * 6 >= lead * 8 - 5), len(sets))
    while sets and len(sets[-1]) == 64:
        sets.pop()
    chars = tuple(map(_both_alphabets, sets[first:]))
    start, end = _best_part(chars)
    return Wrapped(chars[start:end], (first + start) % 4)


def _best_part(chars: Shape) -> tuple[int, int]:
    """A run of fixed characters alone, where it is long enough: that is sought at four times the speed."""
    start, run = longest_literal(chars)
    if len(run) >= _ALONE:
        return start, start + min(len(run), 2 * _ALONE)
    return (start, start + _MIXED) if len(run) >= _LITERAL else (0, 2 * _MIXED)


@cache
def _six_bits(part: frozenset[int], following: frozenset[int], place: int) -> frozenset[int]:
    """The values that six bits can have, which lie in one byte or in two."""
    offset = place * 6 % 8
    if offset <= 2:
        return frozenset((byte >> (2 - offset)) & 63 for byte in part)
    high, low = {(byte << (offset - 2)) & 63 for byte in part}, {byte >> (10 - offset) for byte in following}
    return frozenset(a | b for a in high for b in low)


@cache
def _both_alphabets(values: frozenset[int]) -> frozenset[int]:
    more = {"-": 62, "_": 63}
    return frozenset(ord(_BASE64[value]) for value in values) | {ord(c) for c, value in more.items() if value in values}


def _enough(shape: Shape) -> Shape:
    run = 0
    for index, part in enumerate(shape):
        run = run + 1 if len(part) == 1 else 0
        if run >= _LITERAL:
            end = max(index + 1, _ENOUGH)
            while end < len(shape) and len(shape[end]) == 1:
                end += 1
            return shape[:end]
    return shape


def _sequences(nodes: Any) -> list[tuple[Shape, bool]]:
    """The ways the nodes can begin; the flag: it is whole, so what follows may be put behind it."""
    found: list[tuple[Shape, bool]] = [((), True)]
    for operation, argument in nodes:
        ways = _ways(str(operation), argument)
        if len(found) * len(ways) > _VARIANTS:
            ways = _in_common(ways)
        found = _joined(found, ways)
        if not any(whole and len(shape) < _LONGEST for shape, whole in found):
            break
    return found


def _joined(found: list[tuple[Shape, bool]], ways: list[tuple[Shape, bool]]) -> list[tuple[Shape, bool]]:
    whole = [(shape + more, goes_on) for shape, complete in found if complete for more, goes_on in ways]
    return list(dict.fromkeys([*((shape, False) for shape, complete in found if not complete), *whole]))


def _in_common(ways: list[tuple[Shape, bool]]) -> list[tuple[Shape, bool]]:
    """Too many ways: only what they all have at least."""
    shortest = min(len(shape) for shape, _ in ways)
    return [(tuple(frozenset().union(*(shape[i] for shape, _ in ways)) for i in range(shortest)), False)]


def _ways(operation: str, argument: Any) -> list[tuple[Shape, bool]]:
    if operation == "LITERAL":
        return [((frozenset((argument,)),), True)] if argument < 0x80 else [((), False)]
    if operation == "IN":
        return [((_members(argument),), True)]
    if operation == "SUBPATTERN":
        return _sequences(argument[3])
    if operation == "BRANCH":
        return [way for branch in argument[1] for way in _sequences(branch)]
    if operation in ("MAX_REPEAT", "MIN_REPEAT"):
        return _repeated(*argument)
    if operation in ("AT", "ASSERT", "ASSERT_NOT"):
        return [((), True)]  # they take no characters
    return [((), False)]


def _repeated(least: int, most: int, nodes: Any) -> list[tuple[Shape, bool]]:
    one = _sequences(nodes)
    last: list[tuple[Shape, bool]] = [((), True)]
    for _ in range(min(least, _LONGEST)):
        last = _joined(last, one if len(last) * len(one) <= _VARIANTS else _in_common(one))
    if least == most:
        return last
    if most - least >= _VARIANTS:
        return [(shape, False) for shape, _ in last]
    found = list(last)
    for _ in range(most - least):
        last = _joined(last, one if len(last) * len(one) <= _VARIANTS else _in_common(one))
        found += last
    return list(dict.fromkeys(found))


def _members(items: Any) -> frozenset[int]:
    found: set[int] = set()
    negated = False
    for kind, argument in items:
        name = str(kind)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found.add(argument)
        elif name == "RANGE":
            found.update(range(argument[0], min(argument[1], 0xFF) + 1))
        else:
            found |= _CLASSES.get(str(argument), _ANY)
    found = {byte for byte in found if byte < 0x80}
    return frozenset(_ANY - found if negated else found) or _ANY


def _folded(part: frozenset[int]) -> frozenset[int]:
    return part | frozenset(bytes(part).lower() + bytes(part).upper())


@cache
def _class(part: frozenset[int]) -> str:
    if len(part) == 256:
        return r"[\x00-\xff]"
    if len(part) == 1:
        return f"\\x{min(part):02x}"
    members, out = sorted(part), ""
    while members:
        end = 1
        while end < len(members) and members[end] == members[0] + end:
            end += 1
        out += f"\\x{members[0]:02x}" + (f"-\\x{members[end - 1]:02x}" if end > 1 else "")
        members = members[end:]
    return f"[{out}]"
