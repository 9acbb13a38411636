"""`keyvault restore`."""

from __future__ import annotations

import os
from collections.abc import Callable

import click

from keyvault.cli import options, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import UnsupportedFormat, VaultCorrupt
from keyvault.core.harden import harden_process
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.memory import MemoryStore
from keyvault.store.sqlite import create_store, open_copy, open_store, put_aside, replace_store
from keyvault.vault import care
from keyvault.vault.anchor import Anchors
from keyvault.vault.care import Undone
from keyvault.vault.codec import decode_header, split_head
from keyvault.vault.line import unless_lost
from keyvault.vault.vault import Vault

Content = Callable[[], tuple[dict[bytes, bytes], bytes]]


@click.command()
@click.argument("file", type=GIVEN, required=False)
@options.yes
@common
@click.pass_obj
def command(session: Session, file: str | None, yes: bool) -> None:
    """Put the backup FILE in place of the vault; without FILE, go on from the vault as it is.

    Shows what that undoes, and asks once. FILE opens with the ways to unlock that the vault had when it was made.
    """
    if file is not None:
        _from_backup(session, absolute(file), yes=yes)
    else:
        _as_it_is(session, yes=yes)


def _as_it_is(session: Session, *, yes: bool) -> None:
    vault = session.open(believe_store=True)
    undone = care.what_is_undone(vault)
    pinned = unless_lost(lambda: vault.anchors.vault_at(vault.store.name))
    if undone.is_newest and pinned == vault.header.vault_id:
        terminal.tip("the vault is the one this machine knows; nothing to do")
        return
    care.verify(vault)
    _confirm(session, undone, "the vault as it is", yes=yes)
    care.go_on_from(vault, undone)
    _remember(vault, session.settings.vault_path)


def _from_backup(session: Session, path: str, *, yes: bool) -> None:
    harden_process()
    settings = session.settings
    source = open_copy(path)
    head, ids = source.head(), source.ids()
    memory = MemoryStore(settings.vault_path, source.get(ids), head)
    source.close()
    vault = Vault(memory, session.unlocker(), Anchors(settings.state), believe_store=True)
    found = care.verify(vault)
    undone = care.what_is_undone(vault)
    _confirm(session, undone, f"the backup with {found.keys} keys", yes=yes)

    def content() -> tuple[dict[bytes, bytes], bytes]:
        if vault.root.seq == undone.seq:  # not done yet; the anchor may have moved while the person was asked
            care.go_on_from(vault, care.what_is_undone(vault))
        return memory.get(memory.ids()), memory.head()

    if os.path.lexists(settings.vault_path) and not _written_into(session, vault, content, yes=yes):
        terminal.warn(f"the old file is kept as {escape(put_aside(settings.vault_path))}")
    if not os.path.lexists(settings.vault_path):
        create_store(settings.vault_path, *content())
    _remember(vault, settings.vault_path)


def _written_into(session: Session, vault: Vault, content: Content, *, yes: bool) -> bool:
    """Put the content into the file that is there, or agree with the person that this file is put aside instead."""
    path = session.settings.vault_path
    try:
        there = open_store(path)
        there_id = decode_header(split_head(there.head())[0]).vault_id
        there.close()
        if there_id == vault.header.vault_id:
            replace_store(path, content)
            return True
        why = "another vault is there now"
    except (VaultCorrupt, UnsupportedFormat) as exc:
        why = f"the present vault cannot be written into ({exc.message})"
    session.confirm(f"{why}; put its file aside?", yes=yes)
    return False


def _confirm(session: Session, undone: Undone, what: str, *, yes: bool) -> None:
    terminal.say(f"{what}: change {undone.seq} of {clock.rfc3339(undone.at)}")
    if undone.abandoned is None:
        terminal.say("this machine knows no newer state of it")
    elif undone.is_newest:
        terminal.say("it is the newest state that this machine knows, so nothing is undone")
    elif undone.abandoned[0] > undone.seq:
        newer = undone.abandoned[0] - undone.seq
        change = "1 change is" if newer == 1 else f"{newer} changes are"
        terminal.say(f"this machine has seen change {undone.abandoned[0]}: {change} undone")
    else:
        terminal.say(f"this machine has seen another line of changes, up to {undone.abandoned[0]}; that one is given up")
    session.confirm("go on from it?", yes=yes)


def _remember(vault: Vault, path: str) -> None:
    """Move the anchor to what was restored, unless somebody has gone on from there, or restored something else, already."""
    store = open_store(path)
    with store.writers_queue():
        notices = care.remember(vault.anchors, path, vault) if store.head() == vault.store.head() else []
    store.close()
    for notice in notices:
        terminal.warn(notice)
    terminal.tip(f"restored; the vault is at change {vault.root.seq}")
