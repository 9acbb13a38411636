r"""fish: `eval (keyvault env)` and `keyvault env | source`.

fish splits command substitutions at newlines only and matches no file names there. Printable ASCII stands in single
quotes; every other byte is `\XHH` outside them, which fish takes for that byte in every locale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.formats.base import Format

if TYPE_CHECKING:
    from keyvault.formats.lines import LineEditor

_WORD = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\$]|\\.|\$\w++)*+"|\\.|\$\w++|[^\s'"\\$;&|<>()#{}\[\]*?~])*+"""
_FLAG = "(?:-[gxU]+|--global|--export|--universal)"

# Read-only in fish, computed by it, or with a meaning of its own.
_RESERVED = """_ status pipestatus version history hostname argv umask fish_pid FISH_VERSION COLUMNS LINES status_generation
fish_kill_signal fish_killring fish_read_limit"""


class Fish(Format):
    """fish 3 and later."""

    is_shell = True
    reserved = frozenset(_RESERVED.split())

    def _assign(self, variable: str, value: str) -> str:
        return f"set -gx {variable} {self.word(value)};\n"

    def word(self, value: str) -> str:
        pieces: list[str] = []
        quoted = False
        for byte in value.encode():
            printable = 0x20 <= byte < 0x7F
            if printable != quoted:
                pieces.append("'")
                quoted = printable
            if printable:
                pieces.append("\\" + chr(byte) if byte in b"\\'" else chr(byte))
            else:
                pieces.append(f"\\X{byte:02x}")
        pieces.append("'" if quoted else "")
        return "".join(pieces) or "''"

    def unset(self, variable: str) -> str:
        return f"set -eg {variable}; or true;\n"

    def failure(self, status: int) -> str:
        return "false;\n"

    def editor(self) -> LineEditor:
        from keyvault.formats.lines import LineEditor

        return LineEditor(
            statement=(
                rf"set[ \t]+(?:{_FLAG}[ \t]+)*(?P<name>[A-Za-z_]\w*)[ \t]+{_WORD}(?:[ \t]*;)?",
                rf"export[ \t]+(?P<name>[A-Za-z_]\w*)={_WORD}(?:[ \t]*;)?",
            ),
            mention=r"\b(?:set|read)\b.*(?<![\w$]){name}\b|(?<![\w$]){name}=",
            strings={"'": True, '"': True},
            opaque=r"""["][^"]*\$\(""",
        )


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Fish(name)
