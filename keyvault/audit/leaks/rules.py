"""What is sought of other people's vendors: the catalogue's patterns, and where to look for each.

A trigger is an expression of a fixed length that says "look here". Most are beginnings of keys; keys without a beginning of
their own are looked for behind a word like `token`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from keyvault.audit.leaks import shapes
from keyvault.audit.leaks.shapes import Shape
from keyvault.providers.schema import Pattern, Provider

START, INSIDE, NAMED, BASE64, WIDE = "start", "inside", "named", "base64", "wide"
_TELLING = 16.0  # bits: a weaker beginning would be found everywhere
_NAMEABLE = 9.0  # bits: what begins with less is sought nowhere, `.*` for one
_LEAST_INSIDE = 6
_WORDS = ("key", "token", "secret", "passw", "bearer", "authorization", "credential", "_ak", "_sk", "value")
_GZIP = shapes.literal(b"\x1f\x8b\x08")
_PUBLIC = "(not secret)"


class Rule:
    """One pattern of one vendor, by their numbers. `hidden`: nothing of it can be sought in base64."""

    def __init__(self, vendors: Sequence[Provider], vendor: int, place: int, hidden: bool) -> None:
        self._vendors = vendors
        self.vendor, self.place, self.hidden = vendor, place, hidden

    @property
    def provider(self) -> Provider:
        """Whose it is."""
        return self._vendors[self.vendor]

    @cached_property
    def pattern(self) -> Pattern:
        """The catalogue's entry."""
        return self.provider.patterns[self.place]

    @cached_property
    def expression(self) -> re.Pattern[bytes]:
        """What a key of this kind matches."""
        return re.compile(self.pattern.regex.encode())


class Trigger(NamedTuple):
    """Where to look. `fixed`: the end of what the expression matches. `rules`: which may be there.

    In base64, `place` says which of four characters the first one is, and `clear` what may be behind it. `words`:
    expressions, in lower case, of which one stands before it.
    """

    kind: str
    expression: str
    fixed: Shape
    rules: tuple[int, ...] = ()
    place: int = 0
    clear: tuple[Shape, ...] = ()
    words: tuple[str, ...] = ()


class Rules(NamedTuple):
    """All that is sought by shape."""

    vendors: Sequence[Provider]
    rules: tuple[Rule, ...]
    triggers: tuple[Trigger, ...]
    named: tuple[int, ...]


def compiled(providers: Iterable[Provider]) -> Rules:
    """The rules of these vendors. Patterns of what is public are left out, and those that say next to nothing."""
    everyone = tuple(providers)
    found: list[Rule] = []
    starts: dict[Shape, list[int]] = {}
    inside: dict[Shape, list[int]] = {}
    named: list[int] = []
    behind: list[Shape] = []
    words = list(_WORDS)
    for vendor, provider in enumerate(everyone):
        for place, pattern in enumerate(provider.patterns):
            if is_public(provider, pattern) or not pattern.regex.isascii():
                continue
            number, begins = len(found), shapes.beginnings(pattern.regex)
            weakest = min((shapes.strength(shape) for shape in begins), default=0.0)
            literal = shapes.inner_literal(pattern.regex)
            bare = is_told_bare(pattern)
            telling = bare and weakest >= _TELLING
            found.append(Rule(everyone, vendor, place, _is_hidden(pattern)))
            if telling:
                for shape in (*begins, *(other for begin in begins for other in shapes.escaped(begin))):
                    starts.setdefault(shape, []).append(number)
            elif bare:
                inside.setdefault(literal, []).append(number)
            elif weakest >= _NAMEABLE:
                named.append(number)
                behind += begins
                words += _words_missing(provider, pattern)
    triggers = (*_at_start(starts), *_inside(inside), *_behind_words(behind, tuple(dict.fromkeys(words))), _wide())
    wrapped = tuple(in_base64([*starts, *inside, _GZIP, *_wrapped_names(found)]))
    return Rules(everyone, tuple(found), (*triggers, *wrapped), tuple(named))


