"""Files made to harm: refused at once, and before they cost memory."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults import states
from faults.forks import Forks
from faults.pipes import Pipe
from vaults import VaultHome

from keyvault.core.errors import KeyvaultError, StoreFailed, UnsupportedFormat, VaultCorrupt
from keyvault.store.memory import MemoryStore
from keyvault.store.sqlite import SqliteStore
from keyvault.vault import care, codec, journal, tree
from keyvault.vault.codec import Header, dump_json
from keyvault.vault.state import Root, seal_head, seal_page, seal_row
from keyvault.vault.vault import Vault

MIB = 1024 * 1024
MOST_MEMORY = 600 * MIB  # of address space; Python with its libraries has about 150 of them


@pytest.fixture
def furnished(home: VaultHome) -> VaultHome:
    states.furnish(home).store.close()
    return home


class Judge:
    """Opens a file in a process of its own with little memory."""

    def __init__(self, home: VaultHome, forks: Forks) -> None:
        self.home, self.forks = home, forks
        self.pipe = Pipe(home.folder, "verdict")

    def __call__(self, path: str, seconds: float = 1.0) -> str:
        job = self.forks.start(
            self.home, self.home.folder, path, self.pipe.path, call="faults.workers:open_hostile", limits={"AS": MOST_MEMORY}
        )
        return self._verdict(job.wait(30).told, seconds)

    def head(self, head: bytes, seconds: float = 0.05) -> str:
        job = self.forks.start(
            self.home,
            self.home.folder,
            head.hex(),
            self.pipe.path,
            call="faults.workers:unlock_hostile",
            limits={"AS": MOST_MEMORY},
        )
        return self._verdict(job.wait(30).told, seconds)

    def _verdict(self, told: str, seconds: float) -> str:
        assert told == ""
        answer, took, grown = json.loads(self.pipe.line(5))
        assert took < seconds, (answer, took)
        assert grown < 64 * MIB, (answer, grown)
        return str(answer)


@pytest.fixture
def judge(furnished: VaultHome, forks: Forks) -> Iterator[Judge]:
    made = Judge(furnished, forks)
    yield made
    made.pipe.close()


# -- numbers for the KDF


STANDARD = {"memory": 65536, "passes": 3, "lanes": 4}


@pytest.mark.parametrize(
    "change",
    [
        {"memory": 2**32 - 1},
        {"memory": 2**63},
        {"memory": 2**20 + 1},
        {"memory": 8191},
        {"memory": 0},
        {"memory": -1},
        {"memory": 65536.0},
        {"memory": "65536"},
        {"memory": True},
        {"memory": None},
        {"passes": 0},
        {"passes": 17},
        {"passes": 2**32 - 1},
        {"lanes": 0},
        {"lanes": 17},
        {"lanes": 2**24},
        {"memory": 2**20, "passes": 5},
        {"memory": 10**400},
    ],
)
def test_kdf_parameters_out_of_bounds_are_refused_before_they_cost_anything(change: dict[str, Any], judge: Judge) -> None:
    slot = {"id": "00" * 16, "kind": "passphrase", "salt": "00" * 32, "check": "00" * 32, "wrapped": "00" * 72}
    answer = judge.head(head_with([slot | STANDARD | change]))
    assert answer.startswith("VaultCorrupt"), answer


def test_at_most_eight_passphrase_slots_are_tried(judge: Judge) -> None:
    slot = {"kind": "passphrase", "salt": "00" * 32, "check": "00" * 32, "wrapped": "00" * 72}
    cheap = {"memory": 8192, "passes": 1, "lanes": 1}
    slots = [slot | cheap | {"id": f"{number:032x}"} for number in range(64)]
    one = judge.head(head_with(slots[:1]), seconds=1)
    many = judge.head(head_with(slots), seconds=1)
    assert one == many
    assert one.startswith("WrongSecret")


def head_with(slots: list[Any]) -> bytes:
    body = dump_json({"epoch": 1, "slots": slots, "vault": "11" * 16})
    return codec.MAGIC + len(body).to_bytes(4, "big") + body + bytes(600)


# -- heads


def many_slots() -> bytes:
    return head_with([{"id": f"{number:032x}"} for number in range(50_000)])


def announced_header() -> bytes:
    return codec.MAGIC + (2**32 - 1).to_bytes(4, "big") + b"{}"


def deep_header() -> bytes:
    body = b"[" * 60_000
    return codec.MAGIC + len(body).to_bytes(4, "big") + body


def long_number() -> bytes:
    body = b'{"epoch":' + b"9" * 60_000 + b',"slots":[],"vault":"' + b"1" * 32 + b'"}'
    return codec.MAGIC + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "make", [many_slots, announced_header, deep_header, long_number, lambda: b"", lambda: b"\x00" * 3_000_000]
)
def test_hostile_heads_are_refused(make: Callable[[], bytes], furnished: VaultHome, judge: Judge) -> None:
    edit(furnished.path, ("UPDATE head SET bytes = ?", (make(),)))
    assert judge(furnished.path).startswith("VaultCorrupt")


def test_a_header_with_a_million_slots_is_refused(furnished: VaultHome, judge: Judge) -> None:
    head = head_with([{"id": f"{number:x}"} for number in range(1_000_000)])
    assert len(head) > 10 * MIB
    edit(furnished.path, ("UPDATE head SET bytes = ?", (head,)))
    assert judge(furnished.path).startswith("VaultCorrupt")


def edit(path: str, *statements: tuple[str, tuple[Any, ...]]) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF"):
        db.execute(f"PRAGMA {pragma}")
    for sql, values in statements:
        db.execute(sql, values)
    db.close()


# -- the database around them


SCHEMAS = {
    "trigger": ["CREATE TRIGGER t AFTER INSERT ON blob BEGIN DELETE FROM head; END"],
    "trigger on head": ["CREATE TRIGGER t AFTER UPDATE ON head BEGIN UPDATE head SET bytes = old.bytes; END"],
    "view": ["CREATE VIEW v AS SELECT * FROM blob"],
    "view for a table": ["ALTER TABLE blob RENAME TO real", "CREATE VIEW blob AS SELECT * FROM real"],
    "table": ["CREATE TABLE other (x)"],
    "index": ["CREATE INDEX i ON blob (bytes)"],
    "generated column": ["ALTER TABLE head ADD COLUMN g AS (zeroblob(1000000000))"],
    "many views": [f"CREATE VIEW v{number} AS SELECT * FROM blob" for number in range(2000)],
    "no head table": ["DROP TABLE head"],
    "no blob table": ["DROP TABLE blob"],
    "head of another shape": ["DROP TABLE head", "CREATE TABLE head (one INTEGER PRIMARY KEY, bytes)"],
    "virtual table": ["CREATE VIRTUAL TABLE f USING fts5(x)"],
    "sql rewritten": ["PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = sql || ' ' WHERE name = 'blob'"],
    "sql as a blob": ["PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET sql = CAST(sql AS BLOB) WHERE name = 'head'"],
    "sql of 3 MB": [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = sql || printf('%3000000s', ' ') WHERE name = 'blob'",
    ],
    "root page elsewhere": ["PRAGMA writable_schema = ON", "UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'blob'"],
    "root page shared": [
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'head') WHERE name = 'blob'",
    ],
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_another_schema_is_refused(name: str, furnished: VaultHome, judge: Judge) -> None:
    edit(furnished.path, *((sql, ()) for sql in SCHEMAS[name]))
    answer = judge(furnished.path)
    assert answer.startswith("VaultCorrupt"), answer
    with pytest.raises(VaultCorrupt):
        SqliteStore(furnished.path).head()
        states.content(furnished)


def test_a_write_ahead_log_is_refused_and_none_is_made(furnished: VaultHome, judge: Judge) -> None:
    db = sqlite3.connect(furnished.path)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.close()
    assert judge(furnished.path).startswith("VaultCorrupt")


@pytest.mark.parametrize(("pragma", "number"), [("application_id", 0), ("user_version", 2), ("user_version", -1)])
def test_another_program_or_format_is_named(pragma: str, number: int, furnished: VaultHome, judge: Judge) -> None:
    edit(furnished.path, (f"PRAGMA {pragma} = {number}", ()))
    assert judge(furnished.path).startswith("UnsupportedFormat")


ROWS = {
    "head of 5 MiB": ("UPDATE head SET bytes = zeroblob(5 * 1024 * 1024)", ()),
    "blob of 64 MiB under a used id": ("UPDATE blob SET bytes = zeroblob(64 * 1024 * 1024)", ()),
    "head as text": ("UPDATE head SET bytes = CAST(bytes AS TEXT)", ()),
    "head as a number": ("UPDATE head SET bytes = 5", ()),
    "blob as text": ("UPDATE blob SET bytes = CAST(hex(bytes) AS TEXT)", ()),
    "blob as a number": ("UPDATE blob SET bytes = 1.5", ()),
    "id as text": ("UPDATE blob SET id = hex(id)", ()),
    "bad utf-8 as text": ("UPDATE blob SET bytes = CAST(x'ff' AS TEXT)", ()),
    "a row of 64 MiB beside": ("INSERT INTO blob VALUES (x'00', zeroblob(64 * 1024 * 1024))", ()),
    "an id of 8 MiB": ("INSERT INTO blob VALUES (zeroblob(8 * 1024 * 1024), x'00')", ()),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_another_size_or_type_are_refused(name: str, furnished: VaultHome, judge: Judge) -> None:
    edit(furnished.path, ROWS[name])
    answer = judge(furnished.path)
    assert answer.startswith("VaultCorrupt"), answer


def test_a_row_that_claims_a_gigabyte_is_refused(furnished: VaultHome, judge: Judge) -> None:
    # A cell is `payload size, rowid, payload`, the size a base-128 number: overwrite that of the longest row.
    with open(furnished.path, "rb") as file:
        data = bytearray(file.read())
    size = int.from_bytes(data[16:18], "big")
    harmed = 0
    for page in range(size, len(data), size):
        if data[page] != 13:  # a leaf of a table
            continue
        for number in range(int.from_bytes(data[page + 3 : page + 5], "big")):
            at = page + int.from_bytes(data[page + 8 + 2 * number : page + 10 + 2 * number], "big")
            data[at : at + 5] = bytes([0x84, 0x80, 0x80, 0x80, 0x00])  # 2^30
            harmed += 1
    assert harmed
    with open(furnished.path, "wb") as file:
        file.write(data)
    assert judge(furnished.path).startswith("VaultCorrupt")


def test_many_rows_beside_the_vault_do_not_slow_a_read(furnished: VaultHome) -> None:
    db = sqlite3.connect(furnished.path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    numbers = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000)"
    db.execute(f"{numbers} INSERT INTO blob SELECT randomblob(32), x'00' FROM n")
    db.execute("COMMIT")
    db.close()
    vault = furnished.open()
    assert vault.open_key("openai/default")[1] == {"": "sk-second"}
    with pytest.raises(VaultCorrupt):
        care.verify(vault)
    vault.store.close()


@pytest.mark.parametrize("name", ["empty", "zeros", "text", "huge sparse", "folder", "device"])
def test_other_things_in_the_vaults_place(name: str, furnished: VaultHome, judge: Judge) -> None:
    path = furnished.path
    os.unlink(path)
    if name == "folder":
        os.mkdir(path)
    elif name == "device":
        if os.geteuid():
            pytest.skip("only root makes device files")
        os.mknod(path, 0o20600, os.makedev(1, 5))
    else:
        content = {"zeros": bytes(65536), "text": b"SQLite format 3 it is not\n" * 100}.get(name, b"")
        with open(path, "wb") as file:
            file.write(content)
            if name == "huge sparse":
                file.truncate(1 << 40)
        os.chmod(path, 0o600)
    answer = judge(path)
    assert answer.partition(":")[0] in ("UnsupportedFormat", "VaultCorrupt", "UnsafeFile"), answer


# -- sealed by someone who has the key: what can be built of trees and rows


class Forge:
    """Heads with a valid seal over contents that keyvault never writes."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.keys, self.header = vault, vault.keys_in_use, vault.header
        self.blobs: dict[bytes, bytes] = {}

    def page(self, path: bytes, page: bytes) -> bytes:
        name, blob = seal_page(self.header, self.keys, path, page)
        self.blobs[name] = blob
        return name

    def row(self, seq: int, body: bytes, before: bytes = codec.NO_ID) -> tuple[bytes, bytes]:
        name, blob, chain = seal_row(self.header, self.keys, seq, body, before, journal.first_link(self.header.vault_id))
        self.blobs[name] = blob
        return name, chain

    def judge(self, *, top: tree.Node | None = None, **root: Any) -> KeyvaultError:
        """The error that listing, the log and verify give, whichever is first; each must be one of ours."""
        made: Root = self.vault.root._replace(**root)
        made = made._replace(top=top) if top else made
        ids = self.vault.store.ids()
        head = seal_head(self.header, self.keys, made)
        store = MemoryStore("forged", {**self.vault.store.get(ids), **self.blobs}, head)
        try:
            forged = Vault(store, lambda _: self.keys.vault_key, self.vault.anchors, believe_store=True)
            forged.all_keys()
            forged.find("no/such")
            forged.log()
            care.verify(forged)
        except KeyvaultError as exc:
            return exc
        raise AssertionError("it was taken for a vault")


