"""Is it a key, and whose? The catalogue's expression is matched where an engine points to, between boundaries, and filtered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from keyvault.audit.findings import BASE64, PLAIN
from keyvault.audit.leaks import filters, views
from keyvault.audit.leaks.naming import NOWHERE, Around, Namer, around
from keyvault.audit.leaks.rules import Rule, Rules, Trigger

_INSIDE = 16 * 1024  # bytes to either side of a literal in a key's middle
_LONGEST = 16 * 1024  # bytes of a key
_LONGEST_NAME = 256
_MOST_NAMES = 4
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")
_NOT_BESIDE = _WORD | frozenset(b"-/+=")  # what shapes without a beginning of their own may not touch
_JOINTS = frozenset(b"_/+=-")
_NOT_BEFORE = _WORD | frozenset(b"-/+.#@")
_ESCAPED = re.compile(rb"(?:\\[nrtbf]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2}|\x1b\[[0-9;]*m)\Z")
_ESCAPES = re.compile(rb"\\/|%(?:2[Ff]|7[Cc]|3[Aa])")
_LONGEST_ESCAPED = 1024
_ALONE = rb"(?![A-Za-z0-9_/+=-]|[.:][A-Za-z0-9])"  # nothing of _NOT_BESIDE, and it does not go on behind a dot
_ENDS = re.compile(_ALONE)
_LETTERS = re.compile(rb"[A-Za-z0-9_-]*")
_MORE_LETTERS = re.compile(rb"[A-Za-z0-9_/+=-]*")
_NO_LETTER = re.compile(rb"[_/+=-]*")
_WRAPPED = re.compile(rb"[A-Za-z0-9+/]{20,4096}={0,2}")
_SENTENCE = b"."
_HASH = re.compile(rb"(?i:sha-?\d{1,3}|md5|blake\w{1,3})[=:-]\Z")
_BLOB = re.compile(rb"[+/][A-Za-z0-9+/]{24,64}")


class Unknown(NamedTuple):
    """A key of somebody. `rank`: the greatest is the best of those at the same place."""

    start: int
    end: int
    value: str
    provider: str
    what: str
    form: str
    rank: tuple[bool, int]


class _Match(NamedTuple):
    start: int
    end: int
    value: str
    rule: Rule


class Decider:
    """Decides about places, one at a time."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.rules
        self._named = [rules.rules[number] for number in rules.named]
        self._hidden = [rule for rule in rules.rules if rule.hidden]
        self._namer = Namer()
        self._searched: tuple[bytes, int] = b"", 0

    @cached_property
    def _shapes(self) -> dict[str, re.Pattern[bytes]]:
        """The expressions of keys that have to be named; many vendors share one."""
        return {rule.pattern.regex: rule.expression for rule in self._named}

    @cached_property
    def _any_named(self) -> re.Pattern[bytes]:
        """At least what `_alone` lets pass of any of them: one look tells that most places are nothing."""
        return re.compile(b"(?:%b)%b" % (b"|".join(b"(?:%b)" % regex.encode() for regex in self._shapes), _ALONE))

    def at_start(self, data: bytes, trigger: Trigger, start: int) -> Iterator[Unknown]:
        """Keys that begin here."""
        if start > 0 and data[start - 1] in _WORD and data[start] in _WORD and not _is_escape(data, start):
            return
        found = [match for number in trigger.rules for match in _whole(self._rules[number], data, start)]
        if found and not _is_in_blob(data, start, found[0].end):
            end = max(match.end for match in found)
            yield from self._of([match for match in found if match.end == end], data)

    def inside(self, data: bytes, trigger: Trigger, start: int) -> Iterator[Unknown]:
        """Keys of which this is a part."""
        known, until = self._searched
        if known is data and start < until:
            return  # it was in the stretch that was searched for an earlier part
        low, high = max(0, start - _INSIDE), min(len(data), start + 2 * _INSIDE)
        self._searched = data, start + _INSIDE
        for number in trigger.rules:
            rule = self._rules[number]
            found = [
                _Match(*match.span(), match[0].decode("utf-8", "replace"), rule)
                for match in rule.expression.finditer(data, low, high)
            ]
            for match in found or _in_a_string(rule, data, low, start, high):
                yield from self._of([match], data)

    def named(self, data: bytes, place: int) -> Iterator[Unknown]:
        """Keys that only their surroundings tell from other texts; here begins what is named by a word like `token`."""
        found: list[_Match] = []
        start, begins = _begins(data, place)
        if not begins:
            return
        for begin in begins:
            if _may_begin(data, begin) and self._any_named.match(data, begin, begin + _LONGEST):
                there = {regex: match for regex, shape in self._shapes.items() if (match := _alone(shape, data, begin))}
                found += [
                    _Match(begin, match.end(), match[0].decode("ascii", "replace"), rule)
                    for rule in (self._named if there else ())
                    if (match := there.get(rule.pattern.regex))
                ]
        told: list[Unknown] = []
        if (wrapped := _WRAPPED.match(data, start)) and (inner := views.short_text(wrapped[0])):
            begin, end = wrapped.span()
            whole = [_Match(begin, end, inner, rule) for rule in self._hidden if rule.expression.fullmatch(inner.encode())]
            told += self._told(whole, data, BASE64)
        if found or told:
            yield from told or self._told(found, data, PLAIN)

    def _of(self, found: list[_Match], data: bytes) -> Iterator[Unknown]:
        """Keys whose shape is enough; the surroundings only choose among vendors that share it."""
        real = [match for match in found if filters.could_be_real(match.rule.pattern, match.value)]
        own = [match for match in real if not match.rule.pattern.generic] or real
        if not own:
            return
        if len({match.rule.provider.id for match in own}) == 1:
            yield _unknown(own[:1], PLAIN, own=True)
            return
        surroundings = around(data, own[0].start, own[0].end)
        best = self._most_surely(own, surroundings, secret=False)
        yield _unknown(best or own, PLAIN, own=not own[0].rule.pattern.generic)

    def _told(self, found: list[_Match], data: bytes, form: str) -> Iterator[Unknown]:
        """Keys that have to be named."""
        judged: dict[tuple[str, str, str], bool] = {}
        for match in found:
            mark = match.value, match.rule.pattern.prefix, match.rule.pattern.checksum
            if mark not in judged:
                judged[mark] = filters.could_be_real(match.rule.pattern, match.value)
        real = [m for m in found if judged[m.value, m.rule.pattern.prefix, m.rule.pattern.checksum]]
        if real and (best := self._most_surely(real, around(data, real[0].start, real[0].end), secret=True)):
            longest = max(match.end - match.start for match in best)
            yield _unknown([match for match in best if match.end - match.start == longest], form, own=False)

    def _most_surely(self, found: list[_Match], surroundings: Around, *, secret: bool) -> list[_Match]:
        sure = [(self._namer.how_surely(match.rule, surroundings, secret=secret), match) for match in found]
        most = max(level for level, _ in sure)
        return [match for level, match in sure if level == most] if most > NOWHERE else []


