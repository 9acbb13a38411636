"""`keyvault verify`."""

from __future__ import annotations

import click

from keyvault.cli import progress, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.store.sqlite import SqliteStore
from keyvault.vault import care


@click.command()
@common
@click.pass_obj
def command(session: Session) -> None:
    """Check everything in the vault: that it opens, fits together, and is the newest state this machine has seen."""
    vault = session.open()
    with progress.waiting("verifying"):
        if isinstance(vault.store, SqliteStore):
            vault.store.check_integrity()
        found = care.verify(vault)
    render.tell(f"verified {found.keys} keys, {found.removed} removed, {found.values} values, {found.commits} changes\n")
