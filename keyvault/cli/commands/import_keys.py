"""`keyvault import`."""

from __future__ import annotations

import click

from keyvault.cli import render, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.text import escape, mask
from keyvault.discover import dotenv_source
from keyvault.discover.plan import Planned, plan, take_in


@click.command("import")
@click.argument("sources", type=GIVEN, nargs=-1, required=True, metavar="SOURCE...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--replace", is_flag=True, help="Give keys that exist the values found; the old ones stay in their history.")
@common
@click.pass_obj
def command(session: Session, sources: tuple[str, ...], yes: bool, replace: bool) -> None:
    """Take keys in from .env files. Shows what it found, and asks; the files are not touched."""
    found, skipped = dotenv_source.read_all(sources)
    vault = session.open()
    planned, unclaimed = plan(vault, found, replace=replace)
    for line in skipped + unclaimed:
        terminal.warn(line)
    if not planned:
        terminal.tip("nothing to import")
        return
    rows = [(str(p.ref), p.variable, mask(p.value.reveal()), escape(p.where), p.action) for p in planned]
    render.table(("KEY", "VARIABLE", "VALUE", "FROM", "ACTION"), rows)
    to_do = [p for p in planned if p.changes_vault]
    if not to_do:
        return
    session.confirm(f"take {_count(to_do)} in?", yes=yes)
    take_in(vault, to_do, clock.now())
    session.tell_notices(vault)
    terminal.tip(f"took {_count(to_do)} in; the files still hold the values in plain text")


def _count(planned: list[Planned]) -> str:
    return f"{len(planned)} key{'' if len(planned) == 1 else 's'}"
