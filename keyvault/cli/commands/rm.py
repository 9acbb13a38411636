"""`keyvault rm`."""

from __future__ import annotations

import click

from keyvault.cli import terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.refs import parse_ref
from keyvault.vault import changes


@click.command()
@click.argument("refs", nargs=-1, required=True, metavar="REF...")
@common
@click.pass_obj
def command(session: Session, refs: tuple[str, ...]) -> None:
    """Remove keys. Nothing is erased: restore-key undoes it, purge makes it final."""
    vault = session.open()
    with vault.transaction("rm") as tx:
        keys = [changes.remove(tx, ref, clock.now()) for ref in dict.fromkeys(str(parse_ref(ref)) for ref in refs)]
    session.tell_notices(vault)
    terminal.tip(f"removed {', '.join(key.ref for key in keys)}; it still works at its vendor until it is revoked there")
