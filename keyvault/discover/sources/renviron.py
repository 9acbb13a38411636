"""`.Renviron`, read as R does (src/main/Renviron.c), as far as nothing in it is expanded."""

from __future__ import annotations

import re

from keyvault.discover.found import Reading
from keyvault.discover.judging import is_key, sounds_like_key
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile

_LINE = re.compile(r"(?P<lead>[ \t]*)(?P<statement>(?P<name>[A-Za-z_][\w.]*)[ \t]*=(?P<value>[^\r\n]*))")
_PIECE = re.compile(r"""'(?P<single>(?:\\'|[^'])*+)'|"(?P<double>(?:\\"|[^"])*+)"|(?P<plain>[^'"\\]+)""")


class Renviron(Source):
    """R's environment file."""

    kind = "renviron"
    what = ".Renviron files"
    comment = "#"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith(".renviron") or name in ("renviron.site", "renviron")

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        at = 0
        for number, line in enumerate(file.text.split("\n"), 1):
            match = _LINE.match(line)
            if match and not line.lstrip().startswith("#"):
                self._take(reading, match, number, at)
            at += len(line) + 1
        return reading

    def _take(self, reading: Reading, match: re.Match[str], number: int, at: int) -> None:
        text = match["value"].strip()
        value, end = "", 0
        for piece in _PIECE.finditer(text):
            if piece.start() != end:
                break
            end = piece.end()
            quote, inside = ("'", piece["single"]) if piece["single"] is not None else ('"', piece["double"])
            value += piece["plain"] if inside is None else inside.replace("\\" + quote, quote)
        name = match["name"]
        if "${" in text or end != len(text):
            if sounds_like_key(name):
                reason = "refers to other variables" if "${" in text else "is not understood"
                reading.skip(number, f"gives {name} a value that {reason}, and was skipped")
        elif value and is_key(name, value):
            stop = at + match.start("value") + len(match["value"].rstrip())
            reading.add(name, value, number, cut=(at + match.start("statement"), stop))
