"""The two engines that say where to look: hyperscan, and Python's own means. Both say the same, tested as such.

They know nothing of keys. Data goes in, and numbers of triggers with the place where their fixed part starts come out.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from keyvault.audit.leaks import kept, shapes, views
from keyvault.audit.leaks.rules import BASE64, NAMED, WIDE, Trigger
from keyvault.core.errors import InvalidInput

HYPERSCAN, PLAIN = "hyperscan", "plain"


class Hit(NamedTuple):
    """Number of a trigger, and where its fixed part starts."""

    trigger: int
    start: int


class Engine(Protocol):
    """Says where to look."""

    name: str

    def hits(self, data: bytes) -> Sequence[Hit]:
        """Where in the data the triggers are, in no order; more than once where they overlap."""
        ...


def engine(triggers: Sequence[Trigger], wanted: str = "", cache_folder: str = "") -> Engine:
    """The fastest engine that is installed, or the one that is named. `cache_folder`: only for triggers without a secret.

    Raises InvalidInput for one that is not there.
    """
    if wanted not in ("", HYPERSCAN, PLAIN):
        raise InvalidInput("no such search engine", f"there are {HYPERSCAN} and {PLAIN}")
    if wanted != PLAIN:
        try:
            import hyperscan
        except ImportError as exc:
            if wanted:
                raise InvalidInput("hyperscan is not installed", "install keyvault-apikeys[scan]") from exc
        else:
            try:
                return _Hyperscan(hyperscan, triggers, cache_folder)
            except hyperscan.HyperscanError as exc:
                if wanted:
                    raise InvalidInput("hyperscan cannot search for these patterns", "use the plain engine") from exc
    return _Plain(triggers)


class _Hyperscan:
    name = HYPERSCAN

    def __init__(self, module: Any, triggers: Sequence[Trigger], cache_folder: str) -> None:
        self._lengths = [len(trigger.fixed) for trigger in triggers]
        self._database = _database(module, triggers, cache_folder) if triggers else None

    def hits(self, data: bytes) -> list[Hit]:
        """As the protocol says."""
        found: list[Hit] = []
        lengths = self._lengths

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append(Hit(number, end - lengths[number]))

        if self._database is not None and data:
            self._database.scan(data, match_event_handler=note)
        return found


def _database(module: Any, triggers: Sequence[Trigger], cache_folder: str) -> Any:
    path = os.path.join(cache_folder, f"scan-{_cache_name(module, triggers)}.db") if cache_folder else ""
    database = _cached(module, path) if path else None
    if database is None:
        database = module.Database(mode=module.HS_MODE_BLOCK)
        database.compile(
            expressions=[trigger.expression.encode() for trigger in triggers],
            ids=list(range(len(triggers))),
            elements=len(triggers),
            flags=[module.HS_FLAG_DOTALL | (module.HS_FLAG_SINGLEMATCH if t.kind == WIDE else 0) for t in triggers],
        )
        if path:
            kept.write(path, module.dumpb(database))
    database.scratch = module.Scratch(database)
    return database


def _cache_name(module: Any, triggers: Sequence[Trigger]) -> str:
    text = "\n".join((*(t.expression for t in triggers), module.__version__, platform.machine(), _processor()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _processor() -> str:
    """What the processor can do: a database is made for that."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            return next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        return platform.processor()


def _cached(module: Any, path: str) -> Any:
    """A database from the cache; None where there is none, or it is not what was put there."""
    body = kept.read(path)
    try:
        return module.loadb(body, module.HS_MODE_BLOCK) if body else None
    except module.HyperscanError:
        return None


class _Plain:
    """Finds a literal of each trigger, which is fast, and matches there."""

    name = PLAIN

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self._fixed: dict[bytes, list[tuple[int, int, re.Pattern[bytes]]]] = {}
        self._wrapped: dict[bytes, list[tuple[int, int, re.Pattern[bytes]]]] = {}
        self._others: list[tuple[int, re.Pattern[bytes], bool]] = []
        self._behind: list[tuple[int, re.Pattern[bytes]]] = []
        self._lead: re.Pattern[bytes] | None = None
        self._words = re.compile(b"")
        for number, trigger in enumerate(triggers):
            self._add(number, trigger)

    def _add(self, number: int, trigger: Trigger) -> None:
        start, literal = shapes.longest_literal(trigger.fixed)
        fixed = re.compile(shapes.expression(trigger.fixed).encode(), re.DOTALL)
        if trigger.kind == NAMED:
            self._behind.append((number, fixed))
            wanted = "|".join(f"(?:{pattern.pattern.decode()})" for _, pattern in self._behind)
            lead = trigger.expression.removesuffix(shapes.expression(trigger.fixed)).replace("{1,16}", "{1,16}?")
            self._lead = re.compile(f"{lead}(?={wanted})".encode(), re.DOTALL)
            self._words = re.compile("|".join(trigger.words).encode())
        elif trigger.kind == BASE64:
            self._wrapped.setdefault(literal, []).append((number, start, fixed))
        elif literal:
            self._fixed.setdefault(literal, []).append((number, start, fixed))
        else:
            self._others.append((number, re.compile(trigger.expression.encode(), re.DOTALL), trigger.kind == WIDE))

    def hits(self, data: bytes) -> list[Hit]:
        """As the protocol says."""
        found = [Hit(*hit) for hit in _found(data, self._fixed)]
        for number, pattern, once in self._others:
            place = 0 if not once or b"\0" in data else len(data)
            while match := pattern.search(data, place):
                found.append(Hit(number, match.start()))
                place = len(data) if once else match.start() + 1
        if self._lead:
            self._named(data, self._lead, found)
        if self._wrapped:
            self._in_runs(data, found)
        return found

    def _named(self, data: bytes, lead: re.Pattern[bytes], found: list[Hit]) -> None:
        lowered, place = data.lower(), 0
        while word := self._words.search(lowered, place):
            place = word.start() + 1
            if match := lead.match(data, word.start()):
                found += [Hit(number, match.end()) for number, pattern in self._behind if pattern.match(data, match.end())]

    def _in_runs(self, data: bytes, found: list[Hit]) -> None:
        """Base64 is sought where base64 can be: that is little of most texts."""
        runs = views.solid_runs(data)
        starts, length = [], 0
        for start, end in runs:
            starts.append(length)
            length += end - start + 1
        joined = b" ".join(data[start:end] for start, end in runs)
        for number, place in _found(joined, self._wrapped):
            run = bisect_right(starts, place) - 1
            found.append(Hit(number, runs[run][0] + place - starts[run]))


def _found(data: bytes, sought: dict[bytes, list[tuple[int, int, re.Pattern[bytes]]]]) -> list[tuple[int, int]]:
    found = []
    for literal, behind in sought.items():
        place = data.find(literal)
        while place >= 0:
            for number, start, pattern in behind:
                if place >= start and pattern.match(data, place - start):
                    found.append((number, place - start))
            place = data.find(literal, place + 1)
    return found
