"""The vault: opened, read, and changed one transaction at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, NotFound, StoreBusy, VaultCorrupt
from keyvault.core.refs import parse_ref, quoted
from keyvault.core.text import closest
from keyvault.crypto.primitives import hmac_sha256, random_bytes
from keyvault.vault import codec, line, tree
from keyvault.vault.anchor import Anchors
from keyvault.vault.codec import Header, VaultKeys, altered
from keyvault.vault.keys import VALUE_FIELD, ApiKey, Version, decode_record, decode_values, encode_record, encode_values
from keyvault.vault.state import Root, State, open_root, seal_head, seal_page, seal_row, value_place

if TYPE_CHECKING:
    from keyvault.store.base import Store
    from keyvault.vault import journal

T = TypeVar("T")
_AT_ONCE = 500  # values: sealed, a few hundred bytes each as a rule
# Finds the vault key of a header, or its purpose keys without the vault key; or raises Locked or WrongSecret.
Unlock = Callable[[Header], bytes | VaultKeys]


class _Missing(VaultCorrupt):
    """A blob is not there: the vault was changed under a reader, or damaged."""


class Vault:
    """An unlocked vault. Reads are verified and see one state; changes go through `transaction`.

    `notices` collects what people should know once, such as a first sight of this vault on this machine.
    """

    def __init__(self, store: Store, unlock: Unlock, anchors: Anchors, *, believe_store: bool = False) -> None:
        """Unlock and check the vault. `believe_store` neither asks nor moves the anchor: for `restore`.

        Raises Locked, WrongSecret, VaultCorrupt (RolledBack, Forked, Replaced), UnsupportedFormat, StoreFailed, StoreBusy.
        """
        self.store = store
        self.anchors = anchors
        self.notices: list[str] = []
        self._unlock = unlock
        self._believe_store = believe_store
        self._keys_of: tuple[str, int] | None = None
        self._keys: VaultKeys
        self._state: State = self._load()

    # -- reading

    @property
    def header(self) -> Header:
        """The clear part of the head, as last read."""
        return self._state.header

    @property
    def root(self) -> Root:
        """The sealed part of the head, as last read."""
        return self._state.root

    @property
    def keys_in_use(self) -> VaultKeys:
        """The purpose keys of this epoch."""
        return self._keys

    def find(self, ref: str) -> ApiKey | None:
        """The key of that name, removed ones too; None is as certain as a key."""
        return self.read(lambda state: self.find_in(state, ref))

    def get(self, ref: str) -> ApiKey:
        """The live key of that name. Raises NotFound, with a suggestion."""
        return self.read(lambda state: self.get_in(state, ref))

    def open_key(self, ref: str, number: int | None = None) -> tuple[ApiKey, dict[str, str]]:
        """A live key and the values of its version `number`, or of the current one, by field. Raises NotFound."""

        def query(state: State) -> tuple[ApiKey, dict[str, str]]:
            key = self.get_in(state, ref)
            return key, self.values_in(state, [(key, key.value if number is None else key.version(number))])[0]

        return self.read(query)

    def no_such_key(self, ref: str, *, removed: bool = False) -> NotFound:
        """The error for a name that is not there."""
        if removed:
            return NotFound(f'key "{ref}" was removed', f"keyvault restore-key {ref} brings it back")
        near = self._most_like(ref)
        hint = f'did you mean "{near}"?' if near else "keyvault list shows the names; keyvault add VENDOR puts a key in"
        return NotFound(f"no key {quoted(ref)}", hint)

    def _most_like(self, ref: str) -> str:
        """The live key whose vendor, and then whose label, is most like the one asked for; or an empty string."""
        provider, _, label = ref.partition("/")
        names = [key.name for key in self.all_keys()]
        provider = closest(provider, sorted({name.provider for name in names}))
        labels = [name.label for name in names if name.provider == provider]
        return f"{provider}/{closest(label, labels) or labels[0]}" if labels else ""

    def all_keys(self, *, removed: bool = False) -> list[ApiKey]:
        """All live keys by name; with `removed`, the removed ones instead."""
        keys = self.read(self.keys_in)
        return sorted((key for key in keys if key.live != removed), key=lambda key: key.ref)

    def values(self, key: ApiKey, version: Version | None = None) -> dict[str, str]:
        """The values of a version (the current one if none is given) of a key that was read just now, or in a transaction."""
        return self.read(lambda state: self.values_in(state, [(key, version or key.value)]))[0]

    def log(self, most: int | None = None) -> list[journal.Row]:
        """The commits, newest first; at most so many."""

        def query(state: State) -> list[journal.Row]:
            return [row for _, row, _ in islice(self._rows(state.header, state.root), most)]

        return self.read(query)

    def fingerprint(self, value: str) -> str:
        """16 hex digits that tell equal values in this vault, and mean nothing elsewhere."""
        return hmac_sha256(self.root.fingerprint_key, b"keyvault/1/fingerprint\x00" + value.encode())[:8].hex()

    # -- changing

    @contextmanager
    def turn(self) -> Iterator[State]:
        """A turn as the only writer, with the state that it begins with. Raises StoreBusy, StoreFailed.

        No prompt and no key derivation happens while others wait.
        """
        while True:
            with self.store.writers_queue():
                head = self.store.head()
                if self._opens_with_present_keys(head):
                    if head != self._state.head:
                        self._state = self._load(head)
                    yield self._state
                    return
            self._state = self._load()  # somebody changed the vault key: unlock again, outside the queue

    @contextmanager
    def transaction(self, what: str) -> Iterator[Transaction]:
        """A turn in which changes are made: committed together when the block ends well, else not at all."""
        with self.turn() as state:
            change = Transaction(self, state, what)
            yield change
            change.commit()

    def write(
        self, state: State, add: dict[bytes, bytes], drop: set[bytes], header: Header, keys: VaultKeys, root: Root
    ) -> None:
        """Seal a new root and swap the head. Call it inside `transaction` or under the queue. Raises StoreBusy, StoreFailed."""
        head = seal_head(header, keys, root)
        if not self.store.put(add, drop, head, state.head):
            raise StoreBusy("another program changed the vault without waiting for its turn", "nothing was done; run it again")
        self._keys, self._keys_of = keys, (header.vault_id, header.epoch)
        self._state = State(head, header, root)
        if not self._believe_store:
            self.notices += line.advance(self.anchors, self.store.name, header.vault_id, root.seq, root.chain)

    # -- for tree, journal and the modules beside this one

    def blobs(self, ids: list[bytes]) -> list[bytes]:
        """Sealed blobs, each checked against its id. Raises VaultCorrupt."""
        found = self.store.get(ids)
        blobs = []
        for name in ids:
            blob = found.get(name)
            if blob is None:
                raise _Missing("the vault is damaged or was altered: a part is missing", "run keyvault doctor")
            if codec.blob_id(blob) != name:
                raise altered("a part has the wrong content")
            blobs.append(blob)
        return blobs

    def get_in(self, state: State, ref: str) -> ApiKey:
        """The live key of that name in one state. Raises NotFound, with a suggestion."""
        key = self.find_in(state, ref)
        if key and key.live:
            return key
        raise self.no_such_key(ref, removed=key is not None)

    def keys_in(self, state: State) -> list[ApiKey]:
        """All keys of one state, removed ones too, in no order. Raises VaultCorrupt."""
        records = tree.walk(self.fetcher(state.header), state.root.top)
        return [key for _, record in records if (key := decode_record(record)).purged is None]

    def live_in(self, state: State) -> list[ApiKey]:
        """The live keys of one state, by name. Raises VaultCorrupt."""
        return sorted((key for key in self.keys_in(state) if key.live), key=lambda key: key.ref)

    def values_in(self, state: State, pairs: list[tuple[ApiKey, Version]]) -> list[dict[str, str]]:
        """The values of versions in one state. Raises VaultCorrupt."""
        values = []
        for start in range(0, len(pairs), _AT_ONCE):
            part = pairs[start : start + _AT_ONCE]
            blobs = self.blobs([bytes.fromhex(version.blob) for _, version in part])
            for (key, version), blob in zip(part, blobs, strict=True):
                place = value_place(key.id, version.id)
                values.append(decode_values(codec.unseal(codec.VALUE, self._keys.value, state.header, place, blob)))
        return values

    def find_in(self, state: State, ref: str, fetch: tree.Fetch | None = None) -> ApiKey | None:
        """The key of that name in one state, removed ones too. Raises VaultCorrupt."""
        record = tree.lookup(fetch or self.fetcher(state.header), state.root.top, self.tag(ref))
        if record is None:
            return None
        key = decode_record(record)
        if key.ref != ref:
            raise altered("a record lies in another's place")
        return key

    def tag(self, ref: str, keys: VaultKeys | None = None) -> bytes:
        """Where a ref is filed in the tree."""
        return hmac_sha256((keys or self._keys).tag, b"ref\x00" + ref.encode())

    def tag_of(self, key: ApiKey, keys: VaultKeys | None = None) -> bytes:
        """Where a record is filed; what is left of a purged one is filed by its id."""
        if key.purged is None:
            return self.tag(key.ref, keys)
        return hmac_sha256((keys or self._keys).tag, b"purged\x00" + key.id.encode())

    def fetcher(self, header: Header) -> tree.Fetch:
        """How the tree gets at opened pages."""

        def fetch(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
            blobs = self.blobs([name for name, _ in wanted])
            return [
                codec.unseal(codec.PAGE, self._keys.page, header, path, blob)
                for (_, path), blob in zip(wanted, blobs, strict=True)
            ]

        return fetch

    def row_opener(self, header: Header) -> journal.Open:
        """How the journal gets at opened rows."""
        return lambda name, seq: codec.unseal(
            codec.JOURNAL, self._keys.journal, header, seq.to_bytes(8, "big"), self.blobs([name])[0]
        )

    def _rows(self, header: Header, root: Root) -> Iterator[tuple[bytes, journal.Row, bytes]]:
        from keyvault.vault import journal  # most readers look at no row

        yield from journal.back(self.row_opener(header), root.journal, root.seq)

    def read(self, query: Callable[[State], T]) -> T:
        """Run a query on the present state; anew if a writer took away what it was reading."""
        for _ in range(4):
            self._refresh()
            try:
                return query(self._state)
            except _Missing:
                if self.store.head() == self._state.head:
                    raise
        with self.turn() as state:
            return query(state)

    def _refresh(self) -> None:
        if self.store.head() != self._state.head:
            self._state = self._load()

    def _opens_with_present_keys(self, head: bytes) -> bool:
        header = codec.decode_header(codec.split_head(head)[0])
        return self._keys_of == (header.vault_id, header.epoch)

    def _load(self, head: bytes | None = None) -> State:
        """Read, unlock if need be, and hold against the anchor. Once more if a rekey took the journal away meanwhile."""
        while True:
            before = head or self.store.head()
            try:
                return self._load_once(head)
            except _Missing:
                if head or self.store.head() == before:
                    raise

    def _load_once(self, head: bytes | None) -> State:
        # `head` is given by those whose turn it is to write. Others read the anchor before the head that is held against it:
        # a commit between the two would make it lead, and it may only lag.
        header = codec.decode_header(codec.split_head(head or self.store.head())[0])
        if not self._believe_store:
            anchor, pinned, notices = line.known(self.anchors, self.store.name, header.vault_id)
            self.notices += notices
        head = head or self.store.head()
        header_bytes, sealed = codec.split_head(head)
        header = codec.decode_header(header_bytes)
        if self._keys_of != (header.vault_id, header.epoch):
            found = self._unlock(header)
            self._keys = found if isinstance(found, VaultKeys) else codec.derive_keys(found, header.vault_id, header.epoch)
            self._keys_of = (header.vault_id, header.epoch)
        root = open_root(header, header_bytes, self._keys, sealed)
        if self._believe_store:
            return State(head, header, root)
        if line.check(anchor, root.seq, root.chain, self._rows(header, root)) or not pinned:
            self.notices += line.advance(self.anchors, self.store.name, header.vault_id, root.seq, root.chain, self.store)
        return State(head, header, root)


class Transaction:
    """Changes to one state, committed together. It sees what it changed."""

    def __init__(self, vault: Vault, state: State, what: str) -> None:
        self.vault = vault
        self.what = what
        self.header = state.header  # a new header (slots) may be set; it keeps vault id and epoch
        self._state = state
        self._fetch = tree.remembering(self.vault.fetcher(state.header))
        self._records: dict[bytes, bytes | None] = {}
        self._add: dict[bytes, bytes] = {}
        self._drop: set[bytes] = set()
        self._touched: list[str] = []
        self._abandoned: tuple[int, str] | None = None

    def find(self, ref: str) -> ApiKey | None:
        """The key of that name, removed ones too."""
        tag = self.vault.tag(ref)
        if tag in self._records:
            record = self._records[tag]
            return decode_record(record) if record else None
        return self.vault.find_in(self._state, ref, self._fetch)

    def get(self, ref: str) -> ApiKey:
        """The live key of that name. Raises NotFound."""
        key = self.find(ref)
        if key and key.live:
            return key
        raise self.vault.no_such_key(ref, removed=key is not None)

    def put(self, key: ApiKey, *, instead_of: ApiKey | None = None) -> None:
        """File a record; `instead_of` is taken out first if it lay elsewhere. Raises AlreadyExists, InvalidInput."""
        tag = self.vault.tag_of(key)
        if instead_of is not None and (old := self.vault.tag_of(instead_of)) != tag:
            if key.purged is None and self.find(key.ref):
                raise AlreadyExists(f'key "{key.ref}" exists', "choose another label")
            self._records[old] = None
        if key.purged is None:
            parse_ref(key.ref)
        self._records[tag] = encode_record(key)
        self._touched.append(key.id)

    def add_value(self, key_id: str, values: dict[str, str], at: int) -> Version:
        """Seal the values of a new version of a key. Raises InvalidInput."""
        version = random_bytes(16).hex()
        blob = codec.seal(
            codec.VALUE, self.vault.keys_in_use.value, self.header, value_place(key_id, version), encode_values(values)
        )
        name = codec.blob_id(blob)
        self._add[name] = blob
        return Version(version, at, name.hex(), self.vault.fingerprint(values[VALUE_FIELD]))

    def drop_value(self, version: Version) -> None:
        """Let go of a version's values for good."""
        self._drop.add(bytes.fromhex(version.blob))

    def abandon(self, seq: int, chain: str) -> None:
        """Go on from this state although a machine has seen the state (seq, chain): the commit names it and outnumbers it."""
        self._abandoned = (seq, chain)

    def commit(self) -> None:
        """Write everything, if there is anything. `transaction` calls this at the end of its block."""
        state, keys, header, root = self._state, self.vault.keys_in_use, self.header, self._state.root
        if not (self._records or header != state.header or self._abandoned):
            return
        from keyvault.vault import journal

        changed = tree.update(
            self.vault.fetcher(header), lambda path, page: seal_page(header, keys, path, page), root.top, self._records
        )
        seq = max(root.seq, self._abandoned[0] if self._abandoned else 0) + 1
        keys_touched = list(dict.fromkeys(self._touched))
        row = journal.new_row(seq, root.seq, self.what, clock.now(), keys_touched, self._abandoned)
        name, blob, chain = seal_row(header, keys, seq, journal.encode(row), root.journal, root.chain)
        new_root = root._replace(top=changed.top, journal=name, chain=chain, seq=row.seq)
        add = {**self._add, **changed.add, name: blob}
        self.vault.write(state, add, changed.drop | self._drop, header, keys, new_root)
