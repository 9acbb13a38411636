"""What every source of keys is: it knows its files, reads them, and says what would take a value out again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from keyvault.core.errors import KeyvaultError
from keyvault.discover.found import Found, Reading
from keyvault.discover.text_file import TextFile


class CannotEdit(KeyvaultError):
    """A value cannot be taken out of its file without a doubt about the rest of it."""


class Gone(NamedTuple):
    """A value that is to be taken out, and the key that has it now."""

    found: Found
    ref: str


class Source:
    """A kind of text file. `comment`: a value that is taken out leaves a comment behind that begins so."""

    kind = ""
    what = ""
    comment = ""

    def fits(self, name: str, path: str, text: str) -> bool:
        """Whether a file of that name, path and content is of this kind. `path` has forward slashes."""
        raise NotImplementedError

    def read(self, file: TextFile) -> Reading:
        """The values in the file. Hostile content is skipped or raises InvalidInput."""
        raise NotImplementedError

    def without(self, text: str, gone: Sequence[Gone]) -> str:
        """The text without these values, every other character as it was. Raises CannotEdit."""
        for item in sorted(gone, key=lambda one: one.found.cut or (0, 0), reverse=True):
            if item.found.cut is None:
                raise CannotEdit(f"line {item.found.line} cannot be edited safely")
            text = self._cut(text, item, *item.found.cut)
        return text

    def _cut(self, text: str, item: Gone, start: int, end: int) -> str:
        return (
            text[:start] + self.left_behind(text, item, start) + text[end:] if self.comment else without_line(text, start, end)
        )

    def left_behind(self, text: str, item: Gone, start: int) -> str:
        """The comment that stands where a value stood."""
        return f"{self.comment} {item.found.variable}: keyvault {item.ref}"


def without_line(text: str, start: int, end: int) -> str:
    """The text without a statement. Its whole line goes; a comment after it, or what stands before it, stays."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    stop = len(text) if line_end < 0 else line_end + 1
    tail = text[end:stop]
    if text[line_start:start].strip(" \t"):
        return text[:start] + text[end:]
    if not tail.strip():
        return text[:line_start] + text[stop:]
    return text[:line_start] + text[end + len(tail) - len(tail.lstrip(" \t")) :]


def line_of(text: str, at: int) -> int:
    """The number of the line on which a character stands."""
    return text.count("\n", 0, at) + 1


def slug(text: str) -> str:
    """A label made of any text; may be empty."""
    return re.sub(r"[^a-z0-9._]+", "-", text.lower()).strip("-._")[:60].strip("-._")
