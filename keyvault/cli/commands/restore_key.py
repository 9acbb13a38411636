"""`keyvault restore-key`."""

from __future__ import annotations

import click

from keyvault.cli import terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.vault import changes


@click.command()
@click.argument("ref")
@common
@click.pass_obj
def command(session: Session, ref: str) -> None:
    """Bring a removed key back."""
    vault = session.open()
    with vault.transaction("restore-key") as tx:
        key = changes.bring_back(tx, ref, clock.now())
    session.tell_notices(vault)
    terminal.tip(f"{key.ref} is back")
