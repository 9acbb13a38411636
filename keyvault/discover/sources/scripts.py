"""Start-up files of shells: assignments of literal values that are statements of their own. Nothing is run or expanded.

A line counts where it begins outside strings and here-documents, as far as `formats.lines` can tell. Where a string seems
never to end, that is not certain: the values are read, but the file is not edited.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from keyvault.discover.found import Reading
from keyvault.discover.judging import is_key, sounds_like_key
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile
from keyvault.formats.lines import LineEditor


class NotLiteral(Exception):
    """A value that only the shell itself could work out. The message says why."""


class Script(Source):
    """A start-up file. `statement` has the groups name and word; `decode` reads the word; `mention` finds what was not read."""

    comment = "#"
    statement: tuple[re.Pattern[str], ...] = ()
    mention = re.compile(r"(?<![\w$])(?P<name>[A-Za-z_]\w*)=(?=\S)")
    end = re.compile(r"[ \t]*;?[ \t]*(?=(?:#[^\r\n]*)?(?:\r?\n|\Z))")

    def editor(self) -> LineEditor:
        """How the shell's strings and comments end."""
        raise NotImplementedError

    def decode(self, word: str) -> str:
        """The value that a word stands for. Raises NotLiteral."""
        raise NotImplementedError

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        starts, sure = self._starts(file.text)
        done = 0
        for line, at in starts:
            if at < done:
                continue  # within a value of several lines
            match = self._match(file.text, at)
            if match:
                done = match.end()
                self._take(reading, match, line, sure=sure)
            else:
                self._tell(reading, file.text[at : (file.text.find("\n", at) + 1 or len(file.text) + 1) - 1], line)
        return reading

    def _match(self, text: str, at: int) -> re.Match[str] | None:
        for pattern in self.statement:
            match = pattern.match(text, at)
            if match and self.end.match(text, match.end()):
                return match
        return None

    def _take(self, reading: Reading, match: re.Match[str], line: int, *, sure: bool) -> None:
        try:
            value = self.decode(match["word"])
        except NotLiteral as exc:
            if sounds_like_key(match["name"]):
                reading.skip(line, f"gives {match['name']} a value that {exc}, and was skipped")
            return
        if not value or not is_key(match["name"], value):
            return  # an empty variable in a start-up file is a way to unset it
        tail = self.end.match(match.string, match.end())
        end = match.end() + (len(tail[0].rstrip(" \t")) if tail and ";" in tail[0] else 0)
        reading.add(match["name"], value, line, cut=(match.start("name_start"), end) if sure else None)

    def _tell(self, reading: Reading, line: str, number: int) -> None:
        if line.lstrip().startswith(self.comment):
            return
        for match in self.mention.finditer(line):
            if sounds_like_key(match["name"]):
                reading.skip(number, f"gives {match['name']} a value, but is not one plain assignment, and was skipped")

    def _starts(self, text: str) -> tuple[list[tuple[int, int]], bool]:
        """Number and place of each line that begins outside strings; and whether all strings were seen to end."""
        editor = self.editor()
        starts: list[tuple[int, int]] = []
        everything: list[tuple[int, int]] = []
        quote, continued, until, at = "", False, "", 0
        for number, line in enumerate(text.split("\n"), 1):
            everything.append((number, at))
            if until:
                until = "" if line.strip("\t\r") == until else until
            else:
                if not quote and not continued:
                    starts.append((number, at))
                    until = self.here_document(line)
                if not until:
                    quote, continued = editor.after(line, quote)
            at += len(line) + 1
        if quote or until:
            return everything, False
        return starts, True

    def here_document(self, line: str) -> str:
        """The word that ends a here-document which begins on this line, or an empty string."""
        return ""


def pieces(pattern: re.Pattern[str], word: str) -> Iterator[re.Match[str]]:
    """The pieces of a word, one after another. Raises NotLiteral where one is of no known kind."""
    at = 0
    while at < len(word):
        match = pattern.match(word, at)
        if not match or match.end() == at:
            raise NotLiteral("is worked out by the shell")
        yield match
        at = match.end()


def byte(number: int) -> str:
    """A byte that an escape stands for; several of them may be one character: see `characters`."""
    return chr(number) if number < 0x80 else chr(0xDC00 + number)


def characters(text: str) -> str:
    """Bytes that escapes stood for, put together to characters. Raises NotLiteral for half of a pair of UTF-16."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise NotLiteral("is not UTF-8 text") from None  # the cause would hold the value
