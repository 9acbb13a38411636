"""`keyvault rename`."""

from __future__ import annotations

import click

from keyvault.cli import terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.refs import parse_ref
from keyvault.vault import changes


@click.command()
@click.argument("ref")
@click.argument("new_ref")
@common
@click.pass_obj
def command(session: Session, ref: str, new_ref: str) -> None:
    """Give a key another name. Its history and its variables stay."""
    vault = session.open()
    key = vault.get(str(parse_ref(ref)))
    if parse_ref(new_ref).provider != key.name.provider:  # `check` would send it to another vendor
        session.approve([key])
    with vault.transaction("rename") as tx:
        key = changes.rename(tx, ref, new_ref, clock.now())
    session.tell_notices(vault)
    terminal.tip(f"renamed to {key.ref}; it is still exported as {', '.join(key.variables)}")
