r"""R: `Sys.setenv(...)` lines for `source("x.R")` or a .Rprofile.

Every byte that is not printable ASCII is an octal escape: `\u` would be translated to the locale's encoding. `Rscript` and
`R -f` misread an escape that lies across the 4,096th character of a line (R 4.2), so long values are `paste0` of shorter
ones, each on a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_STRING = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+')"""
_PIECE = 900  # bytes, up to four characters each


class R(Format):
    """R code. A statement is one line, but for long values."""

    is_shell = True

    def _assign(self, variable: str, value: str) -> str:
        return f'Sys.setenv("{variable}" = {self.word(value)});\n'

    def word(self, value: str) -> str:
        escaped = [_escape(byte) for byte in value.encode()]
        pieces = ['"' + "".join(escaped[at : at + _PIECE]) + '"' for at in range(0, len(escaped) or 1, _PIECE)]
        return pieces[0] if len(pieces) == 1 else "paste0(\n" + ",\n".join(pieces) + "\n)"

    def unset(self, variable: str) -> str:
        return f'Sys.unsetenv("{variable}");\n'

    def failure(self, status: int) -> str:
        return f'stop("keyvault ended with status {status}");\n'

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(rf"Sys\.setenv\([ \t]*[\"'`]?(?P<name>[A-Za-z_]\w*)[\"'`]?[ \t]*=[ \t]*{_STRING}[ \t]*\)(?:[ \t]*;)?",),
            mention=r"""(?<![\w.$]){name}["'`]?[ \t]*(?:=(?!=)|<-)|Sys\.(?:un)?setenv.*\b{name}\b""",
            strings={"'": True, '"': True, "`": True},
            outside_escape=False,
            opaque=r"""\b[rR]["']-*[(\[{]""",
            crlf=True,
        )


def _escape(byte: int) -> str:
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return R(name)
