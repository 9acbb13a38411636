"""What lies in other wrappings: base64, two bytes a character, gzip. A view is the text within, and where it came from.

Nothing here raises for what is no such wrapping, and what is unpacked is bounded.
"""

from __future__ import annotations

import binascii
import re
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

from keyvault.audit.leaks.shapes import Shape, expression

MOST_UNPACKED = 64 * 1024 * 1024
_WINDOW, _OVERLAP = 4 * 1024 * 1024, 64 * 1024
_LONGEST_RUN = 1024 * 1024  # to either side
GZIP = b"\x1f\x8b\x08"

_SOLID = re.compile(rb"[A-Za-z0-9+/_-]{10,}")
_LETTERS = re.compile(rb"[A-Za-z0-9+/_-]+")
# Line ends, line ends of a string within a string, and the backslash that some writers of JSON put before a slash.
_JOINT = re.compile(rb"(?:\r?\n[ \t]*|\\r\\n|\\n|\\(?=/))(?=[A-Za-z0-9+/_-])")
_JOINT_BACKWARDS = re.compile(rb"[ \t]*\n\r?(?=[A-Za-z0-9+/_-])")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_LITTLE = re.compile(rb"(?:[\t\n\r\x20-\x7e]\x00){12,}")
_BIG = re.compile(rb"(?:\x00[\t\n\r\x20-\x7e]){12,}")


class View(NamedTuple):
    """Text from within. From each of `starts` on it came from the place in `sources`, so many bytes (`step`) for each byte."""

    data: bytes
    starts: tuple[int, ...]
    sources: tuple[int, ...]
    step: float

    def shows(self, shape: Shape, place: int) -> bool:
        """The shape is in the text that came from about there."""
        near, length = self._offset(place), len(shape) + 8
        return re.search(expression(shape).encode(), self.data[max(0, near - length) : near + length], re.DOTALL) is not None

    def _offset(self, place: int) -> int:
        index = max(0, bisect_right(self.sources, place) - 1)
        return self.starts[index] + int((place - self.sources[index]) / self.step)

    def place(self, offset: int) -> int:
        """Where this byte came from."""
        index = max(0, bisect_right(self.starts, offset) - 1)
        return self.sources[index] + int((offset - self.starts[index]) * self.step)


class Run(NamedTuple):
    """A stretch of base64, perhaps over several lines: its solid parts, and how much is before each."""

    parts: tuple[tuple[int, int], ...]
    before: tuple[int, ...]

    def holds(self, place: int) -> bool:
        """The place is in one of its parts."""
        start, end = self._part(place)[1]
        return start <= place < end

    def phase(self, place: int, quarter: int) -> int:
        """How many characters at the beginning belong to no four, when this place is the `quarter` of four."""
        index, (start, _) = self._part(place)
        return (self.before[index] + place - start - quarter) % 4

    def _part(self, place: int) -> tuple[int, tuple[int, int]]:
        index = max(0, bisect_right(self.parts, (place, sys.maxsize)) - 1)
        return index, self.parts[index]


def solid_runs(data: bytes) -> list[tuple[int, int]]:
    """All stretches of ten or more of base64's characters."""
    return [match.span() for match in _SOLID.finditer(data)]


def run_around(data: bytes, place: int) -> Run | None:
    """The run of base64 that this place is in; None where it is too short for one."""
    start, end = _solid(data, place, place)
    if end - start < 10:
        return None
    parts = [(start, end)]
    while place - start < _LONGEST_RUN and (before := _part_before(data, start)):
        parts.insert(0, before)
        start = before[0]
    while end - place < _LONGEST_RUN and (joint := _JOINT.match(data, end)):
        start, end = _solid(data, joint.end(), joint.end())
        parts.append((start, end))
    lengths = (end - start for start, end in parts[:-1])
    return Run(tuple(parts), tuple(accumulate(lengths, initial=0)))


