"""`docker run --env-file`: `NAME=value` lines without any quoting (docker/cli, pkg/kvfile).

The value is the rest of the line, blanks at both ends included. A carriage return at the end belongs to the line
ending, lines are at most 64 KiB, and newer versions take off a pair of quotes around the value, where older ones keep it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_LONGEST_LINE = 64 * 1024 - 1  # bufio.MaxScanTokenSize, with the line's end


class Docker(Format):
    """Docker's env file."""

    def _assign(self, variable: str, value: str) -> str:
        if "\n" in value or value.endswith("\r"):
            refuse("a docker env file holds one line a variable")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            refuse("some versions of docker take off the quotes around a value")
        line = f"{variable}={value}\n"
        if len(line.encode()) > _LONGEST_LINE:
            refuse("docker reads lines of less than 64 KiB")
        return line

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(r"(?P<name>[A-Za-z_]\w*)=.*",),
            mention=r"^\s*{name}\s*(?:=|$)",
            outside_escape=False,
            trailing_comment=False,
            crlf=True,
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Docker(name)
