"""The search itself: engines say where to look, views say what lies within, and from what is found come the leaks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from keyvault.audit.findings import BASE64, GZIP, OWN, PLAIN, UNKNOWN, UTF16, Leak, Skipped
from keyvault.audit.leaks import filters, kept, rules, views
from keyvault.audit.leaks.deciding import Decider, Unknown
from keyvault.audit.leaks.engines import Engine, Hit, engine
from keyvault.audit.leaks.own import Own, OwnKeys
from keyvault.audit.leaks.pieces import Piece, Plan
from keyvault.crypto.primitives import hmac_sha256
from keyvault.providers import catalogue

_made: tuple[bytes, rules.Rules] | None = None
_DEEPEST = 3
_PACKED = 2  # times: a gzip within a gzip
_TAIL, _TAIL_FROM = 4, 16
_LONGEST_LINE = 1000  # bytes to either side: an ignore comment is near
_PRINT = 8  # bytes of a fingerprint


class _Layer(NamedTuple):
    """A text to look through. `place`: where its bytes came from. `base`: 0 for the piece itself, else a text of its own.

    `packed`: how often it was unpacked.
    """

    data: bytes
    form: str
    depth: int
    base: int
    packed: int
    place: Callable[[int], int]


class _Found(NamedTuple):
    base: int
    start: int
    end: int
    rank: tuple[bool, bool, int]
    value: str
    leak: Leak


class Search:
    """Looks through pieces. `too_short`: refs of own values that are not sought in free text; `skipped`: what was cut short."""

    def __init__(self, plan: Plan) -> None:
        self._key = plan.fingerprint_key
        self._triggers: tuple[rules.Trigger, ...] = (made := _rules(plan.cache_folder)).triggers
        self.own = OwnKeys(plan.own)
        self._engine: Engine = engine(self._triggers, plan.engine, plan.cache_folder)
        self._own_engine: Engine = engine(self.own.triggers, self._engine.name)
        self.decider = Decider(made)
        self.engine = self._engine.name
        self.too_short = tuple(self.own.too_short)
        self.skipped: list[Skipped] = []

    def search(self, piece: Piece) -> list[Leak]:
        """All that lies there in clear, by place."""
        data, hits = piece.data, None
        if not data.startswith(views.GZIP):
            hits = self.hits(data)
            if not any(hits):
                return []  # so it is with most files
        work = _Work(self, piece)
        work.layer(_Layer(data, PLAIN, 0, 0, 0, lambda offset: offset), hits)
        return self._leaks(piece, _distinct(work.found)) if work.found else []

    def hits(self, data: bytes) -> tuple[Sequence[Hit], Sequence[Hit]]:
        """Where to look: for unknown keys, and for own ones."""
        return self._engine.hits(data), self._own_engine.hits(data)

    def trigger(self, number: int) -> rules.Trigger:
        """One of those for unknown keys."""
        return self._triggers[number]

    def own_trigger(self, number: int) -> rules.Trigger:
        """One of those for own keys."""
        return self.own.triggers[number]

    def _leaks(self, piece: Piece, found: Iterable[_Found]) -> list[Leak]:
        leaks, line, counted = [], piece.first_line, 0
        for one in found:
            if one.base:
                where = 0, 0
            else:
                line += piece.data.count(b"\n", counted, one.start)
                counted = one.start
                where = line, _column(piece.data, one.start, wide=one.leak.form == UTF16)
            leaks.append(
                one.leak._replace(
                    line=where[0],
                    column=where[1],
                    tail=one.value[-_TAIL:] if len(one.value) >= _TAIL_FROM and one.value[-_TAIL:].isprintable() else "",
                    fingerprint=fingerprint(self._key, one.value),
                )
            )
        return leaks


class _Work:
    """One piece, and what is found in it and in what it holds."""

    def __init__(self, search: Search, piece: Piece) -> None:
        self._search = search
        self._piece = piece
        self._budget = views.MOST_UNPACKED
        self._bases = 0
        self.found: list[_Found] = []

    def layer(self, layer: _Layer, hits: tuple[Sequence[Hit], Sequence[Hit]] | None = None) -> None:
        """Look through one text; `hits`: where, if that is known."""
        packed = layer.packed < _PACKED and layer.depth < _DEEPEST
        if packed and layer.data.startswith(views.GZIP) and self._gzip(layer, 0):
            return  # what is packed says nothing but by chance
        unknown, own = hits or self._search.hits(layer.data)
        for number, start in own:
            if self._search.own_trigger(number).kind != rules.BASE64:
                for found in self._search.own.at(layer.data, number, start):
                    self._note_own(layer, found)
        self._look(layer, unknown)
        if layer.depth >= _DEEPEST:
            return
        triggers = [(self._search.trigger(number), start) for number, start in unknown]
        triggers += [(self._search.own_trigger(number), start) for number, start in own]
        if wrapped := [(trigger, start) for trigger, start in triggers if trigger.kind == rules.BASE64]:
            self._base64(layer, wrapped)
        wide = any(trigger.kind == rules.WIDE for trigger, _ in triggers)
        if wide and (view := views.wide(layer.data)):
            self._view(layer, view, UTF16)
        if packed and layer.form == BASE64 and (begin := layer.data.find(views.GZIP)) >= 0:
            self._gzip(layer, begin)

    def _look(self, layer: _Layer, hits: Iterable[Hit]) -> None:
        decider, seen = self._search.decider, set()
        for number, start in hits:
            trigger = self._search.trigger(number)
            if trigger.kind == rules.START:
                self._note(layer, decider.at_start(layer.data, trigger, start))
            elif trigger.kind == rules.INSIDE:
                self._note(layer, decider.inside(layer.data, trigger, start))
            elif trigger.kind == rules.NAMED and start not in seen:
                seen.add(start)
                self._note(layer, decider.named(layer.data, start))

    def _base64(self, layer: _Layer, wrapped: list[tuple[rules.Trigger, int]]) -> None:
        runs: list[views.Run] = []
        inside: dict[tuple[int, int], views.View] = {}
        done: set[tuple[int, int]] = set()
        for trigger, place in sorted(wrapped, key=lambda one: one[1]):
            known = (run for run in reversed(runs[-4:]) if run.holds(place))
            run = next(known, None) or views.run_around(layer.data, place)
            if run is None:
                continue
            if not runs or run is not runs[-1]:
                runs.append(run)
            mark = run.parts[0][0], run.phase(place, trigger.place)
            if mark in done:
                continue
            if mark not in inside:
                inside = {mark: views.decoded(layer.data, run, mark[1])} | dict(list(inside.items())[:3])
            view = inside[mark]
            if any(view.shows(clear, place) for clear in trigger.clear):
                done.add(mark)
                self._view(layer, view, BASE64)

    def _view(self, layer: _Layer, view: views.View, form: str) -> None:
        outer = layer.form if layer.form != PLAIN else form
        self.layer(
            _Layer(view.data, outer, layer.depth + 1, layer.base, layer.packed, lambda offset: layer.place(view.place(offset)))
        )

    def _gzip(self, layer: _Layer, begin: int) -> bool:
        """Look through what is packed; false where nothing comes out."""
        before = self._budget
        self._bases += 1
        base, outer = self._bases, layer.form if layer.form != PLAIN else GZIP
        for offset, window in views.unpacked(layer.data[begin:] if begin else layer.data, self._budget):
            self._budget -= len(window)
            self.layer(_Layer(window, outer, layer.depth + 1, base, layer.packed + 1, offset.__add__))
        if self._budget <= 0:
            self._search.skipped.append(Skipped(self._piece.path, "only the beginning of what is packed in it was unpacked"))
        return self._budget < before

    def _note_own(self, layer: _Layer, found: Own) -> None:
        form = layer.form if layer.form != PLAIN else found.form
        leak = self._leak(found.key.provider, "", OWN, form)._replace(ref=found.key.ref, current=found.key.current)
        self._add(layer, found.start, found.end, (True, True, 0), found.key.value.reveal(), leak)

    def _note(self, layer: _Layer, found: Iterator[Unknown]) -> None:
        for one in found:
            if self._is_ignored(layer, one):
                continue
            form = layer.form if layer.form != PLAIN else one.form
            self._add(
                layer, one.start, one.end, (False, *one.rank), one.value, self._leak(one.provider, one.what, UNKNOWN, form)
            )

    def _leak(self, provider: str, what: str, kind: str, form: str) -> Leak:
        piece = self._piece
        return Leak(piece.path, 0, 0, provider, what, kind, form, "", "", piece.source, commit=piece.commit)

    def _add(self, layer: _Layer, start: int, end: int, rank: tuple[bool, bool, int], value: str, leak: Leak) -> None:
        self.found.append(_Found(layer.base, layer.place(start), layer.place(max(start, end - 1)) + 1, rank, value, leak))

    def _is_ignored(self, layer: _Layer, one: Unknown) -> bool:
        if filters.is_ignored(_line(layer.data, one.start, one.end)):
            return True
        start = layer.place(one.start)
        return layer.base == 0 and layer.depth > 0 and filters.is_ignored(_line(self._piece.data, start, start + 1))


def _line(data: bytes, start: int, end: int) -> bytes:
    begin = data.rfind(b"\n", max(0, start - _LONGEST_LINE), start) + 1
    stop = data.find(b"\n", end, end + _LONGEST_LINE)
    return data[max(begin, start - _LONGEST_LINE) : stop if stop >= 0 else end + _LONGEST_LINE]


def _column(data: bytes, place: int, *, wide: bool) -> int:
    begin = data.rfind(b"\n", 0, place) + 1
    if wide:
        return (place - begin - (2 if not begin and data.startswith((b"\xff\xfe", b"\xfe\xff")) else 0)) // 2 + 1
    return len(data[begin:place].decode("utf-8", "replace")) + 1


def _distinct(found: list[_Found]) -> list[_Found]:
    """By place, each spot once: an own key before any other, then the best. An own value may belong to several keys."""
    kept: list[_Found] = []
    taken: dict[int, list[tuple[int, int]]] = {}
    seen: set[tuple[int, int, str]] = set()
    for one in sorted(found, key=lambda one: (*(not part for part in one.rank[:2]), -one.rank[2], one.base, one.start)):
        spans = taken.setdefault(one.base, [])
        place = bisect_right(spans, (one.start, one.end))
        near = spans[max(0, place - 1) : place + 1]
        same = (one.start, one.end) in near
        mark = (one.base, one.start, one.leak.ref or one.leak.what)
        overlaps = any(start < one.end and one.start < end for start, end in near)
        if mark in seen or (overlaps and not (same and one.leak.kind == OWN)):
            continue
        seen.add(mark)
        if not same:
            spans.insert(place, (one.start, one.end))
        kept.append(one)
    return sorted(kept, key=lambda one: (one.base, one.start, one.leak.ref))


def fingerprint(key: bytes, value: str) -> str:
    """Tells equal values under one key, and nothing else of them."""
    return hmac_sha256(key, value.encode("utf-8", "surrogatepass"))[:_PRINT].hex()


def searcher(plan: Plan) -> Search:
    """One that seeks what the plan says. Raises InvalidInput for an engine that is not there, or a vendor file that is bad."""
    return Search(plan)


def _rules(cache_folder: str) -> rules.Rules:
    """Made once as long as the vendors are the same; a person's own vendor files are read each time."""
    global _made  # noqa: PLW0603 - a cache
    vendors = catalogue.fingerprint()
    if _made is None or _made[0] != vendors:
        _made = vendors, kept.all_rules(cache_folder, vendors)
    return _made[1]
