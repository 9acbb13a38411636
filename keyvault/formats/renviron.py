r"""`.Renviron`: read by R at start-up and by `readRenviron` (R sources, src/main/Renviron.c; help page ?Startup).

`${NAME}` is expanded before quotes are looked at, so `$` and `{` are put into different quotes. Inside quotes a
backslash is itself unless the quote follows. There is no way to end with a backslash, and none to hold a newline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_LONGEST_LINE = 9_990  # BUF_SIZE of older versions, 10,000


class Renviron(Format):
    """R's environment file."""

    def _assign(self, variable: str, value: str) -> str:
        if "\n" in value:
            refuse(".Renviron holds one line a variable", "use --format r")
        if value.endswith("\\"):
            refuse(".Renviron cannot hold a value that ends with a backslash", "use --format r")
        quote = "'" if '"' in value and "'" not in value else '"'
        inside = value.replace('"', '\\"') if quote == '"' else value
        line = f"{variable}={quote}{inside.replace('${', '$' + quote * 2 + '{')}{quote}\n"
        if len(line.encode()) > _LONGEST_LINE:
            refuse("R reads lines of less than 10,000 bytes", "use --format r")
        return line

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(r"(?P<name>[A-Za-z_]\w*)[ \t]*=.*",),
            mention=r"^\s*{name}\s*=",
            outside_escape=False,
            trailing_comment=False,
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Renviron(name)
