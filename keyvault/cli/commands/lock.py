"""`keyvault lock`."""

from __future__ import annotations

import click

from keyvault.cli import agents, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session


@click.command()
@common
@click.pass_obj
def command(session: Session) -> None:
    """End the agent. When this returns its process is gone, and with it the keys it held."""
    terminal.tip("locked" if agents.end(session.settings) else "no agent runs")
