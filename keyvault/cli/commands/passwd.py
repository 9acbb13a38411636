"""`keyvault passwd`."""

from __future__ import annotations

import click

from keyvault.cli import new_slots, options, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.unlock.passphrase import from_file
from keyvault.vault import care
from keyvault.vault.slots import PASSPHRASE, decode_all


@click.command()
@options.new_passphrase_file
@options.strong
@click.option("--insist", is_flag=True, help="Accept a weak passphrase.")
@common
@click.pass_obj
def command(session: Session, new_passphrase_file: str | None, strong: bool, insist: bool) -> None:
    """Change the passphrase. Copies of the vault made before still open with the old one; rekey changes the key itself."""
    unlocker = session.unlocker()
    vault = session.open(unlocker)
    present = [slot for slot in decode_all(vault.header) if slot.kind == PASSPHRASE]
    opened_by = unlocker.used[0] if unlocker.used else None
    old = opened_by if opened_by in present else present[0] if len(present) == 1 else None
    if old is None:
        raise InvalidInput(
            "which passphrase? the vault has several" if present else "the vault has no passphrase slot",
            "unlock with the one to change" if present else "keyvault slots add passphrase",
        )
    text = from_file("--new-passphrase-file", new_passphrase_file) if new_passphrase_file else None
    secret = new_slots.passphrase(session, strong=strong, insist=insist, text=text)
    care.add_slot(vault, secret, instead_of=old.id, what="passwd")
    session.tell_notices(vault)
    terminal.tip("the passphrase is changed")