def is_public(provider: Provider, pattern: Pattern) -> bool:
    """It may be shown to everybody: it says so, or all its variables belong to fields that are not secret."""
    if pattern.kind.endswith(_PUBLIC):
        return True
    open_ones = {field.variable for field in provider.fields.values() if not field.secret}
    return bool(open_ones.intersection(pattern.variables))


def is_told_bare(pattern: Pattern) -> bool:
    """Its shape is enough; else something near has to name the vendor."""
    begins = shapes.beginnings(pattern.regex)
    if min((shapes.strength(shape) for shape in begins), default=0.0) >= _TELLING:
        return not pattern.generic or _is_prefixed(begins)
    return not pattern.generic and len(shapes.inner_literal(pattern.regex)) >= _LEAST_INSIDE


def variables(rule: Rule) -> tuple[str, ...]:
    """The variables that hold keys of this kind."""
    return rule.pattern.variables or rule.provider.variables


def _is_hidden(pattern: Pattern) -> bool:
    begins = shapes.beginnings(pattern.regex)
    return (pattern.generic and not _is_prefixed(begins)) or not all(map(shapes.is_shown, begins))


def _is_prefixed(begins: Sequence[Shape]) -> bool:
    """Shapes that vendors share, but that begin with something of their own; a JWT's beginning is nobody's."""
    literals = [shapes.longest_literal(shape) for shape in begins]
    return all(start == 0 and len(text) >= 3 and text != b"eyJ" for start, text in literals)


def _words_missing(provider: Provider, pattern: Pattern) -> list[str]:
    """Variables in which no general word occurs."""
    names = (name.lower() for name in pattern.variables or provider.variables)
    return [re.escape(name) for name in names if not any(word in name for word in _WORDS)]


def _at_start(starts: dict[Shape, list[int]]) -> Iterable[Trigger]:
    for shape, found in shapes.covering(starts).items():
        rules = sorted({number for other in found for number in starts[other]})
        yield Trigger(START, shapes.expression(shape), shape, tuple(rules))


def _inside(inside: dict[Shape, list[int]]) -> Iterable[Trigger]:
    for shape, numbers in inside.items():
        yield Trigger(INSIDE, shapes.expression(shape), shape, tuple(numbers))


def _behind_words(behind: list[Shape], words: tuple[str, ...]) -> Iterable[Trigger]:
    if not behind:
        return
    lead = f"(?i:{'|'.join(words)})[A-Za-z0-9_]{{0,24}}(?:[^A-Za-z0-9_]{{1,3}}(?:str|or))?[^A-Za-z0-9_]{{1,16}}"
    for shape in shapes.uncovered(behind):
        yield Trigger(NAMED, lead + shapes.expression(shape), shape, words=words)


def _wide() -> Trigger:
    """Twelve characters in two bytes each, whichever comes first."""
    return Trigger(WIDE, r"(?:[\x20-\x7e]\x00){12}", ())


def _wrapped_names(rules: list[Rule]) -> list[Shape]:
    """A file of variables that was put into base64 as a whole: where the keys do not show, the names do."""
    return [
        shapes.literal(name.encode()) for rule in rules if rule.hidden for name in variables(rule) if len(name) >= _LEAST_INSIDE
    ]


def in_base64(found: Iterable[Shape]) -> Iterable[Trigger]:
    """Where these are in base64. What has no fixed characters would be sought at a fraction of the speed: it is left out."""
    behind: dict[tuple[Shape, int], list[Shape]] = {}
    for shape in shapes.uncovered(found):
        for wrapped in shapes.in_base64(shape) if shapes.is_shown(shape) else ():
            behind.setdefault(wrapped, []).append(shape)
    for (chars, place), clear in behind.items():
        yield Trigger(BASE64, shapes.expression(chars), chars, place=place, clear=tuple(clear))
