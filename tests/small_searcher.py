"""A searcher for tests of where and how is searched, not of what: it finds `sk-test-` and twenty letters or digits."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import time

from keyvault.audit.findings import PLAIN, UNKNOWN, Leak, Skipped
from keyvault.audit.leaks.pieces import Piece, Plan

_KEY = re.compile(rb"sk-test-[a-z0-9]{20,}")


def key(number: int) -> str:
    """A key that is found."""
    return f"sk-test-{number:020d}"


class Small:
    """Bytes as they are; a token that is cut off is found cut off, as real patterns do."""

    def search(self, piece: Piece) -> list[Leak]:
        """All keys in the piece."""
        found = []
        for match in _KEY.finditer(piece.data):
            line = piece.data.count(b"\n", 0, match.start()) + piece.first_line
            column = match.start() - piece.data.rfind(b"\n", 0, match.start())
            told = hashlib.sha256(match[0]).hexdigest()[:16]
            tail = match[0][-4:].decode()
            found.append(
                Leak(piece.path, line, column, "test", "key", UNKNOWN, PLAIN, tail, told, piece.source, commit=piece.commit)
            )
        return found


class Deadly(Small):
    """Dies of a piece that says so, as a process does that the system ends."""

    def search(self, piece: Piece) -> list[Leak]:
        """As above."""
        if b"DIE HERE" in piece.data:
            os._exit(9)
        return super().search(piece)


class CutShort(Small):
    """Tells that it did not look at all of each piece."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []

    def search(self, piece: Piece) -> list[Leak]:
        """As above."""
        self.skipped.append(Skipped(piece.path, "packed too often"))
        return super().search(piece)


class Slow(Small):
    """Takes its time. A test that waits for those who search gives a folder, in which each of them leaves its number."""

    def search(self, piece: Piece) -> list[Leak]:
        """As above."""
        if folder := os.environ.get("KV_SEARCHERS"):
            with open(os.path.join(folder, str(os.getpid())), "wb"):
                pass
        time.sleep(0.02)
        return super().search(piece)


class Dumpable(Small):
    """Tells whether its process may be looked into."""

    def search(self, piece: Piece) -> list[Leak]:
        """As above."""
        get_dumpable = 3  # linux/prctl.h
        now = ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0)
        return [leak._replace(tail=str(now)) for leak in super().search(piece)]


def small(_plan: Plan) -> Small:
    """The factory that a search takes."""
    return Small()


def deadly(_plan: Plan) -> Deadly:
    """The same."""
    return Deadly()


def dumpable(_plan: Plan) -> Dumpable:
    """The same."""
    return Dumpable()


def cut_short(_plan: Plan) -> CutShort:
    """The same."""
    return CutShort()


def slow(_plan: Plan) -> Slow:
    """The same."""
    return Slow()