def decoded(data: bytes, run: Run, skip: int) -> View:
    """What the run says from its character number `skip` on."""
    pieces = [data[start:end] for start, end in run.parts]
    text = b"".join(pieces)[skip:].translate(_STANDARD)
    text = text[: len(text) - 1] if len(text) % 4 == 1 else text
    inner = binascii.a2b_base64(text + b"=" * (-len(text) % 4))
    return View(
        inner,
        tuple(max(0, (start - skip) * 3 // 4) for start in run.before),
        tuple(start + (skip if not n else 0) for n, (start, _) in enumerate(run.parts)),
        4 / 3,
    )


def short_text(wrapped: bytes) -> str:
    """What a single word of base64 says, where that is printable ASCII; else nothing."""
    try:
        inner = binascii.a2b_base64(wrapped, strict_mode=True)
    except binascii.Error:
        return ""
    return inner.decode().strip() if inner.isascii() and inner.strip().decode().isprintable() else ""


def wide(data: bytes) -> View | None:
    """The ASCII text that is there in two bytes a character, in either order."""
    spans: list[tuple[int, int, int]] = []
    found = [(m.start(), m.end(), 0) for m in _LITTLE.finditer(data)] + [(m.start(), m.end(), 1) for m in _BIG.finditer(data)]
    for start, end, odd in sorted(found):
        if spans and start < spans[-1][1] - 1:  # the other order sees the same text, less a character
            if end - start <= spans[-1][1] - spans[-1][0]:
                continue
            spans.pop()
        spans.append((start, end, odd))
    if not spans:
        return None
    texts, starts, length = [], [], 0
    for start, end, odd in spans:
        texts.append(data[start + odd : end : 2])
        starts.append(length)
        length += len(texts[-1]) + 1
    return View(b"\n".join(texts), tuple(starts), tuple(start for start, _, _ in spans), 2)


def unpacked(data: bytes, budget: int) -> Iterator[tuple[int, bytes]]:
    """The text of a gzip file in windows, each with its offset; what is broken ends it. At most `budget` bytes."""
    offset, window = 0, b""
    for chunk in _inflated(data, budget):
        window += chunk
        if len(window) >= _WINDOW:
            yield offset, window
            offset += len(window) - _OVERLAP
            window = window[-_OVERLAP:]
    if window:
        yield offset, window


def _inflated(data: bytes, budget: int) -> Iterator[bytes]:
    rest = data
    while rest.startswith(GZIP) and budget > 0:
        machine = zlib.decompressobj(31)
        try:
            while budget > 0 and not machine.eof:
                chunk = machine.decompress(rest, min(budget, _WINDOW - _OVERLAP))
                rest = machine.unconsumed_tail
                if not chunk:
                    break
                budget -= len(chunk)
                yield chunk
        except zlib.error:
            return
        rest = machine.unused_data


def _solid(data: bytes, place: int, end: int) -> tuple[int, int]:
    """The stretch of base64's characters around a place; an escaped line end before it is not part of it."""
    start = place
    while start > 0 and place - start < _LONGEST_RUN:
        low = max(0, start - 4096)
        match = _LETTERS.match(data[low:start][::-1])
        if match is None:
            break
        start -= match.end()
        if start > low:
            break
    if start > 0 and data[start - 1 : start] == b"\\" and data[start : start + 1] in (b"n", b"r") and start < place:
        start += 1
    forward = _LETTERS.match(data, end, min(len(data), end + _LONGEST_RUN))
    return start, forward.end() if forward else end


def _part_before(data: bytes, start: int) -> tuple[int, int] | None:
    """The part that a joint separates from the one that starts here."""
    low = max(0, start - 256)
    back = data[low:start][::-1]
    if match := _JOINT_BACKWARDS.match(back):
        end = start - match.end()
    elif data.endswith(b"\\n", low, start):
        end = start - (4 if data.endswith(b"\\r\\n", low, start) else 2)
    elif data.endswith(b"\\", low, start) and data[start : start + 1] == b"/":
        end = start - 1
    else:
        return None
    begin, _ = _solid(data, end, end)
    return (begin, end) if begin < end else None
