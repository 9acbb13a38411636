r"""systemd's `EnvironmentFile=` (systemd.exec(5); src/basic/env-file.c).

Values stand in double quotes, where `\`, `"`, `$` and the backquote are escaped and newlines stand for themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_ESCAPES = str.maketrans({c: "\\" + c for c in '\\"$`'})


class Systemd(Format):
    """An environment file for a unit. A statement has as many lines as the value."""

    def _assign(self, variable: str, value: str) -> str:
        return f'{variable}="{value.translate(_ESCAPES)}"\n'

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(
                r"""(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*+"|'[^']*'|[^\s'"\\](?:[^'"\\\r]*[^\s'"\\])?|)""",
            ),
            mention=r"(?<!\w){name}\s*=",
            strings={"'": False, '"': True},
            comment="#;",
            trailing_comment=False,
            opaque=r"\r",
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Systemd(name)
