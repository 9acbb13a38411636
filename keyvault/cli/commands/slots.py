"""`keyvault slots`."""

from __future__ import annotations

import click

from keyvault.cli import new_slots, options, recovery, render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.text import escape
from keyvault.unlock.passphrase import from_file
from keyvault.vault import care
from keyvault.vault.slots import KEY_FILE, KEYRING, KINDS, PASSPHRASE, RECOVERY, Slot, decode_all
from keyvault.vault.vault import Vault


@click.group(invoke_without_command=True)
@options.as_json
@common
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """The ways to unlock the vault: list, add, remove."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_slots, as_json=as_json)


@command.command("list")
@options.as_json
@common
@click.pass_obj
def list_slots(session: Session, as_json: bool) -> None:
    """List them. The one that opened the vault just now is marked, where no agent had the keys."""
    vault = session.open()  # so that they are those of the vault's owner, and not what somebody wrote into the file
    used = session.opened_with.used if session.opened_with else None
    found = decode_all(vault.header)
    if as_json:
        render.json_out({"slots": [{"id": s.id, "kind": s.kind, "kdf": s.kdf._asdict() if s.kdf else None} for s in found]})
        return
    render.table(
        ("ID", "KIND", "DETAILS"),
        [(s.id[:8], s.kind, _details(s) + (" (used now)" if used and s == used[0] else "")) for s in found],
    )


@command.command("add")
@click.argument("kind", type=click.Choice(KINDS))
@options.key_file
@options.strong
@options.new_passphrase_file
@options.recovery_file
@options.insist
@common
@click.pass_obj
def add(
    session: Session,
    kind: str,
    key_file: str | None,
    strong: bool,
    new_passphrase_file: str | None,
    recovery_file: str | None,
    insist: bool,
) -> None:
    """Add one more way to unlock."""
    vault = session.open(session.unlocker())
    with new_slots.taken_back(session, new_slots.changed_since_now(vault)):
        if kind == KEYRING:
            secret = new_slots.keyring(session, vault.header.vault_id)
        elif kind == KEY_FILE:
            secret = new_slots.new_key_file(session, key_file, insist=insist)
        elif kind == PASSPHRASE:
            text = from_file("--new-passphrase-file", new_passphrase_file) if new_passphrase_file else None
            secret = new_slots.passphrase(session, strong=strong, insist=insist, text=text)
        else:
            code = recovery.new_slot(session, recovery_file, none=False)
            if code is None:
                raise InvalidInput("no recovery code was made")
            secret = code
        slot = care.add_slot(vault, secret)
    session.tell_notices(vault)
    terminal.tip(f"added {kind} slot {slot.id[:8]}")


@command.command("remove")
@click.argument("slot_id", metavar="ID")
@options.yes
@common
@click.pass_obj
def remove(session: Session, slot_id: str, yes: bool) -> None:
    """Remove a way to unlock. Older copies of the vault still open with it: rekey if it fell into wrong hands."""
    vault = session.open()
    slot = find(vault, slot_id)
    session.confirm(f"take away {slot.kind} slot {slot.id[:8]}?", yes=yes)
    care.remove_slot(vault, slot.id)
    session.tell_notices(vault)
    if slot.kind == KEYRING:
        new_slots.forget_keyring(vault.header.vault_id, slot.id)
    terminal.tip(f"removed {slot.kind} slot {slot.id[:8]}")


def find(vault: Vault, text: str) -> Slot:
    """The one slot whose id begins like this, or the only one of this kind. Raises NotFound."""
    present = decode_all(vault.header)
    found = [slot for slot in present if slot.kind == text] or [s for s in present if len(text) >= 4 and s.id.startswith(text)]
    if len(found) != 1:
        raise NotFound(
            f"{len(found) or 'no'} slot{'s match' if found else ' matches'} {escape(text[:40])}", "keyvault slots lists them"
        )
    return found[0]


def _details(slot: Slot) -> str:
    if slot.kdf:
        return f"Argon2id {slot.kdf.memory // 1024} MiB, {slot.kdf.passes} passes, {slot.kdf.lanes} lanes"
    return "160 random bits" if slot.kind == RECOVERY else "256 random bits"
