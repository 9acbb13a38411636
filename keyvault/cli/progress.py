"""How far a long piece of work is, for a person who watches; nothing where nobody does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from keyvault.cli import terminal
from keyvault.cli.language import said
from keyvault.core.text import escape

if TYPE_CHECKING:
    from keyvault.audit.leaks.work import Progress

_AFRESH = "\r\x1b[K" if sys.platform != "win32" else f"\r{' ' * 78}\r"  # a console of Windows may not know the sequence


@contextmanager
def of(total: int, what: str, *, plain: bool) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that a call of what is yielded moves on by one; `plain`: none, as without a terminal."""
    if plain or total == 0 or not terminal.is_terminal(2):
        yield lambda _: None
        return
    with click.progressbar(
        length=total,
        label=said(what),
        file=sys.stderr,
        show_pos=True,
        item_show_func=lambda item: escape(item or "")[:40],
    ) as bar:
        yield lambda item: bar.update(1, item)


@contextmanager
def of_bytes(*, plain: bool) -> Iterator[Callable[[Progress], None]]:
    """A line on stderr that says how much of a search is done, how fast it goes and what remains; gone when it ends."""
    if plain or not terminal.is_terminal(2):
        yield lambda _: None
        return

    def show(now: Progress) -> None:
        sys.stderr.write(f"{_AFRESH}{_line(now)}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write(_AFRESH)
        sys.stderr.flush()


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """From the first second on, a line on stderr that counts the seconds of work whose end is not known; gone when it ends.

    Nothing else may be said within.
    """
    if not terminal.is_terminal(2):
        yield
        return
    ended = threading.Event()

    def count() -> None:
        seconds = 0
        while not ended.wait(1):
            seconds += 1
            sys.stderr.write(f"{_AFRESH}{said(what)}: {seconds} s")
            sys.stderr.flush()
        if seconds:
            sys.stderr.write(_AFRESH)
            sys.stderr.flush()

    counter = threading.Thread(target=count, daemon=True)
    counter.start()
    try:
        yield
    finally:
        ended.set()
        counter.join()


def _line(now: Progress) -> str:
    done = f"searching {escape(now.what)}: {now.done / 1e6:.0f}"
    of_all = f" of {now.total / 1e6:.0f} MB" if now.total else " MB"
    rate = f", {now.rate / 1e6:.0f} MB/s" if now.rate else ""
    left = f", {max(0, now.total - now.done) / now.rate:.0f} s left" if now.rate and now.total else ""
    return said(f"{done}{of_all}{rate}{left}")[:79]
