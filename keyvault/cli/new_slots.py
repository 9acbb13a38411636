"""Asking for what a new slot will open with: shared by `init`, `slots add`, `passwd` and `rekey`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keyvault.cli import terminal
from keyvault.cli.session import Session
from keyvault.core.errors import AlreadyExists, InvalidInput, KeyvaultError, Locked, NotFound, Unreachable, WrongSecret
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.crypto.kdf import STANDARD, STRONG
from keyvault.store import os_keyring
from keyvault.store.files import remove_quietly
from keyvault.unlock import key_file
from keyvault.unlock.passphrase import strength
from keyvault.unlock.unlocker import keyring_item
from keyvault.vault import slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.slots import KEY_FILE, KEYRING, PASSPHRASE
from keyvault.vault.vault import Vault

# Errors that no commit raises: whoever else changed the vault meanwhile, it does not need what was made here.
_BEFORE_COMMIT = (AlreadyExists, InvalidInput, Locked, NotFound, Unreachable, WrongSecret, terminal.Interrupted)


def passphrase(session: Session, *, strong: bool, insist: bool, text: str | None = None) -> SlotSecret:
    """A new passphrase: `text` if given, else asked for twice. Raises InvalidInput, Locked."""
    if text is None:
        text = _ask_passphrase(session)
    _check_strength(session, text, insist=insist)
    return SlotSecret(PASSPHRASE, slots.passphrase_bytes(text), STRONG if strong else STANDARD)


def keyring(session: Session, vault_id: str) -> SlotSecret:
    """A new item in the OS keyring. Raises Unreachable."""
    slot_id, secret, someone = slots.new_slot_id(), slots.new_secret(KEYRING), session.someone_there
    timeout = os_keyring.PATIENT if someone else os_keyring.QUICK
    try:
        os_keyring.write(keyring_item(vault_id, slot_id), secret, timeout=timeout, interactive=someone)
    except os_keyring.KeyringTimeout:
        forget_keyring(vault_id, slot_id)  # it may have been written
        raise
    session.new_items.append((vault_id, slot_id))
    return SlotSecret(KEYRING, secret, slot_id=slot_id)


def forget_keyring(vault_id: str, slot_id: str) -> None:
    """Take a slot's item out of the OS keyring, if that is possible."""
    try:
        os_keyring.delete(keyring_item(vault_id, slot_id), timeout=os_keyring.QUICK)
    except Unreachable as exc:
        terminal.warn(f"the item in the OS keyring could not be deleted: {exc.message}")


def new_key_file(session: Session, path: str | None, *, insist: bool) -> SlotSecret:
    """A new key file. Raises InvalidInput beside the vault without insisting, AlreadyExists, StoreFailed."""
    if not (path := path or session.settings.key_file):
        raise InvalidInput("where shall the key file be?", "add --key-file FILE, or set KEYVAULT_KEY_FILE")
    path = absolute(path)
    beside = os.path.realpath(path).startswith(os.path.realpath(session.settings.home) + os.sep)
    if beside and not insist:
        raise InvalidInput(
            f"{escape(path)} lies in the vault's folder: a backup that holds both is plain text",
            "choose another place, or --insist",
        )
    secret = slots.new_secret(KEY_FILE)
    key_file.write(path, secret)
    session.new_files.append(path)
    return SlotSecret(KEY_FILE, secret)


@contextmanager
def taken_back(session: Session, may_need_them: Callable[[], bool]) -> Iterator[None]:
    """If the block fails, remove the files and the keyring's items that it made for new slots.

    But not where the vault may need them: a commit that reports an error may be on the disk all the same.
    """
    try:
        yield
    except BaseException as exc:
        try:
            needed = not isinstance(exc, _BEFORE_COMMIT) and may_need_them()
        except KeyvaultError:
            needed = True
        if not needed:
            for path in session.new_files:
                remove_quietly(path)
            for vault_id, slot_id in session.new_items:
                forget_keyring(vault_id, slot_id)
        raise


def changed_since_now(vault: Vault) -> Callable[[], bool]:
    """Whether the vault on the disk is another than now."""
    before = vault.store.head()
    return lambda: vault.store.head() != before


def _ask_passphrase(session: Session) -> str:
    if not session.someone_there:
        raise Locked(
            "there is no terminal to ask for a passphrase on",
            "set KEYVAULT_PASSPHRASE_FILE, KEYVAULT_PASSPHRASE_FD or KEYVAULT_PASSPHRASE, or use a key file",
        )
    text = terminal.ask_hidden("new passphrase: ")
    if text:
        terminal.say(f"strength: {strength(text).word}")
    if text != terminal.ask_hidden("the same again: "):
        raise InvalidInput("the two passphrases differ", "nothing was changed")
    return text


def _check_strength(session: Session, text: str, *, insist: bool) -> None:
    slots.passphrase_bytes(text)
    found = strength(text)
    if not found.weak or insist:
        return
    advice = found.advice or "use four or more random words"
    if session.someone_there:
        terminal.warn(f"this passphrase is {found.word}. {advice}")
        if terminal.confirm("use it all the same?"):
            return
    raise InvalidInput(f"the passphrase is {found.word}", f"{advice}; --insist takes it all the same")
