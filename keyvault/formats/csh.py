r"""csh, tcsh: ``eval `keyvault env` `` with and without double quotes around the backquotes.

The shell splits the output at blanks and matches the words against file names, and knows no escape that could hide a
character from that; `!` calls up history even inside single quotes. So blanks, file name patterns (braces and `~`
among them), `!`, `\` and everything but printable ASCII are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse
from keyvault.formats.lines import LineEditor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyvault.formats.base import Rendered

_UNSAFE = frozenset(" *?[]{}~!\\^'\"`$")
_EDITOR = LineEditor(
    statement=(r"""setenv[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+(?:'[^'!\\]*'|"[^"!\\$`]*"|[^\s'"\\$`;&|<>()#*?{}\[\]~!])*+[ \t]*;?""",),
    mention=r"\b(?:setenv|unsetenv|set)\b.*\b{name}\b",
    strings={"'": False, '"': False},
    opaque=r"<<|\\$|`",
)


class Csh(Format):
    """The C shells."""

    is_shell = True
    reserved = frozenset("COLUMNS LINES GROUP HOST HOSTTYPE MACHTYPE OSTYPE VENDOR REMOTEHOST NOREBIND LS_COLORS".split())

    def _assign(self, variable: str, value: str) -> str:
        if not value.isascii() or not value.isprintable() or not _UNSAFE.isdisjoint(value):
            refuse("csh carries printable ASCII without blanks, quotes and any of * ? [ ] { } ~ ! \\ ^ ` $")
        return f"setenv {variable} '{value}';\n"

    def unset(self, variable: str) -> str:
        return f"unsetenv {variable};\n"

    def failure(self, status: int) -> str:
        return f"( exit {status} );\n"

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        return _EDITOR.merge(self, existing, pairs)


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Csh(name)
