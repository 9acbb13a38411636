r"""fish: `set -gx X ...` and `set -Ux X ...` in its start-up files, and the file of universal variables.

Words as in fish's "Quotes" and "Escaping characters"; the file of variables as in fish-shell, src/env_universal_common.cpp.
"""

from __future__ import annotations

import re

from keyvault.discover.found import Reading
from keyvault.discover.judging import is_key
from keyvault.discover.sources.base import Source
from keyvault.discover.sources.scripts import NotLiteral, Script, byte, characters, pieces
from keyvault.discover.text_file import TextFile
from keyvault.formats import fish
from keyvault.formats.lines import LineEditor

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\[^\n]"
_WORD = rf"(?:{_QUOTED}|[^\s'\"\\;&|<>()#])(?:{_QUOTED}|[^\s'\"\\;&|<>()])*"
_FLAG = r"(?:-[gxUulaf]+|--global|--export|--universal|--function|--local)"
_ESCAPE = r"\\(?:[xX][0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|.)"
_PIECE = re.compile(
    rf"'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|(?P<escaped>{_ESCAPE})|(?P<plain>[^'\"\\$*?{{}}\[\]]+)",
    re.DOTALL,
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}


class Fish(Script):
    """config.fish and conf.d."""

    kind = "fish"
    what = "fish's start-up files"
    statement = (
        re.compile(
            rf"[ \t]*(?P<name_start>)set[ \t]+(?:{_FLAG}[ \t]+)*(?P<name>[A-Za-z_]\w*)[ \t]+(?:--[ \t]+)?(?P<word>{_WORD})",
            re.DOTALL,
        ),
        re.compile(rf"[ \t]*(?P<name_start>)export[ \t]+(?P<name>[A-Za-z_]\w*)=(?P<word>{_WORD})", re.DOTALL),
    )
    mention = re.compile(r"\bset\b(?:[ \t]+-[\w-]+)*[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+(?=\S)")

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith(".fish")

    def editor(self) -> LineEditor:
        return fish.Fish("fish").editor()

    def decode(self, word: str) -> str:
        if word.startswith("~"):
            raise NotLiteral("is a path")
        if "$" in re.sub(r"'(?:[^'\\]|\\.)*'|\\.", "", word, flags=re.DOTALL):
            raise NotLiteral("refers to other variables")
        return characters("".join(_value(piece) for piece in pieces(_PIECE, word)))


class FishVariables(Source):
    """fish_variables: fish writes it anew at every change, so that a line is taken out whole."""

    kind = "fish-variables"
    what = "fish's universal variables"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name == "fish_variables"

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        at = 0
        for number, line in enumerate(file.text.split("\n"), 1):
            match = re.match(r"SETUVAR (?:--\w+ )*(?P<name>\w+):(?P<value>.*)", line)
            if match and match["name"].startswith(("fish_", "__fish")):
                match = None
            if match and match["value"] != r"\x1d":
                self._take(reading, match, number, at)
            at += len(line) + 1
        return reading

    def _take(self, reading: Reading, match: re.Match[str], number: int, at: int) -> None:
        try:
            value = characters(re.sub(_ESCAPE, lambda m: _escaped(m[0]), match["value"]))
        except NotLiteral as exc:
            reading.skip(number, f"gives {match['name']} a value that {exc}, and was skipped")
            return
        if "\x1e" in value:
            return  # a list
        if is_key(match["name"], value):
            reading.add(match["name"], value, number, cut=(at, at + match.end()))


def _value(piece: re.Match[str]) -> str:
    if piece["single"] is not None:
        return re.sub(r"\\([\\'])", r"\1", piece["single"])
    if piece["double"] is not None:
        return re.sub(r"\\([\\\"$])", r"\1", piece["double"].replace("\\\n", ""))
    if piece["escaped"] is not None:
        return _escaped(piece["escaped"])
    return piece["plain"]


def _escaped(text: str) -> str:
    kind, digits = text[1], text[2:]
    if kind in "xX" and digits:
        number = int(digits, 16)
    elif kind in "01234567":
        number = int(text[1:], 8) & 0xFF
    elif kind in "uU" and digits:
        number = int(digits, 16)
        if number > 0x10FFFF:
            raise NotLiteral("has an escape that means no character")
        return chr(number)
    else:
        return _LETTERS.get(kind, kind)
    return byte(number)
