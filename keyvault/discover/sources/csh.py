"""csh and tcsh: `setenv X ...`."""

from __future__ import annotations

import re

from keyvault.discover.sources.scripts import NotLiteral, Script
from keyvault.formats.lines import LineEditor

_WORD = r"'[^'\n]*'|\"[^\"\n]*\"|[^\s'\";&|<>()]+"


class Csh(Script):
    """.cshrc, .tcshrc and .login."""

    kind = "csh"
    what = "start-up files of csh and tcsh"
    statement = (re.compile(rf"[ \t]*(?P<name_start>)setenv[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+(?P<word>{_WORD})"),)
    mention = re.compile(r"\bsetenv[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+(?=\S)")

    def fits(self, name: str, path: str, text: str) -> bool:
        return name in (".cshrc", ".tcshrc", ".login") or name.endswith((".csh", ".tcsh"))

    def editor(self) -> LineEditor:
        return LineEditor(statement=(), mention="", strings={"'": False, '"': False})

    def decode(self, word: str) -> str:
        quote = word[0] if word[0] in "'\"" else ""
        inside = word[1:-1] if quote else word
        if "$" in inside and quote != "'":
            raise NotLiteral("refers to other variables")
        if "`" in inside and quote != "'":
            raise NotLiteral("is worked out by the shell")
        if "!" in inside or "\\" in inside or (not quote and re.search(r"[*?\[\]{}~]", inside)):
            raise NotLiteral("only the shell itself can read")
        return inside
