from __future__ import annotations

import os
import subprocess
import sys

import pytest
from vaults import VaultHome, add_key

from keyvault.cli import new_slots
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.store.queue import WritersQueue
from keyvault.store.sqlite import open_store
from keyvault.unlock import key_file
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.vault import Vault


def test_rekey_drops_no_slot_that_came_after_the_person_was_asked(tmp_path: object) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    add_key(vault, "openai/default", "sk-1")
    known = vault.header
    secret = slots.new_secret(slots.KEY_FILE)
    care.add_slot(home.open(), SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
    with pytest.raises(InvalidInput, match="were changed meanwhile"):
        care.rekey(vault, lambda _: [SlotSecret(slots.KEY_FILE, secret)], known)
    again = home.open()
    assert [slot.kind for slot in slots.decode_all(again.header)] == [slots.KEY_FILE, slots.RECOVERY]
    assert again.values(again.get("openai/default")) == {"": "sk-1"}


def rekey(vault: Vault, home: VaultHome) -> None:
    care.rekey(vault, lambda _: [SlotSecret(slots.KEY_FILE, key_file.read(home.key_file))])


@pytest.mark.parametrize("what", ["verify", "copy", "rekey"])
def test_nobody_waits_while_a_vault_is_unlocked_after_anothers_rekey(tmp_path: object, what: str) -> None:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "openai/default", "sk-1")
    unlocked = 0

    def unlock(header: Header) -> bytes:
        nonlocal unlocked
        unlocked += 1
        with WritersQueue(home.path + ".lock", 0.2).turn():  # StoreBusy, if the turn is taken
            return home.unlock(header)

    vault = Vault(open_store(home.path), unlock, home.anchors)
    rekey(home.open(), home)
    if what == "rekey":
        with pytest.raises(InvalidInput, match="were changed meanwhile"):
            rekey(vault, home)
    else:
        {"verify": care.verify, "copy": care.copy}[what](vault)
    assert unlocked == 2
    assert vault.open_key("openai/default")[1] == {"": "sk-1"}


def test_a_slot_refused_after_anothers_rekey_leaves_no_file_of_it(tmp_path: object) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    session, path = Session(), home.folder + "/new-key"
    with pytest.raises(InvalidInput, match="was changed meanwhile"):  # noqa: SIM117
        with new_slots.taken_back(session, new_slots.changed_since_now(vault)):
            secret = new_slots.new_key_file(session, path, insist=True)
            rekey(home.open(), home)
            care.add_slot(vault, secret)
    assert not os.path.exists(path)
    home.run("verify")


_LATE = """
import subprocess, sys
from keyvault.vault import care
from keyvault.cli.quick import run
from keyvault.cli.commands import restore
real = restore._remember
def late(*words):
    subprocess.run([sys.executable, "-m", "keyvault", "restore", "--yes", "copy"], check=True)
    return real(*words)
restore._remember = late
sys.exit(run(["restore", "--yes", "copy"]))
"""


@pytest.mark.parametrize("present", [True, False])
def test_two_restores_at_once_leave_a_vault_that_this_machine_accepts(tmp_path: object, present: bool) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    add_key(vault, "openai/default", "sk-1")
    home.run("backup", "copy")
    add_key(vault, "groq/default", "sk-2")
    vault.store.close()
    if not present:
        os.unlink(home.path)
    first = [sys.executable, "-c", _LATE]
    done = subprocess.run(first, cwd=home.folder, env=home.environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert home.run("get", "openai", "--reveal").stdout == b"sk-1"
    home.run("verify")
    home.run("doctor")


def test_a_slot_made_for_an_older_vault_key_is_refused_and_not_acknowledged(tmp_path: object) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    care.rekey(home.open(), lambda _: [SlotSecret(slots.KEY_FILE, key_file.read(home.key_file))])
    with pytest.raises(InvalidInput, match="changed meanwhile"):
        care.add_slot(vault, SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
    assert [slot.kind for slot in slots.decode_all(home.open().header)] == [slots.KEY_FILE]


def test_edits_at_once_all_stay(tmp_path: object) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    add_key(vault, "openai/default", "sk-1", "OPENAI_API_KEY")
    vault.store.close()
    words = [sys.executable, "-m", "keyvault", "edit", "openai", "--tag"]
    edits = [subprocess.Popen([*words, f"t{n}=1"], env=home.environment) for n in range(10)]
    assert [edit.wait(60) for edit in edits] == [0] * 10
    assert dict(home.open().get("openai/default").tags) == {f"t{n}": "1" for n in range(10)}
