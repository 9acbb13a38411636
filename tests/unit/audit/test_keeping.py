from __future__ import annotations

import os
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.audit.findings import Stale
from keyvault.audit.keeping import of_vault
from keyvault.core.clock import DAY
from keyvault.core.settings import Settings
from keyvault.vault import care, changes, reminders, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.vault import Vault

NOW = 1_800_000_000


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    return VaultHome(str(tmp_path))


@pytest.fixture
def vault(home: VaultHome) -> Vault:
    return home.create()


def found(home: VaultHome, vault: Vault, now: int = NOW) -> list[Stale]:
    settings = Settings(home.home, home.state, False, None, "", None, home.key_file, "")
    return of_vault(vault, vault.all_keys(), settings, now)


def told(home: VaultHome, vault: Vault, now: int = NOW) -> list[tuple[str, str]]:
    return [(one.reason, one.ref) for one in found(home, vault, now)]


def test_a_new_vault_gets_advice_and_nothing_bad(home: VaultHome, vault: Vault) -> None:
    advice = found(home, vault)
    assert [one.reason for one in advice] == ["no_recovery", "no_backup"]
    assert {one.severity for one in advice} == {"advice"}
    assert all(one.then.startswith("keyvault ") for one in advice)


def test_a_recovery_code_is_enough(home: VaultHome, vault: Vault) -> None:
    assert found(home, vault)[0].detail.startswith("one way to unlock only")
    care.add_slot(vault, SlotSecret(slots.KEY_FILE, slots.new_secret(slots.KEY_FILE)))
    assert found(home, vault)[0].detail.startswith("no recovery code")
    care.add_slot(vault, SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
    assert told(home, vault) == [("no_backup", "")]


def test_a_copy_counts_until_it_is_old_and_lacks_changes(home: VaultHome, vault: Vault) -> None:
    reminders.note_backup(home.state, vault.header.vault_id, NOW - 40 * DAY, vault.root.seq)
    assert told(home, vault) == [("no_recovery", "")]
    add_key(vault, "acme/x", "a value")
    assert found(home, vault)[1].detail == "the last copy is of 2026-12-06; changes since: 1"
    reminders.note_backup(home.state, vault.header.vault_id, NOW - 29 * DAY, 1)
    assert told(home, vault) == [("no_recovery", "")]


def test_a_note_of_a_copy_that_makes_no_sense_is_none(home: VaultHome, vault: Vault) -> None:
    path = os.path.join(home.state, f"backup-{vault.header.vault_id}")
    for text in ("", "x y", "1", "1 2 3"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        assert ("no_backup", "") in told(home, vault)


def test_files_that_others_can_read_are_told_with_how_to_close_them(home: VaultHome, vault: Vault, tmp_path: Path) -> None:
    add_key(vault, "acme/x", "a value")
    paths = {name: str(tmp_path / name) for name in ("open.env", "closed env", "gone.env", "with space.env")}
    for name, path in paths.items():
        if name != "gone.env":
            with open(path, "w", encoding="utf-8") as file:
                file.write("ACME_X=a value\n")
        with vault.transaction("place") as tx:
            changes.register_place(tx, "acme/x", "dotenv", path, "ACME_X")
            changes.register_place(tx, "acme/x", "github", "me/app", "ACME_X")
    os.chmod(paths["open.env"], 0o644)
    os.chmod(paths["with space.env"], 0o604)
    os.chmod(paths["closed env"], 0o600)
    os.chmod(home.key_file, 0o640)
    weak = [one for one in found(home, vault) if one.reason == "weak_mode"]
    assert [one.ref for one in weak] == ["", "acme/x", "acme/x"]
    assert [one.then for one in weak] == [
        f"chmod 600 {home.key_file}",
        f"chmod 600 {paths['open.env']}",
        f"chmod 600 '{paths['with space.env']}'",
    ]
    assert "mode 0640" in weak[0].detail
    assert not any("a value" in part for one in weak for part in one)
