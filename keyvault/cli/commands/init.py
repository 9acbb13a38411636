"""`keyvault init`."""

from __future__ import annotations

import os

import click

from keyvault.cli import agents, guided, new_slots, options, progress, recovery, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import AlreadyExists, Unreachable
from keyvault.core.harden import harden_process
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store import os_keyring
from keyvault.store.files import make_private_folder
from keyvault.store.sqlite import create_store
from keyvault.unlock.opening import open_vault
from keyvault.unlock.passphrase import given
from keyvault.vault import care
from keyvault.vault.anchor import Anchors
from keyvault.vault.care import SlotSecret
from keyvault.vault.slots import KEY_FILE, KEYRING, PASSPHRASE


@click.command()
@click.option(
    "--unlock",
    type=click.Choice([KEYRING, PASSPHRASE, KEY_FILE]),
    help="How the vault is unlocked from now on; `keyvault slots add` adds more ways.",
)
@options.key_file
@options.strong
@options.recovery_file
@options.no_recovery
@options.insist
@common
@click.pass_obj
def command(
    session: Session,
    unlock: str | None,
    key_file: str | None,
    strong: bool,
    recovery_file: str | None,
    no_recovery: bool,
    insist: bool,
) -> None:
    """Make a new vault.

    Without --unlock it asks on a terminal; elsewhere: the OS keyring if one answers within 3 seconds, else a passphrase.
    """
    harden_process()
    settings = session.settings
    if os.path.lexists(settings.vault_path):
        raise AlreadyExists(
            f"there is a vault at {escape(settings.home)}", "nothing was changed; KEYVAULT_HOME names another place"
        )
    make_private_folder(settings.home)
    kind = unlock or _decided(session, key_file)
    if not kind and session.someone_there and terminal.is_terminal(0) and terminal.is_terminal(2):
        kind, key_file = guided.choose(session)
    kind = kind or _best()
    vault_id = care.new_vault_id()
    with new_slots.taken_back(session, lambda: os.path.lexists(settings.vault_path)):
        code = recovery.new_slot(session, recovery_file, none=no_recovery) if kind != PASSPHRASE else None
        made = _slot(session, kind, vault_id, key_file, strong=strong, insist=insist)
        if kind == PASSPHRASE:
            code = recovery.new_slot(session, recovery_file, none=no_recovery)
        vault = care.new_vault([made, *([code] if code else [])], vault_id)
        create_store(settings.vault_path, vault.blobs, vault.head)
    for notice in care.remember(Anchors(settings.state), settings.vault_path, vault):
        terminal.warn(notice)
    if kind != KEY_FILE and given(settings) is None:  # whoever typed it just now is not asked again
        agents.start_after(settings, open_vault(settings, lambda _: vault.keys))
    _tell(session, kind, key_file)


def _decided(session: Session, key_file: str | None) -> str:
    """What options or the environment say, or an empty string."""
    if key_file or session.settings.key_file:
        return KEY_FILE
    return PASSPHRASE if given(session.settings) is not None else ""


def _best() -> str:
    try:
        with progress.waiting("looking for a keyring"):
            os_keyring.probe()
    except Unreachable as exc:
        terminal.tip(f"no OS keyring: {exc.message}")
        return PASSPHRASE
    return KEYRING


def _slot(session: Session, kind: str, vault_id: str, key_file: str | None, *, strong: bool, insist: bool) -> SlotSecret:
    if kind == KEYRING:
        return new_slots.keyring(session, vault_id)
    if kind == KEY_FILE:
        return new_slots.new_key_file(session, key_file, insist=insist)
    return new_slots.passphrase(session, strong=strong, insist=insist, text=given(session.settings))


def _tell(session: Session, kind: str, key_file: str | None) -> None:
    settings = session.settings
    terminal.tip(f"made a vault at {settings.home}, unlocked by {kind}")
    if kind == KEY_FILE and not settings.key_file:
        terminal.tip(f"set KEYVAULT_KEY_FILE={absolute(key_file or '')}")
    terminal.tip("next: keyvault add openai")
