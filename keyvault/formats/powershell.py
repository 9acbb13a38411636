"""PowerShell: `keyvault env | Invoke-Expression`, `keyvault env | Out-String | Invoke-Expression`, or a .ps1 file.

PowerShell decodes a program's output in the console's code page and hands it on line by line: so ASCII only, and one
whole statement a line. In a single-quoted string only the quote itself is special, and PowerShell takes U+2018 to
U+201B for it as well (about_Quoting_Rules; the tokenizer's `IsSingleQuote`). Whatever is not printable ASCII is added
as `[char]0x....`, one UTF-16 unit each; the text starts with a string, so that `+` means concatenation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_STRING = r"""(?:'(?:[^'\u2018-\u201e]|'')*+'|"(?:[^"$`\u2018-\u201e]|`.|"")*+"|\[char\]0x[0-9a-fA-F]+)"""


class PowerShell(Format):
    """Windows PowerShell 5.1 and PowerShell 7."""

    is_shell = True

    def _assign(self, variable: str, value: str) -> str:
        if not value:
            refuse("PowerShell before 7.5 deletes a variable that is given an empty value")
        return f"${{env:{variable}}} = {self._sum(value)};\n"

    def word(self, value: str) -> str:
        return f"({self._sum(value)})"

    def _sum(self, value: str) -> str:
        pieces: list[str] = []
        run = ""
        for unit in _utf16_units(value):
            if 0x20 <= unit < 0x7F:
                run += "''" if unit == 0x27 else chr(unit)
                continue
            if run or not pieces:
                pieces.append(f"'{run}'")
                run = ""
            pieces.append(f"[char]0x{unit:04x}")
        if run:
            pieces.append(f"'{run}'")
        return " + ".join(pieces or ["''"])

    def unset(self, variable: str) -> str:
        return f"${{env:{variable}}} = $null;\n"

    def failure(self, status: int) -> str:
        return f"$global:LASTEXITCODE = {status};\n"

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(rf"\$(?:\{{env:(?P<name>\w+)\}})[ \t]*=[ \t]*{_STRING}(?:[ \t]*\+[ \t]*{_STRING})*+(?:[ \t]*;)?",),
            mention=r"(?i)env:[\\/]?{name}\b|SetEnvironmentVariable.*\b{name}\b",
            strings={"'": False, '"': True},
            escape="`",
            opaque=r"""@['"]|<#|[\u2018-\u201e]|"[^"]*\$\(""",
            crlf=True,
        )


def _utf16_units(text: str) -> list[int]:
    data = text.encode("utf-16-le")
    return [data[at] | data[at + 1] << 8 for at in range(0, len(data), 2)]


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return PowerShell(name)
