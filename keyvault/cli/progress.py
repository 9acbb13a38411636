"""How far a long piece of work is, for a person who watches; nothing where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from keyvault.cli import terminal
from keyvault.core.text import escape


@contextmanager
def of(total: int, what: str, *, plain: bool) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that a call of what is yielded moves on by one; `plain`: none, as without a terminal."""
    if plain or total == 0 or not terminal.is_terminal(2):
        yield lambda _: None
        return
    with click.progressbar(
        length=total,
        label=what,
        file=sys.stderr,
        show_pos=True,
        item_show_func=lambda item: escape(item or "")[:40],
    ) as bar:
        yield lambda item: bar.update(1, item)
