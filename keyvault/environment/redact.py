"""Mask secrets in a stream of bytes, however it is cut into chunks."""

from __future__ import annotations

import json
import re
from binascii import b2a_base64
from bisect import bisect_right
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MASK = b"***"
# Shorter values would garble all output.
SHORTEST = 4
SHORTEST_ENCODED = 8
_HEAD = SHORTEST  # no needle is shorter
_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~"  # RFC 3986


class Redactor:
    """Replaces every value by `***`: leftmost first, the longest at each place, never overlapping.

    A value is found as UTF-8, JSON-escaped, percent-encoded, as hex, and as base64 wherever it lies in a longer
    encoded text; a value of several lines also line by line. Values under 8 characters are found as they are only;
    values under 4 not at all. Not found: other encodings, and base64 that was broken into lines, unless the value was
    encoded alone (base64(1), openssl).

    Work grows with the stream's length, memory with the longest form of a value. Raises InvalidInput for text that
    no environment can hold.
    """

    def __init__(self, values: Iterable[str]) -> None:
        needles: set[bytes] = set()
        for value in values:
            for text in _pieces(value):
                needles.update(_forms(text))
        self._needles = sorted(needles)
        self._longest = max(map(len, needles), default=0)
        self._find = re.compile(_pattern(self._needles))
        self._find_head = re.compile(_pattern(sorted({needle[:_HEAD] for needle in needles})))
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return all that is decided. What could still become a match is held back."""
        if not self._needles:
            return data
        buffer = self._held + data
        parts: list[bytes] = []
        start, done, undecided = 0, 0, self._undecided(buffer, 0)
        while (head := self._find_head.search(buffer, start)) and head.start() < undecided:
            start = head.start()
            if match := self._find.match(buffer, start):
                parts += buffer[done:start], MASK
                start = done = match.end()
                if done > undecided:
                    undecided = self._undecided(buffer, done)
            else:
                start += 1
        parts.append(buffer[done:undecided])
        self._held = buffer[undecided:]
        return b"".join(parts)

    def finish(self) -> bytes:
        """Return what was held back, masked. The stream may go on afterwards, as a new one."""
        held, self._held = self._held, b""
        return self._find.sub(MASK, held) if self._needles else held

    def _undecided(self, buffer: bytes, start: int) -> int:
        """Where the longest tail of `buffer` begins that is the beginning of a needle; its length if there is none.

        Before it, more bytes cannot change what matches.
        """
        size = len(buffer)
        start = max(start, size - self._longest + 1)
        while head := self._find_head.search(buffer, start):
            start = head.start()
            if self._begins_needle(buffer[start:]):
                return start
            start += 1
        for at in range(max(start, size - _HEAD + 1), size):
            if self._begins_needle(buffer[at:]):
                return at
        return size

    def _begins_needle(self, tail: bytes) -> bool:
        """Whether `tail` is the beginning, and not the whole, of a needle: those sort right behind it."""
        place = bisect_right(self._needles, tail)
        return place < len(self._needles) and self._needles[place].startswith(tail)


def _pieces(value: str) -> Iterator[str]:
    """What of a value is worth hiding: all of it, and each long line without its indentation."""
    if len(value) >= SHORTEST:
        yield value
    for line in value.splitlines():
        text = line.strip()
        if len(text) >= SHORTEST_ENCODED:
            yield text


def _forms(text: str) -> Iterator[bytes]:
    """`text` as it may appear in output."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise InvalidInput("a value is not valid text") from None  # the cause would hold the value
    yield raw
    if len(text) < SHORTEST_ENCODED:
        return
    for only_ascii in (True, False):
        escaped = json.dumps(text, ensure_ascii=only_ascii)[1:-1].encode("utf-8", "surrogateescape")
        yield escaped
        yield escaped.replace(b"/", b"\\/")  # PHP
    for pattern in (b"%%%02X", b"%%%02x"):
        for plain in (b"", b"/", b"!'()*"):  # RFC 3986, a path, JavaScript's encodeURIComponent
            quoted = b"".join(bytes((b,)) if b in _UNRESERVED + plain else pattern % b for b in raw)
            yield quoted
            yield quoted.replace(b"%20", b"+")  # a form
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for encoded in _base64(raw):
        yield encoded
        yield encoded.replace(b"+", b"-").replace(b"/", b"_")


def _base64(raw: bytes) -> Iterator[bytes]:
    """The characters that depend on nothing but `raw`, for each place where it may start in a group of three bytes.

    Twice more with the last character and its padding, for a text that ends with `raw`.
    """
    for before in range(3):
        text = b2a_base64(bytes(before) + raw, newline=False)
        first, last = (8 * before + 5) // 6, 8 * (before + len(raw)) // 6
        yield text[first:last]
        yield text.rstrip(b"=")[first:]
        yield text[first:]
        if before == 0:
            for width in (76, 64):  # base64(1), openssl
                yield b"\n".join(text[at : min(at + width, last)] for at in range(0, last, width))


def _pattern(needles: list[bytes], depth: int = 0) -> bytes:
    """A regular expression for sorted `needles` that prefers the longest: a tree, so that no two branches start alike.

    Ten times as fast as a flat alternation. Past a depth that only made-up values reach it is flat, for re recurses.
    """
    if depth > 50:
        return b"(?:" + b"|".join(re.escape(needle) for needle in reversed(needles)) + b")"
    optional = b"" in needles
    branches: dict[int, list[bytes]] = {}
    for needle in needles:
        if needle:
            branches.setdefault(needle[0], []).append(needle)
    if not branches:
        return b""
    parts = []
    for group in branches.values():
        first, last = group[0], group[-1]
        common = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
        parts.append(re.escape(first[:common]) + _pattern([needle[common:] for needle in group], depth + 1))
    return b"(?:" + b"|".join(parts) + (b")?" if optional else b")")
