r"""Start-up files of bash, zsh, ksh and sh: `export X=...` and `X=...`.

Words are read as POSIX has them (Shell Command Language, 2.2 Quoting), with the `$'...'` of bash, zsh and ksh.
"""

from __future__ import annotations

import re

from keyvault.discover.sources.base import Gone
from keyvault.discover.sources.scripts import NotLiteral, Script, byte, characters, pieces
from keyvault.formats import posix
from keyvault.formats.lines import LineEditor

_NAMES = frozenset(
    ".bashrc .bash_profile .bash_login .bash_aliases .bash_exports .bash_logout .profile .zshrc .zshenv"
    " .zprofile .zlogin .zlogout .kshrc .mkshrc .shrc .shinit .exports .aliases .envrc .xprofile .xsessionrc .xinitrc"
    " bashrc zshrc profile".split()
)
_LONGEST_LINE = 4096  # that may begin a here-document
_WORD = r"(?:'[^']*'|\$'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\\.|\$\{?\w+\}?|[^\s'\"\\;&|<>()`$#]|(?<=[^\s])#)+"
_EXPORT = r"(?P<name_start>)(?:(?:export|typeset[ \t]+-g?x|declare[ \t]+-g?x)[ \t]+)?"
_OPENS = re.compile(r"(?:\b(?:then|do|else)|[{()|]|&&)\Z")
_PIECE = re.compile(
    r"'(?P<single>[^']*)'|\$'(?P<ansi>(?:[^'\\]|\\.)*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|\\(?P<escaped>.)|(?P<plain>[^'\"\\$`*?\[]+)",
    re.DOTALL,
)
_ANSI = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|(.))", re.DOTALL)
_ANSI_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}


class Posix(Script):
    """The family of the Bourne shell."""

    kind = "shell"
    what = "start-up files of bash, zsh, ksh and sh"
    statement = (
        re.compile(
            rf"[ \t]*{_EXPORT}(?P<name>[A-Za-z_]\w*)=(?P<word>{_WORD})(?:[ \t]*;[ \t]*export[ \t]+(?P=name))?", re.DOTALL
        ),
        re.compile(
            r"""[ \t]*(?P<name_start>)(?P<name>[A-Za-z_]\w*)=(?P<word>"\$\(printf %b '[\w\\]*'\)");"""
            r""" export (?P=name)="\$\{(?P=name)%_\}";"""
        ),
    )

    def fits(self, name: str, path: str, text: str) -> bool:
        return (
            name in _NAMES
            or name.endswith((".sh", ".bash", ".zsh", ".ksh"))
            or re.match(r"#!.*\b(?:ba|z|k|da)?sh\b", text) is not None
        )

    def editor(self) -> LineEditor:
        return posix.editor()

    def decode(self, word: str) -> str:
        ours = re.fullmatch(r"""\"\$\(printf %b '([\w\\]*)_'\)\"""", word)
        if ours:
            return characters(re.sub(r"\\0([0-7]{3})", lambda match: byte(int(match[1], 8) & 0xFF), ours[1]))
        if word.startswith(("~", "=")) or ":~" in word or ":=" in word:
            raise NotLiteral("the shell may expand")  # zsh looks for a program after =
        return "".join(_value(piece) for piece in pieces(_PIECE, _no_reference(word)))

    def here_document(self, line: str) -> str:
        if "<<" not in line or "((" in line or len(line) > _LONGEST_LINE:
            return ""
        bare = re.sub(r"(?:^|[ \t])#.*", "", re.sub(r"'[^']*'|\"[^\"]*\"(?=[^<]*\Z)", "", line))
        found = re.search(r"(?<!<)<<-?[ \t]*(['\"]?)\\?([\w.-]+)\1", bare)
        found = found or re.search(r"(?<!<)<<-?[ \t]*(['\"])([\w.-]+)\1", line)
        return found[2] if found else ""

    def left_behind(self, text: str, item: Gone, start: int) -> str:
        """A comment; and a statement that does nothing where the block may have no other: an empty one is a syntax error."""
        line_start = text.rfind("\n", 0, start) + 1
        before = next((one for one in reversed(text[:line_start].split("\n")) if one.strip() and one.strip()[0] != "#"), "")
        opens = _OPENS.search(before.partition(" #")[0].rstrip())
        made = super().left_behind(text, item, start)
        return ": " + made if opens or start > line_start else made


def _no_reference(word: str) -> str:
    bare = re.sub(r"'[^']*'|\\.", "", re.sub(r"\$'(?:[^'\\]|\\.)*'", "", word, flags=re.DOTALL), flags=re.DOTALL)
    if "$(" in bare or "`" in bare:
        raise NotLiteral("is worked out by the shell")
    if "$" in bare:
        raise NotLiteral("refers to other variables")
    return word


def _value(piece: re.Match[str]) -> str:
    if piece["single"] is not None:
        return piece["single"]
    if piece["double"] is not None:
        return re.sub(r"\\([\"\\$`])", r"\1", piece["double"].replace("\\\n", ""))
    if piece["ansi"] is not None:
        return characters(_ANSI.sub(_ansi, piece["ansi"]))
    if piece["escaped"] is not None:
        return "" if piece["escaped"] == "\n" else piece["escaped"]
    return piece["plain"]


def _ansi(match: re.Match[str]) -> str:
    for digits, base in ((match[1], 16), (match[2], 8)):
        if digits:
            return byte(int(digits, base) & 0xFF)
    code = match[3] or match[4]
    if code:
        number = int(code, 16)
        if number > 0x10FFFF:
            raise NotLiteral("has an escape that means no character")
        return chr(number)
    if match[5] == "c":
        raise NotLiteral("has an escape that only the shell can read")
    return _ANSI_LETTERS.get(match[5], match[5] if match[5] in "\\'\"?" else "\\" + match[5])
