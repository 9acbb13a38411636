"""Editing a file of statements that stand on lines of their own, without touching anything else.

This is no parser of shells. A line, with those that a string or an escaped line ending joins to it, is replaced only
when it begins at the left margin and is, as a whole, one assignment of the variable. A line that has to do with the
variable in any other way, a construct in which strings cannot be told from code without a real parser (`opaque`), or a
string left open: InvalidInput.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput, NotCarried
from keyvault.formats.base import Refusal, Rendered, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyvault.formats.base import Format

HINT = "change that line by hand, or write to a file of its own"


def cannot_replace(number: int, variable: str) -> InvalidInput:
    """The error for line `number`."""
    return InvalidInput(f"line {number} has to do with {variable} in a way that cannot be replaced safely", HINT)


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
    comment: what starts one; trailing_comment: also after other text; opaque: what makes a file too hard; crlf: the
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
        starts = self._starts(lines)
        replaced = set()
        pieces = []
        for first, after in pairwise(starts):
            whole = "\n".join(lines[first:after])
            body, cut = (whole[:-1], "\r") if self._crlf and whole.endswith("\r") else (whole, "")
            match = self._understand(body, first + 1, statements)
            if match:
                replaced.add(match["name"])
                body = statements[match["name"]].rstrip("\r\n") + match["tail"]
            pieces.append(body + cut)
        added = "".join(text.rstrip("\r\n") + ending for name, text in statements.items() if name not in replaced)
        text = "\n".join(pieces)
        gap = ending if added and text and not text.endswith("\n") else ""
        return Rendered(text + gap + added, refused)

    def _understand(self, body: str, number: int, statements: Mapping[str, str]) -> re.Match[str] | None:
        """The match of an assignment that is to be replaced. Raises InvalidInput where one may hide."""
        start = body.lstrip(" \t")[:1]
        if start and start in self._comment:
            # systemd before version 254 goes on with the comment, others do not
            if self._outside_escape and body.endswith("\\"):
                raise InvalidInput(f"line {number} is a comment that ends with a backslash", HINT)
            return None
        match = next((match for one in self._statements if (match := one.match(body))), None)
        if not match and self._opaque and self._opaque.search(body):
            raise InvalidInput(f"line {number} has a construct that cannot be edited safely", HINT)
        name = match["name"] if match else ""
        for other in statements:
            if other != name and re.search(self._mention.format(name=other), body, re.DOTALL):
                raise cannot_replace(number, other)
        return match if name in statements else None

    def _starts(self, lines: list[str]) -> list[int]:
        """The lines that start outside strings and are not continued from the one before, and the place after the last."""
        starts = [0]
        quote = ""
        for index, line in enumerate(lines):
            quote, continued = self.after(line, quote)
            if not quote and not continued:
                starts.append(index + 1)
        if starts[-1] != len(lines) or (not lines[-1] and starts[-2] != len(lines) - 1):
            raise InvalidInput(
                f"line {min(starts[-1] + 1, len(lines))} belongs to a string or a statement that does not end", HINT
            )
        return starts

    def after(self, line: str, quote: str) -> tuple[str, bool]:
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
            elif char in self._comment and (not line[:at].strip(" \t") or (self._trailing_comment and line[at - 1] in " \t;")):
                break
            at += 1
        return quote, False
