"""JSON with the places of its texts, for reading and for taking members out. Comments and trailing commas are allowed.

Editors and chat clients write JSON with comments; the standard library tells no places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.discover.sources.base import CannotEdit

DEEPEST = 64
MOST_VALUES = 200_000

_BLANK = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_PLAIN = re.compile(r"true|false|null|-?[0-9][0-9.eE+-]*")


class Text(NamedTuple):
    """A text at the end of a path of names and positions. start, end: its member with the name, or itself in a list."""

    path: tuple[str, ...]
    value: str
    start: int
    end: int
    container: int

    @property
    def name(self) -> str:
        """The innermost name."""
        return self.path[-1] if self.path else ""


class _Member(NamedTuple):
    """Where a member begins and ends, and where the comma after it stands; 0: there is none."""

    start: int
    end: int
    comma: int


class Document:
    """All texts of one document. Raises InvalidInput for what is not JSON, too deep or too large."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._members: dict[int, list[_Member]] = {}
        self._count = 0
        self.texts: list[Text] = []
        self.top = ""
        at = self._skip(0)
        self.top = text[at : at + 1]
        end = self._value(at, (), (at, at), -1)
        if self._skip(end) != len(text):
            raise self._wrong(end)

    def without(self, gone: list[Text]) -> str:
        """The document without some members, every other character as it was. Raises CannotEdit."""
        cuts: list[tuple[int, int]] = []
        for container in {one.container for one in gone}:
            if container < 0:
                raise CannotEdit("the whole document is one value")
            places = {(one.start, one.end) for one in gone if one.container == container}
            cuts += self._cuts(self._members[container], places)
        kept = bytearray(b"1") * len(self._text)
        for start, end in cuts:
            kept[start:end] = bytes(end - start)
        pieces, at = [], 0
        for line in self._text.splitlines(keepends=True):
            left = "".join(c for c, keep in zip(line, kept[at : at + len(line)], strict=True) if keep)
            pieces.append(left if left.strip() or left == line else "")
            at += len(line)
        return "".join(pieces)

    def _cuts(self, members: list[_Member], places: set[tuple[int, int]]) -> list[tuple[int, int]]:
        """Each member goes with the comma after it; where the last ones go, so does the comma before them."""
        gone = [(m.start, m.end) in places for m in members]
        left = len(members)
        while left and gone[left - 1]:
            left -= 1
        cuts = []
        for member, is_gone in zip(members, gone, strict=True):
            if is_gone:
                cuts.append((member.start, member.end))
                if member.comma:
                    blank = re.compile(r"[ \t]*(?![ \t\r\n/])").match(self._text, member.comma + 1)
                    cuts.append((member.comma, blank.end() if blank else member.comma + 1))
        if 0 < left < len(members) and not members[-1].comma:
            comma = members[left - 1].comma
            cuts.append((comma, comma + 1))
            if self._text[comma + 1 : members[left].start].strip(" ") == "":
                cuts.append((comma, members[left].start))
        return cuts

    def _skip(self, at: int) -> int:
        match = _BLANK.match(self._text, at)
        return match.end() if match else at

    def _wrong(self, at: int) -> InvalidInput:
        line = self._text.count("\n", 0, at) + 1
        return InvalidInput(f"line {line} is not JSON", "mend the file, or say what it is with --from")

    def _string(self, at: int) -> tuple[str, int]:
        try:
            value, end = scanstring(self._text, at + 1, False)
        except ValueError as exc:
            raise self._wrong(at) from exc
        return value, end

    def _value(self, at: int, path: tuple[str, ...], place: tuple[int, int], container: int) -> int:
        self._count += 1
        if self._count > MOST_VALUES:
            raise InvalidInput("it holds too many values", "no file of keys does")
        if len(path) > DEEPEST:
            raise InvalidInput("it is nested too deep", "no file of keys is")
        first = self._text[at : at + 1]
        if first == '"':
            value, end = self._string(at)
            start = place[0] if container >= 0 else at
            self.texts.append(Text(path, value, start, end, container))
            return end
        if first and first in "{[":
            return self._inside(at, path, first == "{")
        match = _PLAIN.match(self._text, at)
        if not match:
            raise self._wrong(at)
        return match.end()

    def _inside(self, opening: int, path: tuple[str, ...], named: bool) -> int:
        members = self._members[opening] = []
        closing = "}" if named else "]"
        at = self._skip(opening + 1)
        while self._text[at : at + 1] != closing:
            start, name = at, str(len(members))
            if named:
                if self._text[at : at + 1] != '"':
                    raise self._wrong(at)
                name, at = self._string(at)
                at = self._skip(at)
                if self._text[at : at + 1] != ":":
                    raise self._wrong(at)
                at = self._skip(at + 1)
            end = self._value(at, (*path, name), (start, at), opening)
            at = self._skip(end)
            comma = self._text[at : at + 1] == ","
            members.append(_Member(start, end, at if comma else 0))
            if comma:
                at = self._skip(at + 1)
            elif self._text[at : at + 1] != closing:
                raise self._wrong(at)
        return at + 1

    def __iter__(self) -> Iterator[Text]:
        return iter(self.texts)
