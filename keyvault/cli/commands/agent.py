"""`keyvault agent`."""

from __future__ import annotations

import click

from keyvault.cli import agents, options
from keyvault.cli.app import common
from keyvault.cli.session import Session


@click.command()
@options.for_how_long
@common
@click.pass_obj
def command(session: Session, longest: str | None) -> int:
    """Unlock the vault and be its agent, in the foreground: for a service manager. `unlock` starts one in the background."""
    wanted = agents.limits(None, longest or "")
    handed = agents.handed(session.settings, session.open(session.unlocker()), wanted)
    return agents.become(handed)
