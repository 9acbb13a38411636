"""Files and streams as pieces for a searcher. Nothing is waited for, no link followed, and memory does not grow with size."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import NamedTuple

from keyvault.audit.findings import Leak
from keyvault.audit.leaks import notes
from keyvault.audit.leaks.pieces import Piece, Searcher

WINDOW = 8 << 20
OVERLAP = 64 << 10  # of two windows; longer than any key
LARGEST_GZIP = 64 << 20
_HEAD = 8 << 10
_GZIP = b"\x1f\x8b\x08"
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BETWEEN_TOKENS = re.compile(rb"[^\w.+/=%\\\x80-\xbf-]")
_INSIDE_CHARACTER = re.compile(rb"[\x80-\xbf]{0,3}")  # the bytes of UTF-8 after the first
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_OPEN |= getattr(os, "O_BINARY", 0)
_HOLE = b"\0" * 64  # stands for a hole of a sparse file, so that what is on both sides does not become one word
TOO_LARGE_GZIP = f"compressed, and larger than {LARGEST_GZIP >> 20} MiB"

Note = tuple[str, str, int]


class Done(NamedTuple):
    """What a task found. `keep_looking`: objects of git that a later run has to search again."""

    leaks: tuple[Leak, ...] = ()
    notes: tuple[Note, ...] = ()
    files: int = 0
    objects: int = 0
    size: int = 0
    keep_looking: frozenset[bytes] = frozenset()


def is_binary(head: bytes) -> bool:
    """Whether the beginning of a file has zero bytes, and they are not those of UTF-16 text."""
    if b"\0" not in head or head.startswith(_BYTE_ORDER_MARKS):
        return False
    return not is_wide(head)


def is_wide(head: bytes) -> bool:
    """Whether it looks like UTF-16: a byte order mark, or zeros in most places of one half and in hardly any of the other."""
    if head.startswith(_BYTE_ORDER_MARKS):
        return True
    half = len(head) // 2
    zeros = sorted((head[0 : half * 2 : 2].count(0), head[1 : half * 2 : 2].count(0)))
    return half >= 4 and zeros[0] <= half // 50 and zeros[1] >= half // 2


def search_whole(searcher: Searcher, piece: Piece, *, binary_too: bool = False) -> tuple[Sequence[Leak], str]:
    """What lies in a piece that is all there is, and why it was not searched, or an empty text."""
    may_be = not binary_too and piece.data.find(b"\0", 0, _HEAD) >= 0 and not piece.data.startswith(_GZIP)
    if may_be and is_binary(piece.data[:_HEAD]):
        return [], notes.BINARY
    return searcher.search(piece), ""


def search_through(
    searcher: Searcher, read: Callable[[int], bytes], size: int, piece: Piece, *, binary_too: bool = False
) -> tuple[Sequence[Leak], str]:
    """The same of `size` bytes that `read` gives. `piece`: what to call it."""
    data = _all_of(read, min(size, WINDOW))
    if data.startswith(_GZIP):
        if size > LARGEST_GZIP:
            return [], TOO_LARGE_GZIP
        data += _all_of(read, size - len(data))
    elif size > len(data):
        head = data[:_HEAD]
        if not binary_too and is_binary(head):
            return [], notes.BINARY
        return _by_windows(searcher, read, size, piece._replace(data=data), is_wide(head)), ""
    return search_whole(searcher, piece._replace(data=data), binary_too=binary_too)


def _all_of(read: Callable[[int], bytes], size: int) -> bytes:
    data = read(size) if size else b""
    while 0 < len(data) < size and (more := read(size - len(data))):
        data += more
    return data


def _by_windows(searcher: Searcher, read: Callable[[int], bytes], size: int, piece: Piece, wide: bool) -> list[Leak]:
    """Windows that overlap. What begins in the part that the next window begins with is left to that one."""
    found: dict[Leak, None] = {}
    left, column = size - len(piece.data), 0
    while True:
        start = _next_start(piece.data, wide)
        line, after = _moved(piece.data, start, piece.first_line, column)
        held = []
        for leak in searcher.search(piece):
            told = leak._replace(column=leak.column + column) if leak.line == piece.first_line else leak
            if told.line == 0 or (told.line, told.column) <= (line, after):
                found[told] = None
            else:
                held.append(told)
        piece = piece._replace(data=piece.data[start:], first_line=line)  # frees what is done before more is read
        more = _all_of(read, min(left, WINDOW - len(piece.data)))
        if not more:
            return [*found, *held]
        piece = piece._replace(data=piece.data + more)
        left, column = left - len(more), after


def _next_start(data: bytes, wide: bool) -> int:
    """Where the next window begins: at a line, or else between two words."""
    cut = max(len(data) - OVERLAP, 1)
    newline = data.find(b"\n", cut)
    between = None if newline >= 0 or wide else _BETWEEN_TOKENS.search(data, cut)
    whole = cut if wide else _INSIDE_CHARACTER.match(data, cut).end()  # type: ignore[union-attr]  # it always matches
    start = newline + 1 if newline >= 0 else between.start() if between else whole
    return start + start % 2 if wide else start


def _moved(data: bytes, start: int, line: int, column: int) -> tuple[int, int]:
    """The line that `start` lies in, and how many characters of it come before."""
    lines = data.count(b"\n", 0, start)
    rest = data[data.rfind(b"\n", 0, start) + 1 : start]
    return line + lines, len(rest.decode("utf-8", "replace")) + (0 if lines else column)


class FileBatch(NamedTuple):
    """Files to search. `names`: their paths, with NUL between; the relative ones lie below `folder`. `sizes`: as listed."""

    folder: str
    names: str
    size: int
    source: str
    binary_too: bool = False
    sizes: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        """What to call it, should it fail."""
        first, _, rest = self.names.partition("\0")
        return f"{first} and {rest.count(chr(0)) + 1:,} other files" if rest else first

    def __call__(self, searcher: Searcher) -> Done:
        """Search them all."""
        leaks: list[Leak] = []
        said: list[Note] = []
        files = size = 0
        for name, listed in zip(self.names.split("\0"), self.sizes or repeat(0), strict=bool(self.sizes)):
            try:
                searched, found, why = self._one(searcher, name, listed)
            except (OSError, ValueError) as exc:
                why, searched, found = _reason(exc), -1, []
            if why:
                said.append((why, name, 1))
            elif searched >= 0:
                files, size = files + 1, size + searched
            leaks += found
        return Done(tuple(leaks), tuple(said), files, 0, size)

    def _one(self, searcher: Searcher, name: str, listed: int) -> tuple[int, Sequence[Leak], str]:
        fd = os.open(os.path.join(self.folder, name), _OPEN)
        try:
            if 0 < listed <= WINDOW:  # as large as it was: then it is what it was, and need not be looked at once more
                data = os.read(fd, listed + 1)
                if len(data) == listed:
                    leaks, why = search_whole(searcher, Piece(data, name, self.source), binary_too=self.binary_too)
                    return listed, leaks, why
                if data:
                    os.lseek(fd, 0, os.SEEK_SET)
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                return -1, [], notes.SPECIAL
            sparse = getattr(info, "st_blocks", info.st_size) * 512 < info.st_size and info.st_size > WINDOW
            read = _sparse_reader(fd) if sparse else lambda most: os.read(fd, most)
            piece = Piece(b"", name, self.source)
            leaks, why = search_through(searcher, read, info.st_size, piece, binary_too=self.binary_too)
            return info.st_size, leaks, why
        finally:
            os.close(fd)


def _reason(exc: OSError | ValueError) -> str:
    if not isinstance(exc, OSError):
        return "a name that cannot be opened"
    if exc.errno == errno.ENOENT:
        return ""  # deleted since it was listed, or deleted but tracked
    known = {errno.EACCES: notes.NO_PERMISSION, errno.EPERM: notes.NO_PERMISSION, errno.ELOOP: notes.LINK}
    return known.get(exc.errno or 0) or f"cannot be read: {(exc.strerror or type(exc).__name__).lower()}"


def _sparse_reader(fd: int) -> Callable[[int], bytes]:
    """Reads on, but passes over holes (lseek(2), SEEK_DATA)."""
    seek_data, seek_hole = getattr(os, "SEEK_DATA", None), getattr(os, "SEEK_HOLE", None)
    at = 0

    def read(most: int) -> bytes:
        nonlocal at
        if seek_data is not None and seek_hole is not None:
            try:
                data = os.lseek(fd, at, seek_data)
            except OSError as exc:
                if exc.errno == errno.ENXIO:
                    return b""  # nothing but a hole up to the end
                data = os.lseek(fd, at, os.SEEK_SET)
            if data > at:
                at = data
                return _HOLE
            end = os.lseek(fd, at, seek_hole)
            os.lseek(fd, at, os.SEEK_SET)
            most = min(most, max(end - at, 1))
        got = os.read(fd, most)
        at += len(got)
        return got

    return read
