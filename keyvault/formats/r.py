r"""R: `Sys.setenv(...)` lines for `source("x.R")` or a .Rprofile.

Every byte that is not printable ASCII is an octal escape: `\u` would be translated to the locale's encoding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_STRING = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""


class R(Format):
    """R code."""

    is_shell = True

    def _assign(self, variable: str, value: str) -> str:
        text = "".join("\\" + chr(b) if b in b'"\\' else chr(b) if 0x20 <= b < 0x7F else f"\\{b:03o}" for b in value.encode())
        return f'Sys.setenv("{variable}" = "{text}");\n'

    def unset(self, variable: str) -> str:
        return f'Sys.unsetenv("{variable}");\n'

    def failure(self, status: int) -> str:
        return f'stop("keyvault ended with status {status}");\n'

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(rf"Sys\.setenv\([ \t]*[\"'`]?(?P<name>[A-Za-z_]\w*)[\"'`]?[ \t]*=[ \t]*{_STRING}[ \t]*\)[ \t]*;?",),
            mention=r"""(?<![\w.$]){name}["'`]?[ \t]*(?:=(?!=)|<-)|Sys\.(?:un)?setenv.*\b{name}\b""",
            strings={"'": True, '"': True, "`": True},
            outside_escape=False,
            opaque=r"""\b[rR]["']-*[(\[{]""",
            crlf=True,
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return R(name)
