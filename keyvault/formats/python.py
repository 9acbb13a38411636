"""Python: `os.environ[...] = ...` lines for `exec` or a file to import.

The text is ASCII. Where a value is not, it is written as its UTF-8 bytes through `os.fsdecode`, which is exact even in
a locale whose encoding is not UTF-8; `os.environ` would encode a `str` into that locale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput
from keyvault.formats.base import Format, Rendered
from keyvault.formats.lines import assign_all, cannot_replace, line_ending

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

_WRITERS = frozenset({"putenv", "unsetenv", "setdefault", "update", "pop", "setenv"})


class Python(Format):
    """Python 3."""

    is_shell = True

    def _assign(self, variable: str, value: str) -> str:
        literal = repr(value) if value.isascii() else f"os.fsdecode({value.encode()!r})"
        return f'os.environ["{variable}"] = {literal}\n'

    def unset(self, variable: str) -> str:
        return f'os.environ.pop("{variable}", None)\n'

    def failure(self, status: int) -> str:
        return f"raise SystemExit({status})\n"

    def frame(self, statements: str) -> str:
        return "import os\n" + statements

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        import ast

        statements, refused = assign_all(self, pairs)
        try:
            tree = ast.parse(existing)
        except (SyntaxError, ValueError) as exc:
            line = getattr(exc, "lineno", None) or 1
            raise InvalidInput(f"line {line} is not Python", "write to a file of its own") from exc
        lines = existing.split("\n")
        ending = line_ending(existing)
        replaced: set[str] = set()
        understood: set[ast.AST] = set()
        for statement in reversed(tree.body):
            name = _assigned(statement)
            if name in statements and _fills_its_lines(statement, lines):
                understood.update(ast.walk(statement))
                last = lines[(statement.end_lineno or statement.lineno) - 1]
                cut = "\r" if last.endswith("\r") else ""
                lines[statement.lineno - 1 : statement.end_lineno] = [statements[name].rstrip("\n") + cut]
                replaced.add(name)
        for node in ast.walk(tree):
            if node not in understood:
                _refuse_other_writes(node, statements)
        missing = [text.rstrip("\n") + ending for name, text in statements.items() if name not in replaced]
        if missing and not any(_imports_os(node) for node in tree.body):
            missing.insert(0, "import os" + ending)
        text = "\n".join(lines)
        gap = ending if missing and text and not text.endswith("\n") else ""
        return Rendered(text + gap + "".join(missing), refused)


def _assigned(node: ast.AST) -> str:
    """The variable that a statement `os.environ["NAME"] = <constant>` assigns, or an empty string."""
    import ast

    match node:
        case ast.Assign(
            targets=[
                ast.Subscript(
                    value=ast.Attribute(value=ast.Name(id="os"), attr="environ"), slice=ast.Constant(value=str() as name)
                )
            ],
            value=ast.Constant()
            | ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="fsdecode"), args=[ast.Constant()]),
        ):
            return name
    return ""


def _fills_its_lines(node: ast.stmt, lines: list[str]) -> bool:
    last = lines[(node.end_lineno or node.lineno) - 1].encode()
    return node.col_offset == 0 and not last[node.end_col_offset or 0 :].strip()


def _refuse_other_writes(node: ast.AST, names: dict[str, str]) -> None:
    import ast

    match node:
        case ast.Subscript(slice=ast.Constant(value=str() as name), ctx=ast.Store() | ast.Del()) if name in names:
            raise cannot_replace(node.lineno, name)
        case ast.Call(func=ast.Attribute(attr=attribute)) if attribute in _WRITERS:
            for inner in ast.walk(node):
                found = inner.value if isinstance(inner, ast.Constant) else getattr(inner, "arg", None)
                if isinstance(found, str) and found in names:
                    raise cannot_replace(node.lineno, found)


def _imports_os(node: ast.AST) -> bool:
    import ast

    return isinstance(node, ast.Import) and any(alias.name == "os" and alias.asname is None for alias in node.names)


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return Python(name)
