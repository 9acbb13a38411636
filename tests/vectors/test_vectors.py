from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from vectors.catalogue import FAULTS, HEAD, MEMORIES, SLOTS, STORE, VALID, Memory, ValidVault, Vector
from vectors.forge import KEY_FILE, SECRETS, VAULT_ID, Forge, pin_name, write_state
from vectors.second_reader import Refused, check_anchor, read_vault, secret_bytes

from keyvault.core.errors import Forked, KeyvaultError, Replaced, RolledBack, WrongSecret
from keyvault.store.sqlite import open_store
from keyvault.vault import care, slots
from keyvault.vault.anchor import Anchors
from keyvault.vault.codec import Header
from keyvault.vault.keys import encode_record
from keyvault.vault.vault import Vault

LINE = (RolledBack, Forked, Replaced)
VALUES = {
    "openai/default": {"": "sk-new\n\0é\U0001f511"},
    "aws/work": {"": "AKIB", "secret": "t", "region": "eu"},
    "wide/k3": {"": "v3"},
}


class Read(NamedTuple):
    """What both readers must agree on."""

    records: dict[str, Any]
    purged: int
    values: dict[tuple[str, str], dict[str, str]]
    rows: list[tuple[int, str, int]]


def open_with_keyvault(path: str, kind: str, state: str, secret: str = "") -> Vault:
    def unlock(header: Header) -> bytes:
        return slots.unwrap(header, slots.decode_all(header), kind, secret_bytes(kind, secret or SECRETS[kind]))[1]

    store = open_store(path)
    try:
        return Vault(store, unlock, Anchors(state))
    except BaseException:
        store.close()
        raise


def read_with_keyvault(path: str, kind: str, state: str) -> Read:
    vault = open_with_keyvault(path, kind, state)
    try:
        care.verify(vault)
        keys = [*vault.all_keys(), *vault.all_keys(removed=True)]
        live = {key.ref: json.loads(encode_record(key)) for key in keys if key.purged is None}
        values = {(key.id, v.id): vault.values(key, v) for key in keys if key.purged is None for v in key.versions if v.blob}
        rows = [(row.seq, row.what, row.at) for row in vault.log()]
        return Read(live, vault.root.top.records - len(live), values, rows[::-1])
    finally:
        vault.store.close()


def read_with_second(path: str, kind: str) -> Read:
    found = read_vault(path, kind, SECRETS[kind])
    rows = [(row["seq"], row["what"], row["at"]) for row in found.journal]
    return Read(found.records, len(found.purged), found.values, rows)


@pytest.mark.parametrize("vector", FAULTS, ids=lambda vector: vector.name)
def test_a_fault_is_refused_by_both_readers(vector: Vector, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("vector"))
    path, state = os.path.join(folder, "vault.db"), os.path.join(folder, "state")
    forge = Forge(vector.hook, vector.fault, wide=vector.wide)
    forge.write(path)
    assert forge.fired, "the fault was not put in"
    with pytest.raises(Refused) as refused:
        read_with_second(path, vector.kind)
    assert refused.value.reason == vector.reason
    with pytest.raises(vector.error) as raised:
        read_with_keyvault(path, vector.kind, state)
    assert not isinstance(raised.value, LINE), "that is said only of what a machine remembers"
    assert_no_wrong_value(path, vector, state)


def assert_no_wrong_value(path: str, vector: Vector, state: str) -> None:
    """Where the vault opens all the same, each key has its value, or an error."""
    try:
        vault = open_with_keyvault(path, vector.kind, state)
    except vector.error:
        return
    for ref, value in VALUES.items():
        try:
            found = vault.open_key(ref)[1]
        except KeyvaultError:
            continue
        assert found == value
    vault.store.close()


@pytest.mark.parametrize("valid", VALID, ids=lambda valid: valid.name)
def test_a_valid_vault_reads_alike(valid: ValidVault, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("valid"))
    path = os.path.join(folder, "vault.db")
    valid.forge().write(path)
    read = read_with_keyvault(path, valid.kind, os.path.join(folder, "state"))
    assert read == read_with_second(path, valid.kind)
    assert read.rows


@pytest.mark.parametrize("memory", MEMORIES, ids=lambda memory: memory.name)
def test_what_a_machine_remembers_is_held_against_the_vault(memory: Memory, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = str(tmp_path_factory.mktemp("memory"))
    path, state = os.path.join(folder, "vault.db"), os.path.join(folder, "state")
    Forge("rows", memory.rows).write(path)
    write_state(state, "anchor-" + VAULT_ID.hex(), memory.anchor)
    write_state(state, pin_name(path), {"vault_id": memory.pinned})
    reading = read_vault(path, KEY_FILE, SECRETS[KEY_FILE])
    if memory.error:
        with pytest.raises(Refused) as refused:
            check_anchor(reading, state, path)
        assert refused.value.reason == memory.reason
        with pytest.raises(memory.error):
            open_with_keyvault(path, KEY_FILE, state)
        return
    assert check_anchor(reading, state, path) == memory.reason
    vault = open_with_keyvault(path, KEY_FILE, state)
    vault.store.close()
    assert bool(vault.notices) == (memory.reason == "first")
    assert check_anchor(reading, state, path) == "same", "keyvault moves the anchor up"


def test_hostile_files_are_refused_before_they_cost_time_or_memory(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the limit is set by RLIMIT_AS and /proc")
    paths = {str(tmp_path / "valid"): "valid"}
    Forge().write(str(tmp_path / "valid"))
    for number, vector in enumerate([*HEAD, *SLOTS, *STORE]):
        path = str(tmp_path / f"{number}")
        Forge(vector.hook, vector.fault, wide=vector.wide).write(path)
        paths[path] = vector.name
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(
        [sys.executable, os.path.join(here, "vectors", "limited.py"), *paths],
        env={"PYTHONPATH": os.pathsep.join([here, os.path.dirname(here)])},
        capture_output=True,
        check=True,
        timeout=60,
    )
    found = json.loads(done.stdout)
    assert len(found) == 2 * (len(paths) - 1)
    for path, answer, seconds, grown in found:
        assert answer not in ("read", "out of memory"), paths[path]
        assert seconds < 0.5, (paths[path], seconds)
        assert grown < 60 * 1024, (paths[path], grown)


@pytest.mark.parametrize("kind", list(SECRETS))
def test_a_secret_with_one_change_opens_nothing(kind: str, tmp_path: Path) -> None:
    path, secret = str(tmp_path / "vault.db"), SECRETS[kind]
    Forge().write(path)
    at = len(secret) - 3
    wrong = secret[:at] + ("1" if secret[at] != "1" else "2") + secret[at + 1 :]
    with pytest.raises(Refused) as refused:
        read_vault(path, kind, wrong)
    assert refused.value.reason == "wrong-secret"
    if kind != "recovery":  # there the typing error is found before
        with pytest.raises(WrongSecret):
            open_with_keyvault(path, kind, str(tmp_path / "state"), wrong)


def test_the_second_writer_always_writes_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "other"):
        Forge(wide=True).write(str(tmp_path / name))
        with closing(sqlite3.connect(str(tmp_path / name))) as db:
            rows = db.execute("SELECT bytes FROM head UNION ALL SELECT bytes FROM blob ORDER BY 1").fetchall()
        digests.append(hashlib.sha256(b"".join(row[0] for row in rows)).hexdigest())
    assert digests == ["1d5ad53de905883694170bdf1825e8ff4c2eab7c235b7cbbc762b35e99745285"] * 2, "the format is frozen"
