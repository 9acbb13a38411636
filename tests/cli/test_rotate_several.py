"""`rotate` over several keys, of which some cannot go on; and `env` where a key's file cannot be noted."""

from __future__ import annotations

import json
import os

import pytest
from internet import Internet
from people import Terminal, text_of
from vaults import VaultHome, add_key
from vendor_keys import OpenRouter, Perplexity

from keyvault.vault import changes

ADMIN = "sk-or-v1-" + "a" * 64
OLD = "sk-or-v1-" + "0123456789abcdef" * 4


def mark_leaked(home: VaultHome, *refs: str) -> None:
    vault = home.open()
    with vault.transaction("edit") as tx:
        for ref in refs:
            changes.edit(tx, ref, {"leaked": 1_790_000_000}, 1_790_000_000)
    vault.store.close()


def value(home: VaultHome, ref: str) -> str:
    vault = home.open()
    found = vault.open_key(ref)[1][""]
    vault.store.close()
    return found


@pytest.fixture
def home(home: VaultHome) -> VaultHome:
    vault = home.open()
    add_key(vault, "openrouter/default", OLD, "OPENROUTER_API_KEY")
    add_key(vault, "perplexity/default", "pplx-" + "0" * 48, "PERPLEXITY_API_KEY")
    add_key(vault, "acme/default", "acme value", "ACME")
    vault.store.close()
    return home


def test_one_key_that_is_refused_does_not_keep_the_others_from_their_new_values(home: VaultHome, net: Internet) -> None:
    """One is rotated, one is refused, one needs a key that is not there, and one a person."""
    perplexity = Perplexity(net)
    perplexity.add("pplx-" + "0" * 48)
    openrouter = OpenRouter(net, "another administrator's key")
    openrouter.add(OLD)
    mark_leaked(home, "openrouter/default", "perplexity/default", "acme/default")
    done = home.run("rotate", "--due", "--yes", env=net.environment(), code=7)
    assert b"openrouter/default is left out: for this it needs a management key" in done.stderr
    assert b"acme/default is left out: a person has to bring its new value" in done.stderr
    assert b"perplexity/default: done" in done.stderr
    vault = home.open()
    add_key(vault, "openrouter/management", ADMIN, "OPENROUTER_MANAGEMENT_KEY")
    vault.store.close()
    before = value(home, "perplexity/default")
    mark_leaked(home, "perplexity/default")
    done = home.run("rotate", "--due", "--yes", env=net.environment(), code=1)
    assert b"openrouter.ai refused (401): it does not know the key that was sent" in done.stderr
    assert b"perplexity/default: done" in done.stderr
    assert perplexity.by_value(value(home, "perplexity/default"))
    assert perplexity.by_value(before) is None
    assert value(home, "openrouter/default") == OLD


def test_status_says_that_nothing_is_under_way(home: VaultHome) -> None:
    assert "nothing is under way, and no key is due" in Terminal(home, "rotate", "--status").end()
    assert "nothing is under way" in Terminal(home, "rotate", "--resume").end()
    assert json.loads(home.run("rotate", "--status", "--json").stdout) == {"rotations": []}


def test_a_file_is_written_even_where_the_vault_cannot_note_it(home: VaultHome) -> None:
    lock = home.path + ".lock"
    os.unlink(lock)
    os.mkdir(lock)  # nobody gets a turn to write
    out = os.path.join(home.folder, "out.env")
    done = home.run("env", "acme", "-o", out)
    assert b"rotate will not know of " + out.encode() in done.stderr
    assert text_of(out) == "ACME='acme value'\n"


def test_what_an_action_of_github_would_not_mask_is_told(home: VaultHome) -> None:
    vault = home.open()
    add_key(vault, "acme/lines", "a long enough line\nxy\n", "LINES")
    vault.store.close()
    words = ("env", "acme/lines", "--format", "github-actions")
    told = b"LINES has a line of fewer than"
    assert told in home.run(*words).stderr
    assert told in home.run(*words, "-o", os.path.join(home.folder, "out")).stderr


def test_on_a_terminal_a_vault_without_keys_says_so(home: VaultHome) -> None:
    vault = home.open()
    with vault.transaction("rm") as tx:
        for key in vault.all_keys():
            changes.remove(tx, key.ref, 1_790_000_000)
    vault.store.close()
    assert "no keys to export; keyvault list shows what there is" in Terminal(home, "env").end()
