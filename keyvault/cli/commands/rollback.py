"""`keyvault rollback`."""

from __future__ import annotations

import click

from keyvault.cli import terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.vault import changes


@click.command()
@click.argument("ref")
@click.option("--to", "number", type=int, metavar="N", help="The version to go back to; the one before if not given.")
@common
@click.pass_obj
def command(session: Session, ref: str, number: int | None) -> None:
    """Make an earlier value current again. The present one stays in the history."""
    vault = session.open()
    with vault.transaction("rollback") as tx:
        key, chosen = changes.roll_back(tx, ref, number, clock.now())
    session.tell_notices(vault)
    terminal.tip(f"{key.ref} is at version {chosen}; shells that have it must load it again")
