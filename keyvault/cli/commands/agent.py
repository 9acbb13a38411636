"""`keyvault agent`."""

from __future__ import annotations

import sys

import click

from keyvault.cli import agents, options
from keyvault.cli.app import common
from keyvault.cli.session import Session


@click.command()
@options.for_how_long
@common
@click.pass_obj
def command(session: Session, longest: str | None) -> None:
    """Unlock the vault and be its agent, in the foreground: for a service manager. `unlock` starts one in the background."""
    if sys.platform == "win32":
        agents.not_on_windows()
    wanted = agents.limits(None, longest or "")
    handed = agents.handed(session.settings, session.open(session.unlocker()), wanted)
    from keyvault.agent import starting

    starting.become(handed)
