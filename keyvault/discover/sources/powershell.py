"""PowerShell profiles: `$env:X = '...'` and [Environment]::SetEnvironmentVariable (about_Quoting_Rules)."""

from __future__ import annotations

import re

from keyvault.discover.sources.scripts import NotLiteral, Script, pieces
from keyvault.formats import powershell
from keyvault.formats.lines import LineEditor

_STRING = r"(?:'(?:[^'\u2018-\u201e]|'')*'|\"(?:[^\"`\u2018-\u201e]|`.|\"\")*\"|\[char\]0x[0-9a-fA-F]+)"
_PIECE = re.compile(
    r"[ \t]*\+?[ \t]*(?:'(?P<single>(?:[^']|'')*)'|\"(?P<double>(?:[^\"`]|`.|\"\")*)\"|\[char\]0x(?P<char>[0-9a-fA-F]{1,4}))",
    re.DOTALL,
)
_LETTERS = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class PowerShell(Script):
    """Microsoft.PowerShell_profile.ps1 and other scripts."""

    kind = "powershell"
    what = "PowerShell profiles"
    statement = (
        re.compile(
            rf"[ \t]*(?P<name_start>)\$(?:(?i:env):(?P<bare>)|\{{(?i:env):(?P<braced>))(?P<name>\w+)(?(braced)\}})[ \t]*=[ \t]*"
            rf"(?P<word>{_STRING}(?:[ \t]*\+[ \t]*{_STRING})*)",
            re.DOTALL,
        ),
        re.compile(
            r"[ \t]*(?P<name_start>)\[(?i:System\.)?(?i:Environment)\]::(?i:SetEnvironmentVariable)\([ \t]*"
            rf"['\"](?P<name>\w+)['\"][ \t]*,[ \t]*(?P<word>{_STRING})[^()\n]*\)",
            re.DOTALL,
        ),
    )
    mention = re.compile(r"(?i)\$\{?env:(?P<name>\w+)\}?[ \t]*=(?!=)")

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith((".ps1", ".psm1"))

    def editor(self) -> LineEditor:
        return powershell.PowerShell("powershell").editor()

    def decode(self, word: str) -> str:
        units: list[str] = []
        for piece in pieces(_PIECE, word):
            if piece["single"] is not None:
                units.append(piece["single"].replace("''", "'"))
            elif piece["double"] is not None:
                units.append(_double(piece["double"]))
            else:
                units.append(chr(int(piece["char"], 16)))
        try:
            return "".join(units).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as exc:
            raise NotLiteral("is not text") from exc


def _double(inside: str) -> str:
    if "$" in re.sub(r"`.", "", inside, flags=re.DOTALL):
        raise NotLiteral("refers to other variables")
    if "`u{" in inside:
        raise NotLiteral("has an escape that not all versions of PowerShell read")
    return re.sub(r"`(.)|\"\"", lambda m: _LETTERS.get(m[1], m[1]) if m[1] else '"', inside, flags=re.DOTALL)
