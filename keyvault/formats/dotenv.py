r"""`.env` files, which every reader understands in its own way.

portable: what python-dotenv, node's `dotenv`, `node --env-file`, docker compose and `. ./.env` in a POSIX shell read alike:
no backslash, no `${` (python-dotenv expands it even in single quotes), and a quote of one kind only. The other dialects
are written for one reader each and carry more (node: for both of its readers).

Sources: python-dotenv's parser.py and variables.py; motdotla/dotenv's parse; nodejs/node, src/node_dotenv.cc;
compose-spec/compose-go, dotenv/parser.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput
from keyvault.formats.base import Format, Rendered, refuse
from keyvault.formats.lines import HINT, appended, assign_all, cannot_replace, line_ending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BARE = re.compile(r"(?!=|.*:=)[A-Za-z0-9_./:=+@,%^-]+\Z")  # zsh expands = at the start and after a colon
_PYTHON_EXPANDS = re.compile(r"\$\{[^}:]*(?::-[^}]*)?\}")
# A value that opens a quote and does not close it, or escapes it and goes on to another line.
_UNCLEAR = re.compile(
    r"""(?:export\s+)?[\w.-]+\s*=\s*(?:`[^`]*\Z|'[^']*\Z|"[^"]*\Z|(?=.*\n)(?:'[^']*\\'|"[^"]*\\"))""", re.DOTALL
)
_ESCAPED_QUOTE = re.compile(r"\\(?:['\"]|\Z)")


def _portable(value: str) -> str | None:
    if "\\" in value or "${" in value or "\r" in value:
        return None
    if "'" not in value:
        return f"'{value}'"
    return None if any(c in value for c in '"$`') else f'"{value}"'


def _python(value: str) -> str | None:
    # A backslash before a quote is read differently by versions before and after 1.2.3.
    if _PYTHON_EXPANDS.search(value) or _ESCAPED_QUOTE.search(value):
        return None
    if "\r" in value or "'" in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        return f'"{escaped}"'
    return "'" + value.replace("\\", "\\\\") + "'"


def _node(value: str) -> str | None:
    if "\r" in value or value.endswith("\\"):
        return None
    for quote in "'\"`":
        if quote not in value and (quote != '"' or "\\" not in value):
            return quote + value + quote
    return None


def _compose(value: str) -> str:
    if "'" not in value and "\\" not in value:
        return f"'{value}'"
    escaped = re.sub(r'[\\"$]', r"\\\g<0>", value).replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def _sh(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


_WRITERS: dict[str, Callable[[str], str | None]] = {
    "portable": _portable,
    "python": _python,
    "node": _node,
    "compose": _compose,
    "sh": _sh,
}


class Dotenv(Format):
    """A .env file in one dialect. A statement has as many lines as the value."""

    def __init__(self, name: str, dialect: str) -> None:
        super().__init__(name)
        self.dialect = dialect

    def _assign(self, variable: str, value: str) -> str:
        written = value if _BARE.match(value) else _WRITERS[self.dialect](value)
        if written is None:
            readers = [d for d, write in _WRITERS.items() if write(value) is not None]
            choice = f"for one reader alone: --dialect {'|'.join(readers)}"
            if self.dialect == "portable":
                refuse("readers of .env files do not agree on such a value", choice)
            refuse(f"the {self.dialect} dialect of .env files cannot hold such a value", choice)
        return f"{variable}={written}\n"

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        if self.dialect == "sh":
            from keyvault.formats.posix import editor

            return editor().merge(self, existing, pairs)
        from io import StringIO

        from dotenv.parser import parse_stream

        statements, refused = assign_all(self, pairs)
        pieces: list[str] = []
        replaced: set[str] = set()
        for binding in parse_stream(StringIO(existing, newline="")):
            original = binding.original.string
            if binding.error or (binding.key and binding.value is None) or _UNCLEAR.match(original.strip()):
                raise InvalidInput(f"line {binding.original.line} is none that all readers of .env files take alike", HINT)
            if binding.key in statements:
                original = _replace(original, binding.key, statements[binding.key], binding.original.line)
                replaced.add(binding.key)
            pieces.append(original)
        start = "\ufeff" if existing.startswith("\ufeff") else ""
        ending = line_ending(existing)
        added = "".join(text[:-1] + ending for name, text in statements.items() if name not in replaced)
        return Rendered(appended(start + "".join(pieces), added), refused)


def _replace(original: str, name: str, statement: str, line: int) -> str:
    """One assignment with the value changed: what stands before and after it stays."""
    match = re.match(rf"(?P<lead>\s*(?:export[^\S\r\n]+)?){name}[^\S\r\n]*=", original)
    if not match:
        raise cannot_replace(line, name)
    ending = re.search(r"(?:\r\n|\r|\n)?\Z", original)
    return match["lead"] + statement[:-1] + _comment(original[match.end() :]) + (ending[0] if ending else "")


def _comment(rest: str) -> str:
    """The comment that follows a value, with the blanks before it."""
    found = re.match(
        r"""[^\S\r\n]*(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"\s#][^\r\n]*?|)(?P<comment>[^\S\r\n]+#[^\r\n]*)?\s*\Z""",
        rest,
        re.DOTALL,
    )
    return (found["comment"] or "") if found else ""


def load(name: str, dialect: str) -> Format:
    """.env files in the dialect asked for."""
    return Dotenv(name, dialect)