def _whole(rule: Rule, data: bytes, start: int) -> Iterator[_Match]:
    match = rule.expression.match(data, start, start + _LONGEST)
    if match is None:
        yield from _whole_escaped(rule, data, start)
        return
    end = match.end()
    shorter = len(match[0].rstrip(_SENTENCE))  # the end of a sentence, not of the key
    if start + shorter < end and rule.expression.fullmatch(data, start, start + shorter):
        end = start + shorter
    if not _goes_on(data, end) and data[start:end].isascii():
        yield _Match(start, end, data[start:end].decode(), rule)


def _whole_escaped(rule: Rule, data: bytes, start: int) -> Iterator[_Match]:
    """A key in which JSON or a URL writes some characters otherwise."""
    raw = data[start : start + _LONGEST_ESCAPED]
    escapes = [match.span() for match in _ESCAPES.finditer(raw)]
    match = rule.expression.match(_ESCAPES.sub(_unescaped, raw)) if escapes else None
    if match is None or not match[0].isascii():
        return
    end = match.end()
    for begin, stop in escapes:
        if begin < end:
            end += stop - begin - 1
    if not _goes_on(data, start + end):
        yield _Match(start, start + end, match[0].decode(), rule)


def _unescaped(match: re.Match[bytes]) -> bytes:
    return b"/" if match[0].startswith(b"\\") else bytes.fromhex(match[0][1:].decode())


