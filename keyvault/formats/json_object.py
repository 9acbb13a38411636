"""JSON: one object, `{"VAR": "value"}`, in ASCII."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.formats.base import Format, Refusal, Rendered
from keyvault.formats.lines import assign_all, line_ending

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLANK = " \t\r\n"


class _Member(NamedTuple):
    """Where one member of the outermost object lies."""

    name: str
    key_start: int
    value_start: int
    value_end: int


class Json(Format):
    """A JSON document; a statement is a whole one."""

    def _assign(self, variable: str, value: str) -> str:
        return json.dumps({variable: value}) + "\n"

    def render(self, pairs: Sequence[tuple[str, str]]) -> Rendered:
        carried, refused = self._carried(pairs)
        return Rendered(json.dumps(carried, indent=2) + "\n", refused)

    def _carried(self, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, str], tuple[Refusal, ...]]:
        statements, refused = assign_all(self, pairs)
        return {name: value for name, value in pairs if name in statements}, refused

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        carried, refused = self._carried(pairs)
        if not existing.strip(_BLANK):
            return Rendered(existing + self.render(list(carried.items())).text, refused)
        members, close = _members(existing)
        text = existing
        added = {name: value for name, value in carried.items() if name not in {m.name for m in members}}
        if added:
            text = (
                text[:close].rstrip(_BLANK)
                + _new_members(existing, members, added)
                + _before_close(existing, members, close)
                + text[close:]
            )
        for member in reversed(members):
            if member.name in carried:
                text = text[: member.value_start] + json.dumps(carried[member.name]) + text[member.value_end :]
        return Rendered(text, refused)


def _new_members(existing: str, members: list[_Member], added: dict[str, str]) -> str:
    """The members to add, set apart as the last one is."""
    if members:
        last = members[-1].key_start
        lead = existing[len(existing[:last].rstrip(_BLANK)) : last]
    else:
        lead = line_ending(existing) + "  "
    written = ("," + lead).join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in added.items())
    return ("," if members else "") + lead + written


def _before_close(existing: str, members: list[_Member], close: int) -> str:
    """The blanks before the closing brace."""
    return existing[members[-1].value_end : close] if members else line_ending(existing)


def _members(text: str) -> tuple[list[_Member], int]:
    """The members of the outermost object, and where its closing brace is. Raises InvalidInput."""
    members: list[_Member] = []
    decoder = json.JSONDecoder()
    try:
        at = _expect(text, 0, "{")
        if text[at : at + 1] == "}":
            return members, _end(text, at)
        while True:
            key_start = at
            name, at = decoder.raw_decode(text, at)
            if not isinstance(name, str):
                raise _bad(text, key_start)
            value_start = _expect(text, at, ":")
            _, value_end = decoder.raw_decode(text, value_start)
            members.append(_Member(name, key_start, value_start, value_end))
            at = _skip(text, value_end)
            if text[at : at + 1] == "}":
                return members, _end(text, at)
            at = _expect(text, at, ",")
    except (json.JSONDecodeError, RecursionError) as exc:
        raise _bad(text, getattr(exc, "pos", 0)) from exc


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _BLANK:
        at += 1
    return at


def _expect(text: str, at: int, character: str) -> int:
    """The place after `character` and the blanks around it."""
    at = _skip(text, at)
    if text[at : at + 1] != character:
        raise _bad(text, at)
    return _skip(text, at + 1)


def _end(text: str, close: int) -> int:
    if (at := _skip(text, close + 1)) != len(text):
        raise _bad(text, at)
    return close


def _bad(text: str, at: int) -> InvalidInput:
    return InvalidInput(f"line {text.count(chr(10), 0, at) + 1} is not part of one JSON object", "write to a file of its own")


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Json(name)
