"""`keyvault lock`."""

from __future__ import annotations

import sys

import click

from keyvault.cli import agents, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session


@click.command()
@common
@click.pass_obj
def command(session: Session) -> None:
    """End the agent. When this returns its process is gone, and with it the keys it held."""
    if sys.platform == "win32":
        agents.not_on_windows()
    from keyvault.agent import place, starting

    there_was = starting.end(place.path_of(session.settings.home))
    terminal.tip("locked" if there_was else "no agent runs")