@pytest.fixture
def forge(furnished: VaultHome) -> Forge:
    return Forge(furnished.open())


def branch(*children: tuple[int, bytes, int, int]) -> bytes:
    parts = [bytes(40)] * 16
    for number, name, size, records in children:
        parts[number] = name + size.to_bytes(4, "big") + records.to_bytes(4, "big")
    return b"B" + b"".join(parts)


def test_a_branch_that_is_its_own_child_cannot_be_named_and_is_missing(forge: Forge) -> None:
    # A page's name is a hash of its sealed bytes: a circle can only be claimed, by a name that is not the page's.
    claimed = b"\x07" * 32
    name = forge.page(b"", branch((0, claimed, 40_000, 10)))
    forge.blobs[claimed] = forge.blobs[name]
    assert isinstance(forge.judge(top=tree.Node(name, 40_000, 10)), VaultCorrupt)


def test_one_page_in_many_places_opens_in_one_only(forge: Forge) -> None:
    leaf = forge.page(b"\x00", b"L" + bytes(4))
    name = forge.page(b"", branch(*((number, leaf, 40_000, 10) for number in range(16))))
    assert isinstance(forge.judge(top=tree.Node(name, 640_000, 160)), VaultCorrupt)


@pytest.mark.parametrize("depth", [1, 10, 63, 64, 65, 200])
def test_a_deep_tree_of_single_branches_is_refused(depth: int, forge: Forge) -> None:
    name = forge.page(bytes(depth), b"L" + bytes(4))
    for length in reversed(range(depth)):
        name = forge.page(bytes(length), branch((0, name, 40_000, 1)))
    assert isinstance(forge.judge(top=tree.Node(name, 40_000, 1)), VaultCorrupt)


