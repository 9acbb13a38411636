"""`keyvault agent`."""

from __future__ import annotations

import sys

import click

from keyvault.cli import agents
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session


@click.command()
@click.option(
    "--for", "longest", type=GIVEN, metavar="SPAN", help="How long: 8h, 90min, 2d. Else what config.toml says, or 8h."
)
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
