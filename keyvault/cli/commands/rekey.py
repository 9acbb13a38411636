"""`keyvault rekey`."""

from __future__ import annotations

import click

from keyvault.cli import new_slots, options, progress, recovery, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.crypto.kdf import STANDARD
from keyvault.unlock import key_file
from keyvault.unlock.passphrase import given
from keyvault.unlock.unlocker import Unlocker
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.slots import KEY_FILE, KEYRING, PASSPHRASE, RECOVERY, Slot, decode_all
from keyvault.vault.vault import Vault


@click.command()
@click.option(
    "--recovery-file", type=GIVEN, metavar="FILE", help="Write the new recovery code to a new file instead of the terminal."
)
@options.no_recovery
@options.yes
@common
@click.pass_obj
def command(session: Session, recovery_file: str | None, no_recovery: bool, yes: bool) -> None:
    """Seal everything anew under a new vault key, in one step.

    A way to unlock stays only if its secret is given now: the one that opened the vault, KEYVAULT_KEY_FILE, a passphrase.
    The others are named before you are asked. A new recovery code replaces the old one.
    """
    unlocker = session.unlocker()
    vault = session.open(unlocker)
    known = vault.header
    present = decode_all(known)
    kept = _at_hand(session, vault, unlocker, present)
    dropped = [slot for slot in present if slot.id not in kept and slot.kind != RECOVERY]
    for slot in dropped:
        terminal.warn(f"{slot.kind} slot {slot.id[:8]} will be gone: its secret is not at hand")
    if any(slot.kind == RECOVERY for slot in present):
        terminal.warn("the present recovery code will open this vault no more")
    session.confirm("go on?", yes=yes)
    with new_slots.taken_back(session, new_slots.changed_since_now(vault)):
        code = recovery.new_slot(session, recovery_file, none=no_recovery)
        made = [*kept.values(), *([code] if code else [])]
        if not made:
            raise InvalidInput("no way to unlock would be left", "keep a recovery code, or add a passphrase first")
        filed = _with_new_keyring_items(session, vault, made)
        with progress.waiting("sealing"):
            care.rekey(vault, lambda _: filed, known)
    session.tell_notices(vault)
    for slot in present:
        if slot.kind == KEYRING:
            new_slots.forget_keyring(vault.header.vault_id, slot.id)
    terminal.tip("everything is sealed under a new key; backups made before open with the old ways to unlock")


def _at_hand(session: Session, vault: Vault, unlocker: Unlocker, present: list[Slot]) -> dict[str, SlotSecret]:
    """The slots, by id, whose secret is supplied now."""
    found: dict[str, SlotSecret] = {}
    if unlocker.used and unlocker.used[0].kind != RECOVERY:
        slot, secret = unlocker.used
        found[slot.id] = SlotSecret(slot.kind, secret, slot.kdf or STANDARD)
    offers: list[tuple[str, bytes]] = []
    if session.settings.key_file:
        offers.append((KEY_FILE, key_file.read(session.settings.key_file)))
    if (text := given(session.settings)) is not None:
        offers.append((PASSPHRASE, slots.passphrase_bytes(text)))
    if session.someone_there and any(s.kind == PASSPHRASE and s.id not in found for s in present) and not offers:
        text = terminal.ask_hidden("passphrase to keep (empty: none): ")
        if text:
            offers.append((PASSPHRASE, slots.passphrase_bytes(text)))
    for kind, secret in offers:
        try:
            slot, _ = slots.unwrap(vault.header, [s for s in present if s.id not in found], kind, secret)
        except KeyvaultError:
            continue  # not a way into this vault, so nothing to keep
        found[slot.id] = SlotSecret(kind, secret, slot.kdf or STANDARD)
    return found


def _with_new_keyring_items(session: Session, vault: Vault, secrets: list[SlotSecret]) -> list[SlotSecret]:
    """Keyring slots get a new item under a new name, so that the old one opens the vault until the commit."""
    return [new_slots.keyring(session, vault.header.vault_id) if secret.kind == KEYRING else secret for secret in secrets]
