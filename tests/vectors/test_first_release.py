from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from vaults import VaultHome, add_key
from vectors.second_reader import NO_ID, Reading, read_vault

from keyvault.unlock import key_file
from keyvault.vault import care

# A vault as the first release wrote it, kept as text: this file never changes, and every later release reads it.
DUMP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "format-1.sql")
KEY = "1d5599b0acdf61320fee7aa87169c80fedb991c88f2867630ae98c4ee5ed6f57"
SECRETS = {
    "key-file": f"keyvault-key-file-1 {KEY}\n",
    "recovery": "y7od 2ywv nqft 454j xmit eio7 ermq pffj f77r",
    "passphrase": "correct horse e\u0301 battery",
}


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    home = VaultHome(str(tmp_path))
    os.mkdir(home.home, 0o700)
    with closing(sqlite3.connect(home.path)) as db, open(DUMP) as dump:
        db.executescript(dump.read())
    os.chmod(home.path, 0o600)
    key_file.write(home.key_file, bytes.fromhex(KEY))
    return home


def assert_is_the_first(reading: Reading) -> None:
    assert sorted(reading.records) == ["anthropic/home", "aws/default", "openai/default"]
    assert sorted(value[""] for value in reading.values.values()) == [
        "AKIA",
        "sk-ant",
        "sk-one",
        "sk-three",
        "sk-two\n\0é\U0001f511",
    ]
    assert (reading.epoch, reading.seq, len(reading.purged)) == (2, 100, 1)
    assert [row["what"] for row in reading.journal[-3:]] == ["edit", "rollback", "restore"]
    assert reading.records["aws/default"]["fields"] == {"region": False, "secret_access_key": True}


@pytest.mark.parametrize("kind", list(SECRETS))
def test_the_second_reader_opens_it_with_every_secret(home: VaultHome, kind: str) -> None:
    assert_is_the_first(read_vault(home.path, kind, SECRETS[kind]))


def test_keyvault_opens_it(home: VaultHome) -> None:
    vault = home.open()
    assert care.verify(vault) == care.Findings(keys=2, removed=1, values=5, commits=14)
    assert vault.open_key("openai/default")[1] == {"": "sk-two\n\0é\U0001f511"}
    aws, values = vault.open_key("aws/default")
    assert values == {"": "AKIA", "secret_access_key": "wJal/r+=", "region": "eu-west-1"}
    assert (aws.note, aws.expires, aws.auto, dict(aws.tags)) == ("two\nlines, ü", 1_900_000_000, False, {"team": "data"})
    assert [key.ref for key in vault.all_keys(removed=True)] == ["anthropic/home"]


def test_keyvault_goes_on_with_it_and_the_second_reader_follows(home: VaultHome) -> None:
    before = read_vault(home.path, "key-file", SECRETS["key-file"])
    add_key(home.open(), "mistral/new", "new value")
    after = read_vault(home.path, "key-file", SECRETS["key-file"])
    assert after.journal[:-1] == before.journal
    assert after.chain not in (before.chain, NO_ID)
    assert after.values.items() > before.values.items()
    assert set(after.records) - set(before.records) == {"mistral/new"}
