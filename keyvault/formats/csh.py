r"""csh, tcsh: ``eval `keyvault env` `` with and without double quotes around the backquotes.

The shell splits the output at blanks and matches the words against file names, and knows no escape that could hide a
character from that; `!` calls up history even inside single quotes. So blanks, file name patterns (braces and `~`
among them), `!`, `\` and everything but printable ASCII are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_UNSAFE = frozenset(" *?[]{}~!\\^'\"`$")
_WORD = r"""(?:'[^'!\\]*'|"[^"!\\$`]*"|[^\s'"\\$`;&|<>()#*?{}\[\]~!])*+"""
_RESERVED = "COLUMNS LINES GROUP HOST HOSTTYPE MACHTYPE OSTYPE VENDOR REMOTEHOST NOREBIND LS_COLORS"


class Csh(Format):
    """The C shells."""

    is_shell = True
    reserved = frozenset(_RESERVED.split())

    def _assign(self, variable: str, value: str) -> str:
        if not value.isascii() or not value.isprintable() or not _UNSAFE.isdisjoint(value):
            refuse("csh carries printable ASCII without blanks, quotes and any of * ? [ ] { } ~ ! \\ ^ ` $")
        return f"setenv {variable} '{value}';\n"

    def unset(self, variable: str) -> str:
        return f"unsetenv {variable};\n"

    def failure(self, status: int) -> str:
        return f"( exit {status} );\n"

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(rf"setenv[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+{_WORD}(?:[ \t]*;)?",),
            mention=r"\b(?:setenv|unsetenv|set)\b.*\b{name}\b",
            strings={"'": False, '"': False},
            opaque=r"<<|\\$|`",
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Csh(name)
