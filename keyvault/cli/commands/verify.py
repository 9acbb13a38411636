"""`keyvault verify`."""

from __future__ import annotations

import click

from keyvault.cli import progress, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.text import counted
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
    keys, values, changes = counted(found.keys, "key"), counted(found.values, "value"), counted(found.commits, "change")
    render.tell(f"verified {keys}, {found.removed:,} removed, {values}, {changes}\n")
