"""TOML maps. tomllib reads the whole; each plain `name = "text"` line is read once more alone, to know where it stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from keyvault.core.errors import InvalidInput
from keyvault.discover.found import Reading
from keyvault.discover.sources.base import Source, line_of
from keyvault.discover.sources.json_map import variable_of
from keyvault.discover.text_file import TextFile

_LARGEST = 1024 * 1024
_DEEPEST = 64
_TEXT = r"(?:\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*')"
_LINE = re.compile(rf"^[ \t]*(?P<statement>[\w.\"'-]+[ \t]*=[ \t]*{_TEXT})[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)
# tomllib's time and memory grow with the square of the parts of a dotted key. What stands in quotes is one part.
_STRING = re.compile(_TEXT)
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{_DEEPEST}}}")


class TomlMap(Source):
    """.toml files."""

    kind = "toml"
    what = "TOML maps"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith(".toml")

    def read(self, file: TextFile) -> Reading:
        if len(file.text) > _LARGEST:
            raise InvalidInput("it is too large for a file of settings", "name a smaller one")
        if _LONG_KEY.search(_STRING.sub("_", file.text)):
            raise InvalidInput("it is nested too deep", "no file of keys is")
        try:
            table = tomllib.loads(file.text)
        except (ValueError, RecursionError) as exc:  # also for numbers of thousands of digits
            raise InvalidInput("it is not TOML", "mend the file, or say what it is with --from") from exc
        reading = Reading(file.path)
        lines = _statements(file.text)
        for name, value in _texts(table, 0):
            variable = variable_of(name, value)
            if not variable:
                continue
            places = lines.get((name, value), [])
            start, end = places.pop(0) if places else (-1, -1)
            line = line_of(file.text, start if start >= 0 else max(0, file.text.find(name)))
            reading.add(variable, value, line, cut=(start, end) if start >= 0 else None)
        reading.found.sort(key=lambda found: found.line)
        return reading


def _statements(text: str) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Where each plain statement stands, by its innermost name and its value."""
    places: dict[tuple[str, str], list[tuple[int, int]]] = {}
    if '"""' in text or "'''" in text:
        return places  # a line may stand within a text
    for match in _LINE.finditer(text):
        try:
            pairs = list(_texts(tomllib.loads(match["statement"]), 0))
        except ValueError:
            continue
        for pair in pairs:
            places.setdefault(pair, []).append(match.span("statement"))
    return places


def _texts(value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST:
        raise InvalidInput("it is nested too deep", "no file of keys is")
    inner = value.items() if isinstance(value, dict) else [("", one) for one in value]
    for name, one in inner:
        if isinstance(one, str):
            yield name, one
        elif isinstance(one, dict | list):
            yield from _texts(one, depth + 1)
