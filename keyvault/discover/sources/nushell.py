"""Nushell: `$env.X = "..."` in env.nu and config.nu (Nushell Book, "Working with Strings")."""

from __future__ import annotations

import json
import re

from keyvault.discover.sources.scripts import NotLiteral, Script
from keyvault.formats.lines import LineEditor

_STRING = r"'[^'\n]*'|`[^`\n]*`|\"(?:[^\"\\\n]|\\.)*\""


class Nushell(Script):
    """env.nu and config.nu."""

    kind = "nushell"
    what = "start-up files of Nushell"
    end = re.compile(r"[ \t]*;?[ \t]*(?=(?:#[^\r\n]*)?(?:\r?\n|\Z))")
    statement = (re.compile(rf"[ \t]*(?P<name_start>)\$env\.(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?P<word>{_STRING})"),)
    mention = re.compile(r"\$env\.(?P<name>[A-Za-z_]\w*)[ \t]*=(?!=)")

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith(".nu")

    def editor(self) -> LineEditor:
        return LineEditor(statement=(), mention="", strings={"'": False, '"': True, "`": False}, outside_escape=False)

    def decode(self, word: str) -> str:
        if word[0] != '"':
            return word[1:-1]
        try:
            value: str = json.loads(word, strict=False)
        except ValueError as exc:
            raise NotLiteral("has an escape that only the shell can read") from exc
        return value
