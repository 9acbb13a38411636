"""Settings in the manner of INI: [sections] and `name = value` lines. Values are taken to the end of their line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_SECTION = re.compile(r"[ \t]*\[(?P<name>[^\]\r\n]*)\][ \t]*(?:[#;].*)?\r?\Z")


class Setting(NamedTuple):
    """One line of a section. start, end: where the statement stands in the text."""

    section: str
    name: str
    value: str
    line: int
    start: int
    end: int
    plain: bool  # no indented line goes on with it

    @property
    def cut(self) -> tuple[int, int] | None:
        """What to take out."""
        return (self.start, self.end) if self.plain else None


def settings_in(text: str) -> Iterator[Setting]:
    """All settings, in order. Comments and what is not understood are passed over."""
    section, at = "", 0
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        heading = _SECTION.match(line)
        name, sign, value = line.partition("=")
        if heading:
            section = heading["name"].strip()
        elif sign and name.strip() and name.lstrip()[0] not in "#;[:":
            start, end = at + len(name) - len(name.lstrip()), at + len(line.rstrip())
            following = lines[number] if number < len(lines) else ""
            goes_on = following[:1] in (" ", "\t") and following.strip() != "" and "=" not in following
            yield Setting(section, name.strip(), value.strip(), number, start, end, not goes_on)
        at += len(line) + 1


def is_reference(value: str) -> bool:
    """`${NAME}`, `$NAME` or `%(name)s`: a value that stands elsewhere."""
    return re.match(r"\$\{|\$[A-Za-z_]|%\(|\{\{", value) is not None
