"""`keyvault backup`."""

from __future__ import annotations

import os

import click

from keyvault.cli import progress, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, VaultCorrupt
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.sqlite import create_store, open_copy
from keyvault.vault import care, reminders


@click.command()
@click.argument("file", type=GIVEN)
@common
@click.pass_obj
def command(session: Session, file: str) -> None:
    """Write a verified copy of the whole vault to a new FILE. It opens with the same passphrase, key file or recovery code."""
    path = absolute(file)
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "choose another name")
    vault = session.open()
    with progress.waiting("copying"):
        copied = care.copy(vault)
        create_store(path, copied.blobs, copied.head, private_folder=False)
    written = open_copy(path)
    if written.head() != copied.head or written.get(written.ids()) != copied.blobs:
        raise VaultCorrupt(f"{escape(path)} does not read back as it was written", "check the disk; do not rely on this file")
    written.check_integrity()
    written.close()
    reminders.note_backup(session.settings.state, vault.header.vault_id, clock.now(), vault.root.seq)
    terminal.tip(f"wrote and verified {escape(path)}")
