from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from vaults import VaultHome, add_key
from vectors.second_reader import Refused, check_anchor, read_vault

from keyvault.core.clock import LATEST
from keyvault.core.errors import Forked, Replaced, RolledBack, UnsafeFile, VaultCorrupt
from keyvault.crypto.primitives import sha256
from keyvault.store.sqlite import open_store
from keyvault.unlock import key_file
from keyvault.vault import care, changes, codec, journal, line
from keyvault.vault.anchor import Anchor, Anchors, _path_file
from keyvault.vault.codec import Header, derive_keys, dump_json
from keyvault.vault.state import open_root
from keyvault.vault.vault import Vault

AT = 1_790_000_000


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    home = VaultHome(str(tmp_path))
    home.create().store.close()
    return home


def add(home: VaultHome, *names: str) -> None:
    vault = home.open()
    for name in names:
        add_key(vault, f"custom/{name}", name, f"K_{name.upper()}")
    vault.store.close()


def anchor(home: VaultHome) -> Anchor:
    vault = home.open(believe_store=True)
    found = home.anchors.read(vault.header.vault_id)
    vault.store.close()
    assert found
    return found


def state_of(home: VaultHome) -> tuple[int, str]:
    vault = home.open(believe_store=True)
    vault.store.close()
    return vault.root.seq, vault.root.chain.hex()


def second_says(home: VaultHome) -> str:
    with open(home.key_file) as file:
        reading = read_vault(home.path, "key-file", file.read())
    try:
        return check_anchor(reading, home.state, home.path)
    except Refused as refused:
        return str(refused.reason)


def swap(home: VaultHome, other: str) -> None:
    """Put another file's content in place, as a copying person would."""
    shutil.copyfile(other, home.path)


def kept(home: VaultHome, name: str) -> str:
    copy = os.path.join(home.folder, name)
    shutil.copyfile(home.path, copy)
    return copy


# -- the anchor


def test_the_anchor_follows_every_commit(home: VaultHome) -> None:
    for name in "abc":
        add(home, name)
        assert tuple(anchor(home)[1:3]) == state_of(home)
        assert second_says(home) == "same"
    assert state_of(home)[0] == 4


def test_an_anchor_that_lags_is_caught_up_by_a_reader(home: VaultHome) -> None:
    add(home, "a")
    lagging = anchor(home)
    add(home, "b", "c", "d")
    home.anchors.write(lagging)
    assert second_says(home) == "newer"
    vault = home.open()
    assert vault.notices == []
    assert tuple(anchor(home)[1:3]) == state_of(home)


def test_a_reader_who_lags_moves_the_anchor_neither_back_nor_to_another_line(home: VaultHome) -> None:
    add(home, "a")
    before = anchor(home)
    vault = home.open()
    for seq, chain in ((before.seq - 1, b"o" * 32), (before.seq, b"o" * 32)):
        assert line.advance(home.anchors, home.path, before.vault_id, seq, chain, vault.store) == []
        assert anchor(home) == before
    assert line.advance(home.anchors, home.path, before.vault_id, before.seq + 1, b"n" * 32, vault.store) == []
    assert (anchor(home).seq, anchor(home).chain) == (before.seq + 1, (b"n" * 32).hex())
    vault.store.close()


def test_only_a_newer_vault_moves_the_anchor() -> None:
    seen = Anchor("0a" * 16, 7, "ab" * 32, "here", AT)
    assert line.check(None, 1, b"c" * 32, iter(())) is True
    assert line.check(seen, 7, b"\xab" * 32, iter(())) is False


def test_who_holds_the_queue_decides_and_a_reader_waits_for_it(tmp_path: Path) -> None:
    taken: list[str] = []

    class Queue:
        @contextmanager
        def writers_queue(self) -> Iterator[None]:
            taken.append("taken")
            yield

    anchors = Anchors(str(tmp_path / "state"))
    assert line.advance(anchors, "/v", "0a" * 16, 9, b"n" * 32) == []
    assert line.advance(anchors, "/v", "0a" * 16, 8, b"o" * 32, Queue()) == []  # type: ignore[arg-type]
    assert taken == ["taken"]
    found = anchors.read("0a" * 16)
    assert (found and found.seq, anchors.vault_at("/v")) == (9, "0a" * 16)
    assert line.advance(anchors, "/v", "0a" * 16, 8, b"o" * 32) == []
    found = anchors.read("0a" * 16)
    assert found and found.seq == 8


