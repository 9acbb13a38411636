"""cmd.exe: a file for `call x.cmd`.

A batch line is read in the console's code page, `%` is expanded even inside quotes (`%%` is one), and where the
caller has switched delayed expansion on, `!` and with it `^` change too. Within `set "NAME=value"` the rest is literal
as long as no quote ends the string. What that leaves is carried; all else is refused. Lines end in CRLF, as cmd's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_LONGEST_LINE = 8191  # "Command prompt line string limitation", learn.microsoft.com
# Computed by cmd unless they are set, or steering it.
_RESERVED = "CD DATE TIME ERRORLEVEL CMDCMDLINE CMDEXTVERSION HIGHESTNUMANODENUMBER"


class Cmd(Format):
    """Batch files."""

    is_shell = True
    reserved = frozenset(_RESERVED.split())

    def _assign(self, variable: str, value: str) -> str:
        if variable.upper() in self.reserved:
            refuse(f"{variable} has a meaning of its own in cmd", "choose another --env name")
        if not value:
            refuse("cmd deletes a variable that is given an empty value")
        if not value.isascii() or not value.isprintable():
            refuse("cmd reads files in a code page of its own and line by line: printable ASCII only")
        for character, name in (('"', "a double quote"), ("!", "an exclamation mark")):
            if character in value:
                refuse(f"cmd cannot be trusted with {name}")
        statement = f'@set "{variable}={value.replace("%", "%%")}"\r\n'
        if len(statement) > _LONGEST_LINE:
            refuse(f"cmd reads lines of at most {_LONGEST_LINE} characters")
        return statement

    def unset(self, variable: str) -> str:
        return f'@set "{variable}="\r\n'

    def failure(self, status: int) -> str:
        return f"@cmd /d /c exit {status}\r\n"

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(r'(?i:@?set)[ \t]+"(?P<name>[A-Za-z_]\w*)=[^"]*"',),
            mention=r"(?i)\bset\b.*\b{name}[ \t]*=",
            outside_escape=True,
            escape="^",
            comment=":",
            trailing_comment=False,
            crlf=True,
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Cmd(name)
