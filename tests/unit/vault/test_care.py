"""Care of a vault and changes in it, where somebody else was quicker or what is asked for is not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.core.errors import InvalidInput, Locked, NotFound, StoreBusy, VaultCorrupt
from keyvault.crypto.kdf import Argon2Parameters
from keyvault.store.memory import MemoryStore
from keyvault.unlock import key_file
from keyvault.vault import care, changes, slots, tree
from keyvault.vault.anchor import Anchor
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.keys import encode_record
from keyvault.vault.state import seal_page
from keyvault.vault.vault import Vault

AT = 1_790_000_000
REF = "acme/default"


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    return VaultHome(str(tmp_path))


@pytest.fixture
def vault(home: VaultHome) -> Iterator[Vault]:
    made = home.create()
    add_key(made, REF, "value-1", "ACME")
    yield made
    made.store.close()


def new_slot() -> SlotSecret:
    return SlotSecret(slots.KEY_FILE, slots.new_secret(slots.KEY_FILE))


class Meddling(MemoryStore):
    """A store in which somebody else does something just before, or between, what the vault does."""

    def __init__(self, vault: Vault) -> None:
        ids = vault.store.ids()
        super().__init__(vault.store.name, vault.store.get(ids), vault.store.head())
        self.heads: list[bytes] = []  # what the next looks at the head find
        self.hidden = 0  # how many reads find nothing, as when a writer has just dropped it
        self.tries: list[bytes] = []

    def head(self) -> bytes:
        return self.heads.pop(0) if self.heads else super().head()

    def get(self, ids: object) -> dict[bytes, bytes]:
        if self.hidden:
            self.hidden -= 1
            return {}
        return super().get(ids)  # type: ignore[arg-type]

    def put(self, add: Mapping[bytes, bytes], drop: object, new_head: bytes, expected_head: bytes) -> bool:
        self.tries.append(new_head)
        return super().put(add, drop, new_head, expected_head)  # type: ignore[arg-type]


def meddled(home: VaultHome, vault: Vault) -> tuple[Vault, Meddling]:
    store = Meddling(vault)
    return Vault(store, home.unlock, home.anchors), store


def test_a_writer_who_did_not_wait_for_a_turn_is_not_written_over(home: VaultHome, vault: Vault) -> None:
    other, store = meddled(home, vault)
    with pytest.raises(StoreBusy, match="without waiting for its turn"), other.transaction("edit") as tx:
        changes.edit(tx, REF, {"note": "mine"}, AT)
        store._head = b"another's"
    assert len(store.tries) == 1
    assert store.head() == b"another's"


def test_a_reader_whose_pages_are_taken_away_reads_anew_and_takes_a_turn_in_the_end(home: VaultHome, vault: Vault) -> None:
    other, store = meddled(home, vault)
    now, before = store.head(), other.root
    # At each try a part is missing, and the head has moved on and come back by the time that it is looked at.
    store.hidden, asked = 4, []

    def query(state: object) -> str:
        asked.append(state)
        if len(asked) <= 4:
            store.heads = [b"moved on"]
        return other.get_in(other._state, REF).ref

    assert other.read(query) == REF
    assert (len(asked), other.root, store.head()) == (5, before, now)


def test_a_part_that_is_gone_for_good_is_damage(home: VaultHome, vault: Vault) -> None:
    other, store = meddled(home, vault)
    store.hidden = 10**6
    with pytest.raises(VaultCorrupt, match="a part is missing"):
        other.get(REF)


def test_who_opens_while_a_rekey_takes_the_journal_away_looks_again(home: VaultHome, vault: Vault) -> None:
    late = VaultHome(home.folder + "/late").anchors  # of a machine that saw less, so that it reads the journal
    assert care.remember(late, home.path, vault) == []
    add_key(vault, "acme/second", "value-2", "SECOND")
    store = Meddling(vault)
    store.hidden = 1
    with pytest.raises(VaultCorrupt, match="a part is missing"):
        Vault(store, home.unlock, late)
    store.hidden, store.heads = 1, [b"what was there before"]
    assert Vault(store, home.unlock, late).get("acme/second").ref == "acme/second"
    assert store.hidden == 0


def test_a_record_that_was_filed_under_another_name_is_not_believed(vault: Vault) -> None:
    add_key(vault, "acme/other", "value-2", "OTHER")
    other = vault.get("acme/other")
    with vault.turn() as state:
        records = {vault.tag(REF): encode_record(other)}
        changed = tree.update(
            vault.fetcher(state.header),
            lambda path, page: seal_page(state.header, vault.keys_in_use, path, page),
            state.root.top,
            records,
        )
        vault.write(state, changed.add, changed.drop, state.header, vault.keys_in_use, state.root._replace(top=changed.top))
    with pytest.raises(VaultCorrupt, match="another's place"):
        vault.get(REF)
    with pytest.raises(VaultCorrupt, match="another's place"):
        care.verify(vault)


def test_records_that_the_head_does_not_count_are_damage(vault: Vault) -> None:
    with vault.turn() as state:
        top = state.root.top._replace(records=state.root.top.records + 1)
        vault.write(state, {}, set(), state.header, vault.keys_in_use, state.root._replace(top=top))
    with pytest.raises(VaultCorrupt):
        care.verify(vault)


def test_slots_are_added_only_by_who_has_the_vault_key(home: VaultHome, vault: Vault) -> None:
    lesser = Vault(vault.store, lambda _: vault.keys_in_use._replace(vault_key=b""), home.anchors)
    assert lesser.get(REF).ref == REF
    with pytest.raises(Locked, match="not unlocked for this"):
        care.add_slot(lesser, new_slot())
    assert len(vault.header.slots) == 1


def test_slots_that_are_not_there_are_neither_replaced_nor_removed(vault: Vault) -> None:
    gone = "00" * 16
    with pytest.raises(NotFound, match="no slot 00000000"):
        care.add_slot(vault, new_slot(), instead_of=gone)
    with pytest.raises(NotFound, match="no slot 00000000"):
        care.remove_slot(vault, gone)
    assert len(vault.header.slots) == 1
    (only,) = slots.decode_all(vault.header)
    with pytest.raises(InvalidInput, match="the only way"):
        care.remove_slot(vault, only.id)


def test_a_slot_comes_goes_and_is_replaced_in_one_commit_each(home: VaultHome, vault: Vault) -> None:
    cheap = Argon2Parameters(8192, 1, 1)
    first = slots.decode_all(vault.header)[0]
    named = care.add_slot(vault, SlotSecret(slots.KEYRING, b"k" * 32, slot_id="0a" * 16))
    typed = care.add_slot(vault, SlotSecret(slots.PASSPHRASE, b"words", kdf=cheap))
    assert (named.id, typed.kdf) == ("0a" * 16, cheap)
    assert slots.decode_all(vault.header) == [first, named, typed]
    changed = care.add_slot(vault, SlotSecret(slots.PASSPHRASE, b"other words", kdf=cheap), typed.id, "passwd")
    assert slots.decode_all(vault.header) == [first, named, changed]
    care.remove_slot(vault, named.id)
    assert slots.decode_all(vault.header) == [first, changed]
    assert [row.what for row in vault.log()][:4] == ["slot-remove", "passwd", "slot-add", "slot-add"]
    for kind, secret in ((slots.PASSPHRASE, b"other words"), (slots.KEY_FILE, key_file.read(home.key_file))):
        opened = slots.unwrap(vault.header, slots.decode_all(vault.header), kind, secret)[1]
        assert opened == vault.keys_in_use.vault_key


def test_every_value_is_held_against_its_fingerprint_however_many_there_are(vault: Vault) -> None:
    with vault.transaction("import") as tx:
        for number in range(501):
            changes.add(tx, f"custom/k{number}", {"": "v"}, {"variables": {f"K{number}": ""}}, AT)
    with vault.turn() as state:
        in_order = care._read_tree(vault, state)[0]
    assert care.verify(vault) == (502, 0, 502, 3)
    for key in (in_order[0], in_order[499], in_order[500], in_order[501]):
        with vault.transaction("edit") as tx:
            tx.put(key._replace(versions=(key.value._replace(fingerprint="00" * 8),)))
        with pytest.raises(VaultCorrupt, match="a fingerprint"):
            care.verify(vault)
        with vault.transaction("edit") as tx:
            tx.put(key)


def test_a_rekey_goes_one_epoch_on_and_says_so(vault: Vault) -> None:
    asked: list[int] = []

    def secrets(header: Header) -> list[SlotSecret]:
        asked.append(header.epoch)
        return [new_slot()]

    care.rekey(vault, secrets)
    assert (asked, vault.header.epoch, vault.log()[0].what) == ([2], 2, "rekey")
    assert vault.values(vault.get(REF)) == {"": "value-1"}


def test_what_going_on_from_here_gives_up_is_told(home: VaultHome, vault: Vault) -> None:
    seq, chain = vault.root.seq, vault.root.chain.hex()
    looked = home.open(believe_store=True)
    at = looked.log()[0].at
    assert care.what_is_undone(looked) == (seq, at, (seq, chain), True)
    home.anchors.write(Anchor(vault.header.vault_id, seq + 5, "ab" * 32, "here", AT))
    assert care.what_is_undone(looked) == (seq, at, (seq + 5, "ab" * 32), False)
    shutil.rmtree(home.state)
    assert care.what_is_undone(looked) == (seq, at, None, False)
    looked.store.close()


def test_a_rekey_keeps_at_least_one_way_in(vault: Vault) -> None:
    before = vault.store.head()
    with pytest.raises(InvalidInput, match="needs a way to unlock it"):
        care.rekey(vault, lambda header: [])
    with pytest.raises(InvalidInput, match="needs a way to unlock it"):
        care.new_vault([])
    assert vault.store.head() == before


def test_a_vault_that_is_not_stored_yet_shows_no_key() -> None:
    made = care.new_vault([new_slot()])
    assert repr(made) == f"NewVault({made.header.vault_id})"


# -- changes


def test_what_was_never_there_is_neither_purged_nor_forgotten(vault: Vault) -> None:
    before = vault.root.seq
    with pytest.raises(NotFound), vault.transaction("purge") as tx:
        changes.purge(tx, "acme/gone", AT)
    with vault.transaction("place") as tx:
        assert not changes.forget_place(tx, REF, "/no/such/file")
    assert vault.root.seq == before


def test_an_earlier_value_without_a_field_that_a_variable_needs_does_not_come_back(vault: Vault) -> None:
    with vault.transaction("edit") as tx:
        details = {"fields": {"region": False}, "variables": {"ACME": "", "ACME_REGION": "region"}}
        changes.edit(tx, REF, details, AT, {"": "value-2", "region": "eu"})
    with pytest.raises(InvalidInput, match="version 1 of acme/default has no field region"), vault.transaction("back") as tx:
        changes.roll_back(tx, REF, 1, AT)
    assert vault.values(vault.get(REF)) == {"": "value-2", "region": "eu"}


@pytest.mark.parametrize("field", ["", "Region", "a b", "x" * 65])
def test_fields_have_names_that_a_command_line_can_carry(vault: Vault, field: str) -> None:
    before = vault.root.seq
    with pytest.raises(InvalidInput), vault.transaction("edit") as tx:
        changes.edit(tx, REF, {"fields": {field: True}}, AT, {"": "value-2", field: "x"})
    assert vault.root.seq == before
