"""`keyvault unlock`."""

from __future__ import annotations

import click

from keyvault.cli import agents, options, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session


@click.command()
@options.for_how_long
@common
@click.pass_obj
def command(session: Session, longest: str | None) -> None:
    """Unlock the vault once: an agent keeps it open, so that no command asks again.

    Where one runs already it is left alone; with --for it is unlocked again, and the time counts anew.
    """
    if longest is None and (left := agents.status(session.settings)):
        terminal.tip(f"unlocked already, {agents.for_so_long(left)}")
        return
    wanted = agents.limits(None, longest or "")
    handed = agents.handed(session.settings, session.open(session.unlocker()), wanted)
    told = agents.start(session.settings, handed)
    terminal.tip(f"unlocked, {agents.for_so_long(told)}; keyvault lock ends it")