def test_an_older_copy_is_rolled_back(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b")
    swap(home, old)
    with pytest.raises(RolledBack):
        home.open()
    assert second_says(home) == "rolled-back"


def test_an_older_copy_is_noticed_under_an_open_vault(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b")
    vault = home.open()
    swap(home, old)
    with pytest.raises(RolledBack):
        vault.get("custom/a")
    with pytest.raises(RolledBack):
        add_key(vault, "custom/c", "c")


def test_two_lines_from_one_copy_are_forked(home: VaultHome) -> None:
    add(home, "a")
    common, seen = kept(home, "common"), anchor(home)
    add(home, "b")
    for more in ((), ("d",)):  # as long as the line this machine knows, and longer
        here, known = kept(home, "here"), anchor(home)
        swap(home, common)
        home.anchors.write(seen)
        add(home, "c", *more)
        home.anchors.write(known)
        with pytest.raises(Forked):
            home.open()
        assert second_says(home) == "forked"
        swap(home, here)
        home.anchors.write(known)
        assert home.open().notices == []


def test_two_vaults_that_did_the_same_have_different_chains(tmp_path: Path) -> None:
    homes = [VaultHome(str(tmp_path / name)) for name in ("one", "two")]
    for home in homes:
        os.mkdir(home.folder, 0o700)
        home.create().store.close()
        add(home, "a")
    assert state_of(homes[0]) != state_of(homes[1])
    swap(homes[0], homes[1].path)
    shutil.copyfile(homes[1].key_file, homes[0].key_file)
    with pytest.raises(Replaced):
        homes[0].open()
    assert second_says(homes[0]) == "replaced"


def test_the_first_sight_on_a_machine_is_said_once(home: VaultHome) -> None:
    add(home, "a")
    shutil.rmtree(home.state)
    assert second_says(home) == "first"
    assert home.open().notices == ["first use of this vault on this machine: its present state is taken as the newest"]
    assert home.open().notices == []
    assert second_says(home) == "same"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"seq": 1}', b"\xff" * 10, b"[" * 4000, b'{"checksum": "x", "seq": 9}']
)
@pytest.mark.parametrize("which", ["anchor-", "path-"])
def test_a_note_that_cannot_be_read_is_told_and_repaired(home: VaultHome, which: str, content: bytes) -> None:
    add(home, "a")
    (name,) = [name for name in os.listdir(home.state) if name.startswith(which)]
    with open(os.path.join(home.state, name), "wb") as file:
        file.write(content)
    assert second_says(home) == ("first" if which == "anchor-" else "same")
    assert home.open().notices == [
        "this machine's note of the vault's newest state cannot be read; the vault is taken as it is"
    ]
    assert home.open().notices == []  # the reader wrote it anew
    add(home, "b")
    assert home.open().notices == []
    assert second_says(home) == "same"


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({}, True),
        ({"seq": 2**63 - 1}, True),
        ({"seq": 2**63}, False),
        ({"seq": 0}, False),
        ({"at": 0}, True),
        ({"at": LATEST}, True),
        ({"at": LATEST + 1}, False),
        ({"at": -1}, False),
        ({"chain": "AB" * 32}, False),
        ({"chain": "ab" * 31}, False),
        ({"host": 1}, False),
        ({"host": None}, False),
    ],
)
def test_an_anchor_with_a_field_out_of_range_counts_as_none(tmp_path: Path, change: dict[str, Any], read: bool) -> None:
    anchors = Anchors(str(tmp_path / "state"))
    written = Anchor("0a" * 16, 7, "ab" * 32, "here", AT)._replace(**change)
    anchors.write(written)
    assert line.unless_lost(lambda: anchors.read("0a" * 16)) == (written if read else None)


def test_a_note_of_the_path_that_names_no_vault_pins_nothing(tmp_path: Path) -> None:
    anchors = Anchors(str(tmp_path / "state"))
    for nothing in ({}, {"vault": "0a"}, {"vault_id": ""}):
        anchors._save(_path_file("/v"), nothing)
        assert anchors.vault_at("/v") is None
        assert line.known(anchors, "/v", "0b" * 16)[1] is False


def test_a_vault_that_was_moved_is_known_at_its_new_place_from_the_first_look(home: VaultHome, tmp_path: Path) -> None:
    stranger = VaultHome(str(tmp_path / "stranger"))
    os.mkdir(stranger.folder, 0o700)
    stranger.create().store.close()
    os.rename(home.home, home.home + "-moved")
    home.path = home.path.replace("/vault/", "/vault-moved/")
    assert home.open().notices == []
    swap(home, stranger.path)
    shutil.copyfile(stranger.key_file, home.key_file)
    with pytest.raises(Replaced):
        home.open()


