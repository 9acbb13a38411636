"""Editing a file of statements that stand on lines of their own, without touching anything else.

This is no parser of shells. A line is replaced only when it starts outside every string, begins at the left margin and
is, as a whole, one assignment of the variable. A line that has to do with the variable in any other way, a construct
that strings cannot be told from code without a real parser (`opaque`), or a string left open: InvalidInput.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput, NotCarried
from keyvault.formats.base import Rendered, Refusal, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyvault.formats.base import Format

_HINT = "change that line by hand, or write to a file of its own"


def cannot_replace(number: int, variable: str) -> InvalidInput:
    """The error for line `number`."""
    return InvalidInput(f"line {number} has to do with {variable} in a way that cannot be replaced safely", _HINT)


def assign_all(form: Format, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, str], tuple[Refusal, ...]]:
    """The statements by variable, and what was refused."""
    statements: dict[str, str] = {}
    refused: list[Refusal] = []
    for name, value in pairs:
        try:
            statements[name] = form.assign(name, value)
        except NotCarried as exc:
            refused.append(refusal(name, exc))
    return statements, tuple(refused)


def line_ending(existing: str) -> str:
    r"""`\r\n` if that is how the first line ends, else `\n`."""
    first = existing.find("\n")
    return "\r\n" if first > 0 and existing[first - 1] == "\r" else "\n"


def appended(existing: str, added: str) -> str:
    """`added` after `existing`, on a line of its own."""
    if not added:
        return existing
    gap = line_ending(existing) if existing and not existing.endswith("\n") else ""
    return existing + gap + added


class LineEditor:
    """What assignments look like in one syntax, and how its strings and comments end.

    statement: patterns with a group `name`, matched against a whole line; mention: any other sign of a variable, with
    `{name}` in it; strings: each quote, and whether `escape` works inside it; outside_escape: whether it works outside;
    comment: what starts one; anywhere_comment: also after other text; opaque: what makes a file too hard; crlf: the
    syntax does not mind carriage returns at the ends of lines.
    """

    def __init__(
        self,
        statement: tuple[str, ...],
        mention: str,
        *,
        strings: Mapping[str, bool] | None = None,
        escape: str = "\\",
        outside_escape: bool = True,
        comment: str = "#",
        trailing_comment: bool = True,
        opaque: str = "",
        crlf: bool = False,
    ) -> None:
        tail = rf"(?P<tail>[ \t]*|[ \t]+[{re.escape(comment)}].*)" if trailing_comment else "(?P<tail>)"
        self._statements = tuple(re.compile(rf"(?:{one}){tail}\Z", re.DOTALL) for one in statement)
        self._mention = mention
        self._strings = dict(strings or {})
        self._escape = escape
        self._outside_escape = outside_escape
        self._comment = comment
        self._trailing_comment = trailing_comment
        self._opaque = re.compile(opaque) if opaque else None
        self._crlf = crlf

    def merge(self, form: Format, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        """See `Format.merge`."""
        statements, refused = assign_all(form, pairs)
        ending = line_ending(existing) if self._crlf else "\n"
        lines = existing.split("\n")
        plain = self._plain_starts(lines)
        replaced = set()
        for index, whole in enumerate(lines):
            body, cut = (whole[:-1], "\r") if self._crlf and whole.endswith("\r") else (whole, "")
            if plain[index] and body.lstrip()[:1] in self._comment and body.strip():
                continue
            if self._opaque and self._opaque.search(body):
                raise InvalidInput(f"line {index + 1} has a construct that cannot be edited safely", _HINT)
            match = self._match(body) if plain[index] and plain[index + 1] else None
            name = match["name"] if match else ""
            if match and name in statements:
                lines[index] = statements[name].rstrip("\r\n") + match["tail"] + cut
                replaced.add(name)
            for other in statements:
                if other != name and re.search(self._mention.format(name=other), body):
                    raise cannot_replace(index + 1, other)
        if not plain[-1]:
            raise InvalidInput(f"line {len(lines)} ends inside a string or a statement", _HINT)
        added = "".join(text.rstrip("\r\n") + ending for name, text in statements.items() if name not in replaced)
        text = "\n".join(lines)
        gap = ending if added and text and not text.endswith("\n") else ""
        return Rendered(text + gap + added, refused)

    def _match(self, body: str) -> re.Match[str] | None:
        return next((match for one in self._statements if (match := one.match(body))), None)

    def _plain_starts(self, lines: list[str]) -> list[bool]:
        """For each line, and for the place after the last, whether it starts outside strings and continued lines."""
        starts = []
        quote = ""
        continued = False
        for line in lines:
            starts.append(not quote and not continued)
            quote, continued = self._after(line, quote)
        starts.append(not quote and not continued)
        return starts

    def _after(self, line: str, quote: str) -> tuple[str, bool]:
        """The open quote after `line`, and whether the line's end is escaped."""
        at = 0
        while at < len(line):
            char = line[at]
            escapes = self._strings[quote] if quote else self._outside_escape
            if char == self._escape and escapes:
                if line[at + 1 :] in ("", "\r"):
                    return quote, True
                at += 1
            elif quote:
                quote = "" if char == quote else quote
            elif char in self._strings:
                quote = char
            elif char in self._comment and (not line[:at].strip() or (self._trailing_comment and line[at - 1] in " \t;")):
                break
            at += 1
        return quote, False
