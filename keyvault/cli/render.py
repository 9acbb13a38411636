"""What goes to stdout, and nothing else writes there."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from keyvault.cli import streams, terminal
from keyvault.core.errors import StoreFailed
from keyvault.core.text import is_unsafe


def out(text: str) -> None:
    """Exactly this text, as UTF-8. Raises StoreFailed when it cannot be written; a closed pipe ends the process quietly."""
    if client := streams.caller():
        return client.write(streams.OUT, text.encode())
    if sys.stdout is None:
        raise StoreFailed("cannot write the output: standard output is closed", "see where the output goes")
    try:
        stream = sys.stdout.buffer
        stream.write(text.encode())
        stream.flush()
    except BrokenPipeError:
        close_quietly()
        raise
    except OSError as exc:
        close_quietly()
        raise StoreFailed(f"cannot write the output: {(exc.strerror or 'error').lower()}", "see where the output goes") from exc


def close_quietly() -> None:
    """Keep the interpreter from complaining about what it cannot flush at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(text: str) -> None:
    """Lines for people, in their language."""
    from keyvault.cli.language import said_lines

    out(said_lines(text))


def json_out(value: Any) -> None:
    """One JSON document, without characters that act on a terminal."""
    out(json_text(value))


def json_list_out(name: str, items: Iterable[Any]) -> None:
    """A JSON document with nothing but a list, as `json_out` prints it, but never in memory as a whole: it may be long."""
    before, left = f'{{\n  "{name}": [', iter(items)
    while part := list(islice(left, 256)):
        out(before + json_text(part)[1:-3].replace("\n", "\n  "))  # without its own brackets
        before = ","
    out(before + "]\n}\n" if before != "," else "\n  ]\n}\n")


def json_text(value: Any) -> str:
    """What `json_out` prints."""
    import json

    text = json.dumps(value, ensure_ascii=False, indent=2)
    if not text.isascii():
        text = "".join(json.dumps(c)[1:-1] if c > "\x7f" and is_unsafe(ord(c)) else c for c in text)
    return text.replace("\x7f", "\\u007f") + "\n"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns; on a terminal shortened to its width, anywhere else whole."""
    out(table_text(headings, rows))


def table_text(headings: Sequence[str], rows: Sequence[Sequence[str]], *, whole: bool = False) -> str:
    """What `table` prints; `whole`: as if to a pipe."""
    from keyvault.cli import columns
    from keyvault.cli.language import said

    rows = [[said(c) if name in _OUR_COLUMNS else _cell(c) for name, c in zip(headings, row, strict=True)] for row in rows]
    shown = [said(one) for one in headings]
    if whole:
        return columns.table(headings, rows, shown)
    return columns.table(headings, rows, shown, fit=terminal.columns(), colour=terminal.shows_colour(1))


def pairs(rows: Sequence[tuple[str, str]], *, ours: bool = True) -> None:
    """A name and a text a line. `ours`: the names are the program's, and not what people call their variables."""
    from keyvault.cli.columns import width
    from keyvault.cli.language import said

    rows = [(said(name) if ours else name, _cell(text)) for name, text in rows]
    longest = max(width(name) for name, _ in rows)
    out("".join(f"{name}{' ' * (longest - width(name))}  {text}\n" for name, text in rows))


def _cell(text: str) -> str:
    """A cell as people read it. A single word is a name more often than not: it stays."""
    from keyvault.cli.language import said

    return said(text) if " " in text or text in _OURS else text


_OUR_COLUMNS = (
    "VERDICT",
    "VENDOR SAYS",
    "VENDOR IS",
    "STEP",
    "ROTATION",
    "ACTION",
    "WHY",
    "DUE",
    "FORM",
)  # each word in them is one of ours
_OURS = frozenset(("yes", "no", "new", "current", "earlier", "purged", "retiring", "pending", "experimental"))