def test_where_both_notes_cannot_be_read_it_is_told_once(home: VaultHome) -> None:
    for name in os.listdir(home.state):
        with open(os.path.join(home.state, name), "wb"):
            pass
    assert len(home.open().notices) == 1


def test_a_pin_that_cannot_be_read_does_not_hide_an_older_copy(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b")
    swap(home, old)
    (name,) = [name for name in os.listdir(home.state) if name.startswith("path-")]
    with open(os.path.join(home.state, name), "wb"):
        pass
    with pytest.raises(RolledBack):
        home.open()


def test_an_anchor_of_another_machine_is_its_own(home: VaultHome, tmp_path: Path) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b")
    elsewhere = Anchors(str(tmp_path / "elsewhere"))
    vault = Vault(open_store(home.path), home.unlock, elsewhere)
    assert len(vault.notices) == 1
    swap(home, old)
    with pytest.raises(RolledBack):
        Vault(open_store(home.path), home.unlock, elsewhere)


def test_a_file_or_link_where_the_notes_belong_is_refused_and_changes_nothing(home: VaultHome) -> None:
    elsewhere = os.path.join(home.folder, "elsewhere")
    shutil.move(home.state, elsewhere)
    os.symlink(elsewhere, home.state)
    with pytest.raises(UnsafeFile):
        home.open()
    os.unlink(home.state)
    with open(home.state, "w") as file:
        file.write("in the way")
    with pytest.raises(UnsafeFile):
        home.open()


# -- going on from an older state


def restored(home: VaultHome, old: str) -> Vault:
    """What `restore` does: an older copy becomes the state to go on from."""
    swap(home, old)
    vault = home.open(believe_store=True)
    care.go_on_from(vault, care.what_is_undone(vault))
    vault.store.close()
    return home.open()


def test_a_restore_names_what_it_abandons_and_outnumbers_it(home: VaultHome) -> None:
    add(home, "a")
    old, old_seq = kept(home, "old"), state_of(home)[0]
    add(home, "b", "c", "d")
    abandoned, gone = state_of(home), kept(home, "gone")
    vault = restored(home, old)
    row = vault.log()[0]
    assert (row.what, row.seq, row.previous, row.abandoned) == ("restore", abandoned[0] + 1, old_seq, abandoned)
    assert vault.notices == []
    assert [key.ref for key in vault.all_keys()] == ["custom/a"]
    assert care.verify(vault).commits == 3
    assert second_says(home) == "same"
    swap(home, gone)
    with pytest.raises(RolledBack):
        home.open()


def test_a_machine_that_saw_the_abandoned_state_follows(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b", "c")
    before = anchor(home)
    restored(home, old).store.close()
    add(home, "e", "f")
    home.anchors.write(before)
    assert second_says(home) == "newer"
    assert home.open().notices == []


def test_a_machine_that_saw_another_state_of_the_abandoned_line_does_not_follow(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    add(home, "b")
    between = anchor(home)
    add(home, "c")
    restored(home, old).store.close()
    home.anchors.write(between)
    with pytest.raises(Forked):
        home.open()
    assert second_says(home) == "forked"


def test_restores_of_restores_go_on(home: VaultHome) -> None:
    add(home, "a")
    old = kept(home, "old")
    for number in range(4):
        add(home, *(f"n{number}{letter}" for letter in "xy"))
        vault = restored(home, old)
        assert care.verify(vault).keys == 1
        vault.store.close()
        assert second_says(home) == "same"
        old = kept(home, f"old{number}")


def test_a_rekey_keeps_the_line(home: VaultHome) -> None:
    add(home, "a")
    before = anchor(home)
    vault = home.open()
    rows = vault.log()
    care.rekey(vault, lambda _: [care.SlotSecret("key-file", key_file.read(home.key_file))])
    assert vault.log()[1:] == rows
    home.anchors.write(before)
    assert second_says(home) == "newer"
    assert home.open().notices == []


# -- the journal


def test_a_row_names_what_was_done(home: VaultHome) -> None:
    vault = home.open()
    add_key(vault, "custom/a", "a", "A")
    with vault.transaction("import") as tx:
        keys = [changes.add(tx, f"custom/k{n}", {"": "v"}, {"variables": {f"K{n}": ""}}, AT) for n in range(40)]
        changes.edit(tx, "custom/k0", {"note": "n", "fields": {}, "variables": {"K0": ""}}, AT, {"": "w"})
    newest, added, first = vault.log()
    assert (newest.what, newest.total, list(newest.keys)) == ("import", 40, [key.id for key in keys[:32]])
    assert (added.what, added.total, added.keys) == ("add", 1, (vault.get("custom/a").id,))
    assert (first.what, first.seq, first.previous, first.keys) == ("init", 1, 0, ())
    assert len({row.commit for row in (newest, added, first)}) == 3


def test_a_transaction_that_changes_nothing_leaves_no_row(home: VaultHome) -> None:
    vault = home.open()
    before = vault.store.head()
    with vault.transaction("nothing"):
        pass
    with pytest.raises(ZeroDivisionError), vault.transaction("failed") as tx:
        changes.add(tx, "custom/a", {"": "v"}, {"variables": {"A": ""}}, AT)
        raise ZeroDivisionError
    assert vault.store.head() == before
    assert vault.find("custom/a") is None
    care.verify(vault)


def test_a_row_comes_back() -> None:
    for abandoned in (None, (7, "ab" * 32)):
        row = journal.new_row(9, 8, "restore", AT, ["0a" * 16], abandoned)
        body = journal.encode(row)
        assert journal.decode(b"b" * 32 + body, 9) == (b"b" * 32, row, body)


@pytest.mark.parametrize("seq", [8, 10])
def test_a_row_of_another_number_is_refused(seq: int) -> None:
    body = journal.encode(journal.new_row(9, 8, "add", AT, []))
    with pytest.raises(VaultCorrupt):
        journal.decode(b"b" * 32 + body, seq)


def test_only_an_abandoning_row_may_leave_a_gap() -> None:
    gap = journal.new_row(9, 5, "add", AT, [])
    with pytest.raises(VaultCorrupt):
        journal.decode(b"b" * 32 + journal.encode(gap), 9)
    allowed = gap._replace(abandoned=(8, "ab" * 32))
    assert journal.decode(b"b" * 32 + journal.encode(allowed), 9)[1] == allowed


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({}, True),
        ({"previous": 5}, True),
        ({"previous": 9}, False),
        ({"previous": -1}, False),
        ({"previous": "8"}, False),
        ({"seq": 8}, False),
        ({"commit": "0A" * 16}, False),
        ({"at": -1}, False),
        ({"total": "1"}, False),
        ({"keys": ["0a" * 15]}, False),
        ({"keys": ["0a" * 16] * 33}, False),
        ({"abandoned": [8, "AB" * 32]}, False),
        ({"abandoned": [8, "ab" * 31]}, False),
        ({"abandoned": ["8", "ab" * 32]}, False),
        ({"abandoned": [8]}, False),
        ({"abandoned": None}, False),
    ],
)
def test_a_row_with_a_field_out_of_range_is_refused(change: dict[str, Any], read: bool) -> None:
    row = journal.new_row(9, 8, "restore", AT, ["0a" * 16], (8, "ab" * 32))
    opened = b"b" * 32 + dump_json(json.loads(journal.encode(row)) | change)
    if read:
        assert journal.decode(opened, 9)[1].keys == row.keys
    else:
        with pytest.raises(VaultCorrupt):
            journal.decode(opened, 9)


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({}, True),
        ({"seq": 2**63 - 1}, True),
        ({"seq": 2**63}, False),
        ({"seq": 0}, False),
        ({"seq": True}, False),
        ({"journal": "AB" * 32}, False),
        ({"journal": "ab" * 31}, False),
        ({"chain": "ab" * 33}, False),
        ({"fingerprint_key": ""}, False),
        ({"top": ["ab" * 32, 1]}, False),
        ({"top": ["AB" * 32, 1, 1]}, False),
    ],
)
def test_a_root_with_a_field_out_of_range_is_refused(change: dict[str, Any], read: bool) -> None:
    header, keys = Header("0a" * 16, 1, ()), derive_keys(bytes(32), "0a" * 16, 1)
    fields = dict.fromkeys(("chain", "fingerprint_key", "journal"), "ab" * 32)
    body = dump_json({**fields, "seq": 7, "top": ["ab" * 32, 1, 1]} | change)
    sealed = codec.seal(codec.ROOT, keys.root, header, sha256(b"clear"), body)
    if read:
        assert open_root(header, b"clear", keys, sealed).journal == b"\xab" * 32
    else:
        with pytest.raises(VaultCorrupt):
            open_root(header, b"clear", keys, sealed)
