r"""Nushell: a file for `source x.nu`; without a file, `keyvault env --format json | from json | load-env` is the way.

Double-quoted strings know `\"`, `\\` and `\u{...}` (the Nushell book, "Working with strings"); the text is ASCII.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

# Computed or read-only, or structured values that Nushell converts.
_RESERVED = "FILE_PWD CURRENT_FILE LAST_EXIT_CODE CMD_DURATION_MS NU_VERSION ENV_CONVERSIONS config"


class Nushell(Format):
    """Nushell 0.80 and later."""

    is_shell = True
    reserved = frozenset(_RESERVED.split())

    def _assign(self, variable: str, value: str) -> str:
        return f"$env.{variable} = {self.word(value)};\n"

    def word(self, value: str) -> str:
        text = "".join(_escape(c) for c in value)
        return f'"{text}"'

    def unset(self, variable: str) -> str:
        return f"hide-env -i {variable};\n"

    def failure(self, status: int) -> str:
        return f'error make {{msg: "keyvault ended with status {status}"}};\n'

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(
                r"""\$env\.(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*+"|'[^']*'|`[^`]*`|[\w.:/@-]++)(?:[ \t]*;)?""",
            ),
            mention=r"""env\.["'`]?{name}\b|(?<![\w$.])["'`]?{name}["'`]?[ \t]*[:=]""",
            strings={"'": False, '"': True, "`": False},
            outside_escape=False,
            opaque=r"\br#+'|\$['\"]",
            crlf=True,
        )


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else f"\\u{{{ord(character):x}}}"


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Nushell(name)
