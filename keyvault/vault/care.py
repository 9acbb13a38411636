"""Care of the vault itself: make, verify, copy, put back, change the vault key and the slots."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from keyvault.core import clock
from keyvault.core.errors import InvalidInput, Locked, NotFound
from keyvault.crypto.kdf import STANDARD, Argon2Parameters
from keyvault.crypto.primitives import random_bytes
from keyvault.vault import codec, journal, slots, tree
from keyvault.vault.anchor import Anchors
from keyvault.vault.codec import Header, VaultKeys, altered, derive_keys
from keyvault.vault.keys import VALUE_FIELD, ApiKey, decode_record, encode_record
from keyvault.vault.line import advance, unless_lost
from keyvault.vault.slots import MOST_SLOTS, Slot
from keyvault.vault.state import Root, State, first_state, seal_page, seal_row, value_place
from keyvault.vault.vault import Vault


class SlotSecret(NamedTuple):
    """What a new slot will open with. `slot_id` is given where something is filed under it: a keyring item."""

    kind: str
    secret: bytes
    kdf: Argon2Parameters = STANDARD
    slot_id: str = ""


class NewVault(NamedTuple):
    """A vault that is not stored yet, and the keys that it opens with."""

    header: Header
    blobs: dict[bytes, bytes]
    head: bytes
    root: Root
    keys: VaultKeys

    def __repr__(self) -> str:
        return f"NewVault({self.header.vault_id})"


def new_vault(secrets: list[SlotSecret], vault_id: str = "") -> NewVault:
    """An empty vault with these ways to unlock it. Raises InvalidInput."""
    if not secrets:
        raise InvalidInput("a vault needs a way to unlock it")
    empty, vault_key = Header(vault_id or new_vault_id(), 1, ()), random_bytes(32)
    header = with_slots(empty, [_wrap(empty, secret, vault_key) for secret in secrets])
    keys = derive_keys(vault_key, header.vault_id, 1)
    blobs, head, root = first_state(header, keys, clock.now())
    return NewVault(header, blobs, head, root, keys)


def new_vault_id() -> str:
    """A fresh name for a vault."""
    return random_bytes(16).hex()


def remember(anchors: Anchors, path: str, vault: NewVault | Vault) -> list[str]:
    """Set the anchor of a vault that was just stored at `path`; what went wrong with that, for people."""
    return advance(anchors, path, vault.header.vault_id, vault.root.seq, vault.root.chain)


def with_slots(header: Header, new: list[Slot]) -> Header:
    """A header with these slots. Raises InvalidInput when they are too many."""
    if len(new) > MOST_SLOTS:
        raise InvalidInput(f"a vault has at most {MOST_SLOTS} slots", "keyvault slots remove ID")
    return header._replace(slots=tuple(slots.encode(slot) for slot in new))


def add_slot(vault: Vault, secret: SlotSecret, instead_of: str = "", what: str = "slot-add") -> Slot:
    """One more way to unlock; with `instead_of`, in place of the slot of that id, in one commit.

    Raises Locked where the vault was opened without its vault key, InvalidInput, NotFound.
    """
    if not vault.keys_in_use.vault_key:
        raise Locked("the vault was not unlocked for this", "unlock it with one of its slots")
    before = vault.header  # the property moves on with the vault; the slot is wrapped for this epoch
    slot = _wrap(before, secret, vault.keys_in_use.vault_key)
    with vault.transaction(what) as tx:
        if tx.header.epoch != before.epoch:
            raise InvalidInput("the vault key was changed meanwhile", "run it again")
        present = slots.decode_all(tx.header)
        if instead_of and all(s.id != instead_of for s in present):
            raise NotFound(f"no slot {instead_of[:8]}", "keyvault slots lists them")
        tx.header = with_slots(tx.header, [*(s for s in present if s.id != instead_of), slot])
    return slot


def remove_slot(vault: Vault, slot_id: str) -> None:
    """Take away a way to unlock. Raises InvalidInput for the last one, NotFound."""
    with vault.transaction("slot-remove") as tx:
        present = slots.decode_all(tx.header)
        kept = [slot for slot in present if slot.id != slot_id]
        if len(kept) == len(present):
            raise NotFound(f"no slot {slot_id[:8]}", "keyvault slots lists them")
        if not kept:
            raise InvalidInput("this is the only way to unlock the vault", "add another first: keyvault slots add")
        tx.header = with_slots(tx.header, kept)


class Findings(NamedTuple):
    """What verify counted."""

    keys: int
    removed: int
    values: int
    commits: int


def verify(vault: Vault) -> Findings:
    """Open every byte of the vault and hold it against the head. Raises VaultCorrupt."""
    with vault.turn() as state:
        keys, wanted = _read_tree(vault, state)
        versions = [(key, version) for key in keys for version in key.versions if version.blob]
        wanted.update(bytes.fromhex(version.blob) for _, version in versions)
        for start in range(0, len(versions), 500):  # in parts, so that memory does not hold every value at once
            part = versions[start : start + 500]
            for (_, version), values in zip(part, vault.values_in(state, part), strict=True):
                if vault.fingerprint(values[VALUE_FIELD]) != version.fingerprint:
                    raise altered("a fingerprint")
        chain, rows = journal.first_link(state.header.vault_id), list(_rows(vault, state))
        for name, _, body in reversed(rows):
            wanted.add(name)
            chain = journal.link(chain, body)
        if chain != state.root.chain:
            raise altered("its journal")
        if vault.store.ids() != wanted:
            raise altered("it holds parts that do not belong to it")
    live = sum(1 for key in keys if key.live)
    return Findings(live, sum(1 for key in keys if key.purged is None) - live, len(versions), len(rows))


def _read_tree(vault: Vault, state: State) -> tuple[list[ApiKey], set[bytes]]:
    """All records, each checked to lie where it belongs, and the ids of all pages."""
    keys, page_ids = [], set()
    for node, path, page in tree.pages(vault.fetcher(state.header), state.root.top):
        page_ids.add(node.id)
        for tag, record in tree.records_of(page, node, path):
            key = decode_record(record)
            if vault.tag_of(key) != tag:
                raise altered("a record lies in another's place")
            keys.append(key)
    return keys, page_ids  # the tree has held the number of records against each page's


def _rows(vault: Vault, state: State) -> list[tuple[bytes, journal.Row, bytes]]:
    return list(journal.back(vault.row_opener(state.header), state.root.journal, state.root.seq))


class Copy(NamedTuple):
    """One state of a vault, with all that belongs to it."""

    head: bytes
    blobs: dict[bytes, bytes]


def copy(vault: Vault) -> Copy:
    """A self-contained copy of the present state, every part of it checked. Raises VaultCorrupt."""
    with vault.turn() as state:
        verify(vault)
        ids = sorted(vault.store.ids())
        return Copy(state.head, dict(zip(ids, vault.blobs(ids), strict=True)))


class Undone(NamedTuple):
    """What going on from a state gives up: its seq and time, the (seq, chain) this machine knows, and if they are one."""

    seq: int
    at: int
    abandoned: tuple[int, str] | None
    is_newest: bool


def what_is_undone(vault: Vault) -> Undone:
    """What going on from the state of `vault`, opened with believe_store, would give up."""
    rows = vault.log(1)
    anchor = unless_lost(lambda: vault.anchors.read(vault.header.vault_id))
    abandoned = (anchor.seq, anchor.chain) if anchor else None
    return Undone(vault.root.seq, rows[0].at, abandoned, abandoned == (vault.root.seq, vault.root.chain.hex()))


def go_on_from(vault: Vault, undone: Undone) -> None:
    """Commit "this state is the one we go on from", under a seq that this machine has not seen. The anchor is left alone."""
    with vault.transaction("restore") as tx:
        tx.abandon(*(undone.abandoned or (vault.root.seq, vault.root.chain.hex())))


def rekey(vault: Vault, secrets: Callable[[Header], list[SlotSecret]], known: Header | None = None) -> list[Slot]:
    """A new vault key: everything is sealed anew in one commit, and only slots given now stay.

    `known` is the header whose slots the person was told of: if they changed since, nothing is done. The chain goes on, so
    other machines recognise the vault. Raises InvalidInput, VaultCorrupt if a part does not open.
    """
    old_header = known or vault.header
    vault_key = random_bytes(32)
    empty = Header(old_header.vault_id, old_header.epoch + 1, ())
    new_slots = [_wrap(empty, secret, vault_key) for secret in secrets(empty)]  # slow: before the queue
    if not new_slots:
        raise InvalidInput("a vault needs a way to unlock it")
    header = with_slots(empty, new_slots)
    keys = derive_keys(vault_key, header.vault_id, header.epoch)
    with vault.turn() as state:
        if state.header != old_header:
            raise InvalidInput("the ways to unlock were changed meanwhile", "nothing was done; run it again")
        old_ids = vault.store.ids()
        add, root = _seal_anew(vault, state, header, keys)
        vault.write(state, add, old_ids, header, keys, root)
    return new_slots


def _seal_anew(vault: Vault, state: State, header: Header, keys: VaultKeys) -> tuple[dict[bytes, bytes], Root]:
    add: dict[bytes, bytes] = {}
    records: dict[bytes, bytes | None] = {}
    for key in _read_tree(vault, state)[0]:
        versions = []
        for version in key.versions:
            if version.blob:
                place = value_place(key.id, version.id)
                old = vault.blobs([bytes.fromhex(version.blob)])[0]
                opened = codec.unseal(codec.VALUE, vault.keys_in_use.value, state.header, place, old)
                blob = codec.seal(codec.VALUE, keys.value, header, place, opened)
                name = codec.blob_id(blob)
                add[name] = blob
                versions.append(version._replace(blob=name.hex()))
            else:
                versions.append(version)
        records[vault.tag_of(key, keys)] = encode_record(key._replace(versions=tuple(versions)))
    changed = tree.update(lambda _: [], lambda path, page: seal_page(header, keys, path, page), None, records)
    before, chain = codec.NO_ID, journal.first_link(header.vault_id)
    seq = state.root.seq + 1
    row = journal.new_row(seq, state.root.seq, "rekey", clock.now(), [])
    bodies = [(row.seq, body) for _, row, body in reversed(_rows(vault, state))]
    for number, body in [*bodies, (seq, journal.encode(row))]:
        before, blob, chain = seal_row(header, keys, number, body, before, chain)
        add[before] = blob
    return {**add, **changed.add}, state.root._replace(top=changed.top, journal=before, chain=chain, seq=seq)


def _wrap(header: Header, secret: SlotSecret, vault_key: bytes) -> Slot:
    return slots.wrap(header, secret.kind, secret.secret, vault_key, slot_id=secret.slot_id, kdf=secret.kdf)
