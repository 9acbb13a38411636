"""The vault's own values, found exactly: as they are, in URLs, in JSON, in two bytes a character and, by views, in base64.

A trigger is a part of the value; what is around it then has to spell the whole value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from keyvault.audit.findings import JSON, PLAIN, URL, UTF16
from keyvault.audit.leaks import shapes
from keyvault.audit.leaks.pieces import OwnKey
from keyvault.audit.leaks.rules import START, Trigger, in_base64

SHORTEST = 8  # bytes: shorter ones are everywhere
_BOUNDED = 12  # bytes: shorter ones count only as whole words
_LITERAL, _WINDOW = 4, 12
_BEGINNING = 3  # characters that are sought as escapes
_WIDEST = 24  # characters that one may take when it is written as an escape
_HALF = 22  # bytes of which base64 fits into a line twice
_ALNUM = re.compile(r"[A-Za-z0-9]+")
_WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_PART = re.compile(r"\\+|[\s\S]")
_ESCAPES = r"\\{1,7}"  # JSON within JSON doubles them


class Own(NamedTuple):
    """A value that lies there."""

    start: int
    end: int
    form: str
    key: OwnKey


class _Sought:
    """One value, and all keys that have it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode("utf-8", "surrogatepass")
        self.keys: list[OwnKey] = []
        run = max((run[:_WINDOW] for run in _ALNUM.findall(text)), key=lambda run: (len(set(run)), len(run)), default="")
        self.window = run if len(run) >= _LITERAL else text[: _WINDOW // 2]
        self.is_literal = self.window == run
        self.before = text.index(self.window)
        self._spelled: re.Pattern[bytes] | None = None
        self.searched: tuple[bytes, int] = b"", 0

    def spelled(self) -> re.Pattern[bytes]:
        """The value with each of its characters as itself or as an escape."""
        if self._spelled is None:
            self._spelled = re.compile(_spelling(self.text).encode(), re.DOTALL)
        return self._spelled


class OwnKeys:
    """What of the vault is sought. `triggers` go to an engine; `too_short`: the refs of values that are not sought."""

    def __init__(self, keys: Iterable[OwnKey]) -> None:
        by_value: dict[str, _Sought] = {}
        self.too_short: list[str] = []
        for key in keys:
            text = key.value.reveal()
            if len(text.encode("utf-8", "surrogatepass")) < SHORTEST:
                self.too_short.append(key.ref)
                continue
            sought = by_value.setdefault(text, _Sought(text))
            if key.ref not in (other.ref for other in sought.keys):
                sought.keys.append(key)
        self.triggers: list[Trigger] = []
        self._behind: list[tuple[_Sought, bytes]] = []
        for sought in by_value.values():
            for trigger, exactly in _triggers(sought):
                self.triggers.append(trigger)
                self._behind.append((sought, exactly))

    def at(self, data: bytes, trigger: int, start: int) -> Iterator[Own]:
        """The values that this trigger found, once they are checked."""
        sought, exactly = self._behind[trigger]
        if exactly:
            if data.startswith(exactly, start):
                yield from (Own(start, start + len(exactly), UTF16, key) for key in sought.keys)
            return
        for begin, end in _spelled_at(data, sought, start):
            form = _form(sought, data[begin:end])
            if form != PLAIN or len(sought.data) >= _BOUNDED or _is_word(data, begin, end):
                yield from (Own(begin, end, form, key) for key in sought.keys)


def _spelled_at(data: bytes, sought: _Sought, place: int) -> Iterator[tuple[int, int]]:
    begin = place - len(sought.text[: sought.before].encode("utf-8", "surrogatepass"))
    if begin >= 0 and data.startswith(sought.data, begin):
        yield begin, begin + len(sought.data)
        return
    known, until = sought.searched
    if known is data and place < until:
        return  # it was in the stretch that was searched for an earlier part
    widest = _WIDEST * len(sought.text)
    low, high = max(0, place - widest), min(len(data), place + 2 * widest)
    sought.searched = data, high - widest
    for match in sought.spelled().finditer(data, low, high):
        yield match.span()


def _form(sought: _Sought, found: bytes) -> str:
    if found == sought.data:
        return PLAIN
    escaped = re.search(rb"%[0-9A-Fa-f]{2}", found) or (b"+" in found and b"+" not in sought.data)
    return URL if escaped and b"\\" not in found else JSON


def _is_word(data: bytes, begin: int, end: int) -> bool:
    glued_before = begin > 0 and data[begin - 1] in _WORD and data[begin] in _WORD
    return not (glued_before or (end < len(data) and data[end] in _WORD and data[end - 1] in _WORD))


def _triggers(sought: _Sought) -> Iterator[tuple[Trigger, bytes]]:
    """With each the exact bytes that have to be there, for the forms that have just one spelling."""
    text, data = sought.text, sought.data
    if sought.is_literal:
        window = shapes.literal(sought.window.encode())
        yield Trigger(START, shapes.expression(window), window), b""
    else:
        yield Trigger(START, _spelling(sought.window), ()), b""
    for spelled in (
        _percent(text[:_BEGINNING]),
        *(_unicode(text[:_BEGINNING], "\\" * times)[times - 1 :] for times in (1, 2, 4)),
    ):
        caseless = tuple(frozenset(char.lower() + char.upper()) for char in map(str.encode, spelled))
        yield Trigger(START, shapes.expression(caseless), caseless), b""
    for order in ("utf-16-le", "utf-16-be"):
        wide = text.encode(order, "surrogatepass")
        shape = shapes.literal(wide[: 2 * _WINDOW])
        yield Trigger(START, shapes.expression(shape), shape), wide
    little = text.encode("utf-16-le", "surrogatepass")
    half = min(len(data) // 2, _HALF)
    for trigger in in_base64([shapes.literal(part) for part in (data[:half], data[half : 2 * half], little[:_HALF])]):
        yield trigger, b""


def _spelling(text: str) -> str:
    return "".join(_any_way(part) for part in _PART.findall(text))


def _any_way(part: str) -> str:
    """A character, or a run of backslashes, in all ways that it can be written."""
    if part.startswith("\\"):
        n = len(part)
        return f"(?:\\\\{{{4 * n}}}|\\\\{{{2 * n}}}|\\\\{{{n}}}|(?i:(?:%5c){{{n}}})|(?i:(?:{_ESCAPES}u005c){{{n}}}))"
    raw = "".join(f"\\x{byte:02x}" for byte in part.encode("utf-8", "surrogatepass"))
    ways = [raw, f"(?i:{_percent(part)})", f"(?i:{_unicode(part)})"]
    short = json.dumps(part)[1:-1]
    if len(short) == 2:
        ways.append(_ESCAPES + re.escape(short[1]))
    if part == "/":
        ways.append(_ESCAPES + "/")
    if part == " ":
        ways.append(r"\+")
    if part == "\n":
        ways += [r"\r\n", r"(?i:%0d%0a)", _ESCAPES + "r" + _ESCAPES + "n"]
    return f"(?:{'|'.join(ways)})"


def _percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))


def _unicode(text: str, escape: str = _ESCAPES) -> str:
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"{escape}u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