@pytest.mark.parametrize("page", [b"", b"X", b"L", b"L\xff\xff\xff\xff", b"B", b"B" + bytes(640), b"L" + bytes(4) + b"x" * 40])
def test_pages_of_another_shape_are_refused(page: bytes, forge: Forge) -> None:
    for node in ((len(page) - 5 if len(page) > 5 else 0, 0), (40_000, 10), (2**32 - 1, 2**32 - 1)):
        name = forge.page(b"", page)
        assert isinstance(forge.judge(top=tree.Node(name, *node)), VaultCorrupt)


def record(**changed: Any) -> bytes:
    fields = {
        "id": "00" * 16,
        "ref": "w/x",
        "env": [],
        "versions": [["11" * 16, 0, "", ""]],
        "current": "11" * 16,
        "added": 0,
        "changed": 0,
        "revision": [1, "00"],
    }
    return json.dumps(fields | changed).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 3000,
        b'{"id":' * 2000,
        b"\xff",
        b"9" * 6000,
        record(id=5),
        record(versions=5),
        record(versions=[[]]),
        record(versions=[["11" * 16, "x", 5, []]]),
        record(versions=[["11" * 16, 0, "zz", ""]]),
        record(versions=[["11" * 16, 0, "22" * 32, ""]]),
        record(current="no"),
        record(env=[["A"]]),
        record(env=[[["A"], "B"]]),
        record(env=5),
        record(ref=""),
        record(ref="\ud800"),
        record(added=10**30),
        record(changed=-(10**30)),
        record(revision=[1]),
        record(revision=["x", []]),
        record(tags=[]),
        record(tags={"a": 5}),
        record(note=5),
        record(fields={"a": 5}),
        record(deleted=True),
        record(expires=10**20),
        b'{"id": "' + b"00" * 16 + b'", "purged": "x"}',
    ],
)
def test_records_of_another_shape_are_refused_or_harmless(body: bytes, forge: Forge) -> None:
    tag = forge.vault.tag("w/x")
    framed = tag + len(body).to_bytes(2, "big") + body
    name = forge.page(b"", b"L" + (1).to_bytes(4, "big") + framed)
    # Whatever it makes of the record, the rest of the vault does not fit it, so verify refuses; and nothing else escapes.
    assert isinstance(forge.judge(top=tree.Node(name, len(framed), 1)), VaultCorrupt)


