"""An open vault from the settings: store, unlocker and anchor put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.core.errors import NotFound
from keyvault.core.harden import harden_process
from keyvault.core.settings import Settings
from keyvault.core.text import escape
from keyvault.store.files import check_private
from keyvault.store.sqlite import SqliteStore, open_store
from keyvault.vault.anchor import Anchors
from keyvault.vault.usage import Usage
from keyvault.vault.vault import Unlock, Vault

if TYPE_CHECKING:
    from keyvault.vault.originals import Originals


def existing_store(settings: Settings) -> SqliteStore:
    """The store of the vault that is set up here. Raises NotFound with the advice to run init, UnsafeFile, ..."""
    try:
        check_private(settings.home, folder=True)
        return open_store(settings.vault_path)
    except NotFound as exc:
        raise NotFound(f"no vault at {escape(settings.home)}", "keyvault init makes one") from exc


def open_vault(settings: Settings, unlock: Unlock, *, believe_store: bool = False, harden: bool = True) -> Vault:
    """The vault that is set up here, unlocked. Raises NotFound, Locked, WrongSecret, VaultCorrupt, ..."""
    if harden:
        harden_process()
    store = existing_store(settings)
    try:
        return Vault(store, unlock, Anchors(settings.state), believe_store=believe_store)
    except BaseException:
        store.close()
        raise


def usage_of(settings: Settings, vault: Vault) -> Usage:
    """When the vault's keys were used on this machine."""
    return Usage(settings.state, vault.header.vault_id, vault.root.fingerprint_key)


def originals_of(settings: Settings, vault: Vault) -> Originals:
    """The files that were put away before keys were taken out of them."""
    from keyvault.vault.originals import Originals

    return Originals(settings.state, vault.header.vault_id, vault.root.fingerprint_key)
