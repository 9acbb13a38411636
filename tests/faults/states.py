"""What a vault says, in a form in which two states can be compared: no times and no random ids."""

from __future__ import annotations

from typing import Any

from vaults import VaultHome

from keyvault.core.errors import NotFound
from keyvault.store.sqlite import SqliteStore
from keyvault.unlock import key_file
from keyvault.vault import care, changes, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.keys import ApiKey
from keyvault.vault.vault import Vault

Content = dict[str, Any]
NOWHERE: Content = {"vault": "none"}


def content_of(vault: Vault) -> Content:
    """Everything that an open vault says."""
    keys = [*vault.all_keys(), *vault.all_keys(removed=True)]
    return {
        "keys": {key.ref: _key(vault, key) for key in keys},
        "slots": sorted(slot.kind for slot in slots.decode_all(vault.header)),
        "epoch": vault.header.epoch,
        "log": [row.what for row in vault.log()],
        "seq": vault.root.seq,
    }


def _key(vault: Vault, key: ApiKey) -> Any:
    values = [vault.values(key, version) if version.blob else None for version in key.versions]
    current = [version.id for version in key.versions].index(key.current)
    return (key.live, dict(key.variables), dict(key.fields), key.note, dict(key.tags), key.auto, values, current)


def content(home: VaultHome) -> Content:
    """What a vault on disk says, read anew, every byte of it verified, and its anchor not ahead of it."""
    try:
        vault = home.open()
    except NotFound:
        return NOWHERE
    try:
        assert isinstance(vault.store, SqliteStore)
        vault.store.check_integrity()
        care.verify(vault)
        anchor = home.anchors.read(vault.header.vault_id)
        assert anchor is not None
        assert anchor.seq == vault.root.seq, "opening moves the anchor up"
        return content_of(vault)
    finally:
        vault.store.close()


def open_backup(home: VaultHome, path: str) -> Vault:
    """A backup of this home's vault, opened with its key file and no anchor."""
    store = SqliteStore(path)
    return Vault(store, home.unlock, home.anchors, believe_store=True)


def furnish(home: VaultHome) -> Vault:
    """A small vault with one of everything: fields, versions, a removed key, two slots."""
    vault = home.create()
    care.add_slot(vault, SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
    at = 1_790_000_000
    with vault.transaction("add") as tx:
        changes.add(tx, "openai/default", {"": "sk-first"}, {"variables": {"OPENAI_API_KEY": ""}, "note": "0"}, at)
        details: changes.Details = {
            "variables": {"AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY_ID": "id"},
            "fields": {"id": False},
            "tags": {"team": "blue"},
        }
        changes.add(tx, "aws/work", {"": "wJalr", "id": "AKIA0"}, details, at)
    with vault.transaction("add") as tx:
        changes.add(tx, "old/gone", {"": "gone"}, {"variables": {"OLD": ""}}, at)
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {}, at + 1, {"": "sk-second"})
    with vault.transaction("rm") as tx:
        changes.remove(tx, "old/gone", at + 2)
    return vault


def read_secret(home: VaultHome) -> SlotSecret:
    """The home's key file as a slot that a rekey keeps."""
    return SlotSecret(slots.KEY_FILE, key_file.read(home.key_file))
