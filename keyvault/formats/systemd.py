r"""systemd's `EnvironmentFile=` (systemd.exec(5); src/basic/env-file.c).

Values stand in double quotes, where `\`, `"`, `$` and the backquote are escaped and newlines stand for themselves.
A file with one of Unicode's noncharacters in it is refused as a whole (`unichar_is_valid`), so they are refused here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format, refuse

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_ESCAPES = str.maketrans({c: "\\" + c for c in '\\"$`'})
_QUOTED = r"""(?:(?:"(?:[^"\\]|\\.)*+"|'[^']*')[ \t]*)++"""
_BARE = r"""[^\s'"\\](?:[^'"\\\r\n]*[^\s'"\\])?"""


class Systemd(Format):
    """An environment file for a unit. A statement has as many lines as the value."""

    def _assign(self, variable: str, value: str) -> str:
        if any(0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE for c in value):
            refuse("systemd takes no Unicode noncharacters")
        return f'{variable}="{value.translate(_ESCAPES)}"\n'

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(rf"(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?:{_QUOTED}|{_BARE}|)",),
            mention=r"(?<!\w){name}\s*=",
            strings={"'": False, '"': True},
            comment="#;",
            trailing_comment=False,
            opaque=r"['\"\\\r]",  # any other use of quotes
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Systemd(name)