def body_of(**changed: Any) -> bytes:
    fields = {"seq": 1, "previous": 0, "commit": "00" * 16, "what": "init", "at": 0, "keys": [], "total": 0}
    return dump_json(fields | changed)


@pytest.mark.parametrize(
    ("seq", "body"),
    [
        (1, b""),
        (1, b"[" * 3000),
        (1, body_of(seq=2)),
        (1, body_of(previous=1)),
        (1, body_of(previous=-1)),
        (5, body_of(seq=5, previous=4)),
        (5, body_of(seq=5, previous=0)),
        (2**63, body_of(seq=2**63, previous=2**63 - 1)),
        (1, body_of(at="x")),
        (1, body_of(keys=[5])),
        (1, body_of(abandoned=[1])),
        (1, body_of(abandoned=[1, 5])),
        (1, body_of(abandoned=["x", "y"])),
    ],
)
def test_journal_rows_of_another_shape_are_refused(seq: int, body: bytes, forge: Forge) -> None:
    name, chain = forge.row(seq, body)
    assert isinstance(forge.judge(journal=name, chain=chain, seq=seq), VaultCorrupt)


@pytest.mark.parametrize("seq", [2**64, 2**70, 10**400])
def test_a_number_of_changes_beyond_64_bits_is_refused(seq: int, forge: Forge) -> None:
    assert isinstance(forge.judge(seq=seq), VaultCorrupt)


def test_a_header_that_is_not_the_sealed_one_is_refused(forge: Forge) -> None:
    forge.header = Header(forge.header.vault_id, 2**32 - 1, forge.header.slots)
    assert isinstance(forge.judge(), (VaultCorrupt, UnsupportedFormat, StoreFailed))
