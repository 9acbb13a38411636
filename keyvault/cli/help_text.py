"""The help of a command in another language than English; click's own formatter counts characters, and knows no wide ones."""

from __future__ import annotations

from collections.abc import Iterable

import click

from keyvault.cli.columns import wrapped
from keyvault.cli.language import said


def of(context: click.Context) -> str:
    """The help of the command that was asked for."""
    formatter = _Formatter(width=context.terminal_width, max_width=context.max_content_width)
    context.command.format_help(context, formatter)
    return formatter.getvalue().rstrip("\n")


class _Formatter(click.HelpFormatter):
    """Translates what is written into it. Names, options and what they take stay as they are."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, f"{said('Usage')}：")

    def write_heading(self, heading: str) -> None:
        self.write(f"{said(heading)}：\n")

    def write_text(self, text: str) -> None:
        indent = " " * self.current_indent
        paragraphs = [said(" ".join(paragraph.split())) for paragraph in text.split("\n\n")]
        blocks = ["\n".join(indent + line for line in self._lines(one, self.width - len(indent))) for one in paragraphs]
        self.write("\n\n".join(blocks) + "\n")

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        first = min(max(len(name) for name, _ in rows), col_max) + col_spacing
        indent = " " * self.current_indent
        for name, text in rows:
            lines = self._lines(_explained(text), max(self.width - first - 2, 10))
            beside = len(name) + col_spacing <= first
            self.write(indent + (name.ljust(first) + lines.pop(0) if beside else name).rstrip() + "\n")
            self.write("".join(f"{indent}{' ' * first}{line}\n" for line in lines))

    def _lines(self, text: str, most: int) -> list[str]:
        return wrapped(text, most, whole=True)


def _explained(text: str) -> str:
    """An option's help, and behind it in brackets what click adds."""
    text, bracket, more = text.partition("  [")
    return said(text) + (bracket + "; ".join(map(said, more[:-1].split("; "))) + "]" if bracket else "")
