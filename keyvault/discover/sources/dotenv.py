""".env files, read as python-dotenv reads them, but without expanding anything."""

from __future__ import annotations

import re
from io import StringIO

from keyvault.core.text import escape
from keyvault.discover.found import Reading
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile

# An assignment whose end is seen in the same way by all readers; what follows it is blank or a comment.
_PLAIN = re.compile(
    r"(?P<statement>(?:export[^\S\r\n]+)?[^\s=#'\"]+[^\S\r\n]*=[^\S\r\n]*(?:'[^'\\]*'|\"(?:\\.|[^\"\\])*\"|[^\s'\"#`](?:[^\r\n#]|(?<=\S)#)*?))"
    r"[^\S\r\n]*(?:(?<=\s)#[^\r\n]*)?(?:\r\n|\n|\r)?\Z",
    re.DOTALL,
)


class Dotenv(Source):
    """.env files of any name."""

    kind = "dotenv"
    what = ".env files"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name == ".env" or name.startswith(".env.") or name.endswith(".env")

    def read(self, file: TextFile) -> Reading:
        from dotenv.parser import parse_stream

        reading = Reading(file.path, mixed=True)
        at, line = 0, 1
        for binding in parse_stream(StringIO(file.text, newline="")):
            original = binding.original.string
            blank = len(original) - len(original.lstrip())
            number = line + len(re.findall(r"\r\n|\n|\r", original[:blank]))
            if binding.error:
                reading.skip(number, "is not understood, and was skipped")
            elif binding.key is not None and binding.value and "${" in binding.value:
                reading.skip(number, "refers to other variables, and was skipped")
            elif binding.key is not None and not binding.value:
                reading.skip(number, f"gives {escape(binding.key)} no value, and was skipped")
            elif binding.key is not None:
                match = _PLAIN.match(original, blank)
                cut = (at + match.start("statement"), at + match.end("statement")) if match else None
                reading.add(binding.key, binding.value or "", number, cut=cut)
            at += len(original)
            line += len(re.findall(r"\r\n|\n|\r", original))
        return reading