def _goes_on(data: bytes, end: int) -> bool:
    return end < len(data) and data[end] in _WORD and data[end - 1] in _WORD


def _in_a_string(rule: Rule, data: bytes, low: int, place: int, high: int) -> Iterator[_Match]:
    """An object that was made into a string of JSON, once or twice."""
    start, end = data.rfind(b"{", low, place), data.find(b"}", place, high) + 1
    text = data[start:end].decode("utf-8", "replace") if 0 <= start < end else ""
    for _ in range(2):
        try:
            text = json.loads(f'"{text}"')
        except ValueError:
            return
        if rule.expression.fullmatch(text.encode("utf-8", "replace")):
            yield _Match(start, end, text, rule)
            return


def _begins(data: bytes, place: int) -> tuple[int, list[int]]:
    """Where the first letter is, and where a key around it may begin; nowhere in a long run, before which no name stands."""
    if data[place] not in _JOINTS and (not place or data[place - 1] not in _NOT_BESIDE):
        return place, [place]  # so it is nearly always
    start = _NO_LETTER.match(data, place).end()  # type: ignore[union-attr]  # it always matches
    before = {_letters_before(letters, data, start) for letters in (_LETTERS, _MORE_LETTERS)}
    if max(before) >= _LONGEST_NAME:
        return start, []
    before.update(range(_letters_before(_NO_LETTER, data, start) + 1))
    return start, sorted(start - count for count in before)


def _alone(shape: re.Pattern[bytes], data: bytes, start: int) -> re.Match[bytes] | None:
    match = shape.match(data, start, start + _LONGEST)
    return match if match and _ENDS.match(data, match.end()) else None


def _is_in_blob(data: bytes, start: int, end: int) -> bool:
    """It is part of a hash, or of something long in base64, where a short beginning comes up by chance."""
    before = data[max(0, start - 80) : start]
    if _HASH.search(before):
        return True
    long = _BLOB.match(before[::-1]) or _BLOB.match(data, end)
    return long is not None and filters.is_mixed(long[0].decode())


def _may_begin(data: bytes, start: int) -> bool:
    return start == 0 or data[start - 1] not in _NOT_BEFORE or _is_escape(data, start)


def _is_escape(data: bytes, end: int) -> bool:
    """What ends here is no letter, it only looks so: the n of \\n."""
    return _ESCAPED.search(data[max(0, end - 12) : end]) is not None


def _letters_before(letters: re.Pattern[bytes], data: bytes, place: int) -> int:
    match = letters.match(data[max(0, place - _LONGEST_NAME) : place][::-1])
    return match.end() if match else 0


def _unknown(found: list[_Match], form: str, *, own: bool) -> Unknown:
    """One finding of several matches of the same text. Where they are of several vendors, it names them all."""
    first = found[0]
    vendors = list({match.rule.provider.id: match.rule.provider.name for match in found}.items())
    if len(vendors) == 1:
        provider, what = vendors[0][0], first.rule.pattern.kind
    else:
        provider, what = "", f"key of {_listed([name for _, name in vendors])}"
    return Unknown(first.start, first.end, first.value, provider, what, form, (own, first.end - first.start))


def _listed(names: Iterable[str]) -> str:
    listed = sorted(names)
    if len(listed) > _MOST_NAMES:
        return ", ".join(listed[:_MOST_NAMES]) + " or another vendor"
    return ", ".join(listed[:-1]) + " or " + listed[-1]
