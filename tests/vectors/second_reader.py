"""A second reader of vaults, written from docs/format.md alone. It shares no code with keyvault, and reads only.

    python second_reader.py VAULT KIND [STATE FOLDER]     the secret (for key-file: its path) comes on stdin

Every refusal is `Refused`, whose `reason` is one short word.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import struct
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SCHEMA = {
    ("table", "blob", "CREATE TABLE blob (id BLOB NOT NULL PRIMARY KEY, bytes BLOB NOT NULL)"),
    ("index", "sqlite_autoindex_blob_1", None),
    ("table", "head", "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL)"),
}
MOST_ROW = 4 << 20
MOST_LEAF = 32_768
NONE = bytes(32)
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECRET_SIZE = {"keyring": 32, "key-file": 32, "recovery": 20}


class Refused(Exception):
    """The vault, the secret or the state is not what docs/format.md says; `reason` is one word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Reading(NamedTuple):
    """All that a vault holds. Journal rows are oldest first; `chains` has the chain hash after each."""

    vault_id: bytes
    epoch: int
    slots: list[dict[str, Any]]
    records: dict[str, dict[str, Any]]
    purged: dict[str, int]
    values: dict[tuple[str, str], dict[str, str]]
    journal: list[dict[str, Any]]
    bodies: list[bytes]
    seq: int
    chain: bytes


def need(fact: object, reason: str, detail: str = "") -> None:
    if not fact:
        raise Refused(reason, detail)


# --- plain pieces ------------------------------------------------------------------------------------------------------------


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def parse(data: bytes, reason: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        need(len(found) == len(pairs), reason, "a key twice")
        return found

    def no_number(text: str) -> None:
        raise Refused(reason, f"the number {text[:20]}")

    try:
        return json.loads(data.decode(), object_pairs_hook=once, parse_float=no_number, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(reason, "not JSON") from error


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def unhex(value: object, size: int, reason: str) -> bytes:
    good = isinstance(value, str) and len(value) == 2 * size and not set(value) - set("0123456789abcdef")
    need(good, reason, f"not {size} bytes as hex")
    return bytes.fromhex(str(value))


def whole(value: object, least: int = 0, most: int = 2**63 - 1) -> bool:
    return type(value) is int and least <= value <= most


def texts(value: object, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(isinstance(item, str) for item in value)


# --- section 2: store ---------------------------------------------------------------------------------------------------------


class Store:
    def __init__(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                first = file.read(100)
            need(first[:16] == b"SQLite format 3\0" and first[18:20] == b"\1\1", "schema", "not SQLite, or WAL")
            self.db = sqlite3.connect(f"file:{path.replace('%', '%25').replace('?', '%3f').replace('#', '%23')}?mode=ro", uri=True)
        except OSError as error:
            raise Refused("schema", "cannot be read") from error
        self.used: set[bytes] = set()

    def ask(self, words: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(words, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Refused("schema", str(error)) from error

    def head(self) -> bytes:
        self.ask("PRAGMA trusted_schema = OFF")
        need(self.ask("PRAGMA application_id") == [(0x4B564C54,)], "schema", "application_id")
        need(self.ask("PRAGMA user_version") == [(1,)], "schema", "user_version")
        rows = self.ask("SELECT type, name, sql FROM sqlite_master LIMIT 4")
        need(len(rows) == 3 and set(rows) == SCHEMA, "schema", "not the schema")
        rows = self.ask("SELECT one, typeof(bytes), length(bytes) FROM head LIMIT 2")
        need(len(rows) == 1 and rows[0][:2] == (1, "blob") and rows[0][2] <= MOST_ROW, "schema", "head")
        return bytes(self.ask("SELECT bytes FROM head")[0][0])

    def blob(self, blob_id: bytes) -> bytes:
        rows = self.ask("SELECT typeof(bytes), length(bytes) FROM blob WHERE id = ?", blob_id)
        need(rows, "missing-blob")
        need(rows[0][0] == "blob" and rows[0][1] <= MOST_ROW, "schema", "a blob's row")
        data = bytes(self.ask("SELECT bytes FROM blob WHERE id = ?", blob_id)[0][0])
        need(sha(b"keyvault/1/blob\0", data) == blob_id, "blob-id")
        self.used.add(blob_id)
        return data

    def no_other(self) -> None:
        need({row[0] for row in self.ask("SELECT id FROM blob")} == self.used, "orphan")


# --- section 4: sealing -------------------------------------------------------------------------------------------------------


def unseal(key: bytes, message: bytes, associated: bytes) -> bytes:
    need(len(message) >= 40, "seal", "too short")
    once = mac(key, b"keyvault/1/message\0", message[:24], b"\1")
    try:
        return AESGCM(once).decrypt(bytes(12), message[24:], associated)
    except InvalidTag as error:
        raise Refused("seal") from error


def padded_size(kind: str, size: int) -> int:
    if kind == "value":
        return max(256, 1 << (size - 1).bit_length())
    step = {"root": 512, "page": 1024, "journal": 256}[kind]
    return -(-size // step) * step


class Keys:
    def __init__(self, vault_key: bytes, vault_id: bytes, epoch: int) -> None:
        self.place = struct.pack(">I", epoch) + vault_id
        names = ("root", "page", "value", "journal", "tag")
        self.key = {
            name: mac(vault_key, b"keyvault/1/purpose\0", name.encode(), b"\0", vault_id, struct.pack(">I", epoch), b"\1")
            for name in names
        }

    def open(self, kind: str, position: bytes, message: bytes) -> bytes:
        associated = b"keyvault/1/" + kind.encode() + b"\0" + self.place + struct.pack(">H", len(position)) + position
        plain = unseal(self.key[kind], message, associated)
        need(len(plain) >= 4, "padding", "no length")
        end = 4 + int.from_bytes(plain[:4])
        need(end <= len(plain) == padded_size(kind, end) and not any(plain[end:]), "padding")
        return plain[4:end]

    def tag(self, word: bytes, name: str) -> bytes:
        return mac(self.key["tag"], word, b"\0", name.encode())


# --- section 5: head and slots ------------------------------------------------------------------------------------------------


class Head(NamedTuple):
    clear: bytes
    vault_id: bytes
    epoch: int
    slots: list[dict[str, Any]]
    message: bytes


def read_head(head: bytes) -> Head:
    if not head.startswith(b"keyvault/1\n"):
        raise Refused("newer-format" if head.startswith(b"keyvault/") else "header", "first bytes")
    need(len(head) >= 15, "header", "cut off")
    size = int.from_bytes(head[11:15])
    need(size <= 65_536 and 15 + size <= len(head), "header", "length")
    clear, text = head[: 15 + size], head[15 : 15 + size]
    header = parse(text, "header")
    need(isinstance(header, dict), "header", "not an object")
    try:
        need(canonical(header) == text, "header", "not canonical")
    except UnicodeEncodeError as error:
        raise Refused("header", "a lone surrogate") from error
    need(not set(header) - {"epoch", "slots", "vault"}, "newer-format", "fields")
    need(len(header) == 3 and whole(header["epoch"], 1, 2**32 - 1), "header", "epoch")
    vault_id = unhex(header["vault"], 16, "header")
    slots = header["slots"]
    need(isinstance(slots, list) and 1 <= len(slots) <= 64, "header", "number of slots")
    for slot in slots:
        check_slot(slot)
    need(len({slot["id"] for slot in slots}) == len(slots), "slot", "an id twice")
    return Head(clear, vault_id, header["epoch"], slots, head[len(clear) :])


def check_slot(slot: Any) -> None:
    need(isinstance(slot, dict) and slot.get("kind") in ("passphrase", *SECRET_SIZE), "slot", "kind")
    wanted = {"id": 16, "salt": 32, "check": 32, "wrapped": 72}
    more = {"memory", "passes", "lanes"} if slot["kind"] == "passphrase" else set()
    need(set(slot) == {*wanted, "kind", *more}, "slot", "fields")
    for name, size in wanted.items():
        unhex(slot[name], size, "slot")
    if more:
        memory, passes, lanes = slot["memory"], slot["passes"], slot["lanes"]
        fair = whole(memory, 8_192, 1_048_576) and whole(passes, 1, 16) and whole(lanes, 1, 16)
        need(fair and memory >= 8 * lanes and memory * passes <= 4_194_304, "slot-parameters")


def secret_bytes(kind: str, secret: str) -> bytes:
    """The slot's secret: from a passphrase, a key file's path, the keyring's password or a recovery code."""
    if kind == "passphrase":
        need(1 <= len(secret) <= 1024, "wrong-secret", "length")
        return unicodedata.normalize("NFC", secret).encode()
    if kind == "recovery":
        code = secret.upper().translate(str.maketrans("ILO", "110", " -"))
        need(len(code) == 36 and not set(code) - set(DIGITS), "wrong-secret", "not a recovery code")
        number = 0
        for digit in code:
            number = number << 5 | DIGITS.index(digit)
        found = (number >> 20).to_bytes(20)
        check = int.from_bytes(sha(b"keyvault/1/recovery\0", found)[:3]) >> 4
        need(check == number & 0xFFFFF, "wrong-secret", "a typing error in the recovery code")
        return found
    if kind == "key-file":
        with open(secret, "rb") as file:
            line = file.read(200)
        start = b"keyvault-key-file-1 "
        need(line.startswith(start) and len(line.removesuffix(b"\n")) == len(start) + 64, "wrong-secret", "not a key file")
        secret = line.removesuffix(b"\n")[len(start) :].decode("latin-1")
    return unhex(secret, 32, "wrong-secret")


def vault_key(head: Head, kind: str, secret: bytes) -> bytes:
    for slot in [slot for slot in head.slots if slot["kind"] == kind][: 8 if kind == "passphrase" else 64]:
        salt, costs, material = bytes.fromhex(slot["salt"]), [], secret
        if kind == "passphrase":
            costs = [slot["memory"], slot["passes"], slot["lanes"]]
            kdf = Argon2id(salt=salt, length=32, iterations=costs[1], lanes=costs[2], memory_cost=costs[0])
            material = kdf.derive(secret)
        bound = b"keyvault/1/slot\0" + canonical([head.vault_id.hex(), head.epoch, slot["id"], kind, costs])
        slot_key = HKDF(algorithm=SHA256(), length=64, salt=salt, info=bound).derive(material)
        if hmac.compare_digest(slot_key[32:], bytes.fromhex(slot["check"])):
            return unseal(slot_key[:32], bytes.fromhex(slot["wrapped"]), bound)
    raise Refused("wrong-secret")


# --- sections 6 and 7: root, pages, records -----------------------------------------------------------------------------------


class Node(NamedTuple):
    id: bytes
    size: int
    records: int


def read_root(data: bytes) -> tuple[bytes, bytes, bytes, int, Node]:
    root = parse(data, "root")
    wanted = {"chain", "fingerprint_key", "journal", "seq", "top"}
    need(isinstance(root, dict) and set(root) == wanted and whole(root["seq"], 1), "root")
    top = root["top"]
    need(isinstance(top, list) and len(top) == 3 and whole(top[1]) and whole(top[2]), "root", "top")
    chain, key, journal = (unhex(root[name], 32, "root") for name in ("chain", "fingerprint_key", "journal"))
    return chain, key, journal, root["seq"], Node(unhex(top[0], 32, "root"), top[1], top[2])


def read_pages(store: Store, keys: Keys, node: Node, path: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """All (tag, record), in order. A page's id is the hash of its bytes, so pages cannot form a ring."""
    page = keys.open("page", path, store.blob(node.id))
    need((page[:1] == b"L") == (node.size <= MOST_LEAF) and len(path) <= 64, "page-shape", "leaf or branch")
    if page[:1] == b"L":
        yield from read_leaf(page, node, path)
        return
    need(page[:1] == b"B" and len(page) == 1 + 16 * 40, "page-shape", "branch")
    children = [Node(*fields) for fields in struct.iter_unpack(">32sII", page[1:])]
    need(sum(child.size for child in children) == node.size, "page-shape", "size")
    need(sum(child.records for child in children) == node.records, "page-shape", "records")
    for step, child in enumerate(children):
        if child != Node(NONE, 0, 0):
            need(child.records and child.id != NONE, "page-shape", "an empty child")
            yield from read_pages(store, keys, child, path + bytes([step]))


def read_leaf(page: bytes, node: Node, path: bytes) -> Iterator[tuple[bytes, bytes]]:
    need(len(page) == 5 + node.size and int.from_bytes(page[1:5]) == node.records, "page-shape", "size or records")
    at, last = 5, b""
    for _ in range(node.records):
        tag, length = page[at : at + 32], int.from_bytes(page[at + 32 : at + 34])
        at += 34 + length
        need(at <= len(page) and tag > last, "page-shape", "order or length")
        need(tag.hex().startswith("".join(f"{step:x}" for step in path)), "record-place", "outside its page")
        last = tag
        yield tag, page[at - length : at]
    need(at == len(page), "page-shape", "more bytes")


def check_record(record: dict[str, Any]) -> None:
    optional: dict[str, Callable[[Any], bool]] = {
        "fields": lambda v: isinstance(v, dict) and all(type(secret) is bool for secret in v.values()),
        "auto": lambda v: v is False,
    }
    optional |= dict.fromkeys(("created", "expires", "rotate_after", "deleted"), whole)
    optional |= dict.fromkeys(("tags", "note", "base_url", "vendor_name", "vendor_id", "scopes"), lambda v: isinstance(v, str))
    for name, good in optional.items():
        need(name not in record or good(record[name]), "record", name)
    need(isinstance(record.get("ref"), str) and "/" in record["ref"], "record", "ref")
    need(isinstance(record.get("env"), list) and all(texts(pair, 2) for pair in record["env"]), "record", "env")
    need(whole(record.get("added")) and whole(record.get("changed")), "record", "times")
    revision = record.get("revision")
    need(isinstance(revision, list) and len(revision) == 2 and whole(revision[0]) and isinstance(revision[1], str), "record", "revision")
    need(isinstance(record.get("versions"), list) and record["versions"], "record", "versions")
    for version in record["versions"]:
        need(isinstance(version, list) and len(version) == 4 and whole(version[1]), "record", "version")
        unhex(version[0], 16, "record")
        if version[2:] != ["", ""]:
            unhex(version[2], 32, "record")
            unhex(version[3], 8, "record")
    ids = [version[0] for version in record["versions"]]
    need(len(set(ids)) == len(ids) and record.get("current") in ids, "record", "current")


# --- sections 8 and 9: values, journal ----------------------------------------------------------------------------------------


def read_value(data: bytes) -> dict[str, str]:
    value = parse(data, "value")
    need(isinstance(value, dict) and value.get("") and all(isinstance(text, str) for text in value.values()), "value")
    try:
        need(all(len(text.encode()) <= 65_536 for text in value.values()), "value", "too long")
    except UnicodeEncodeError as error:
        raise Refused("value", "a lone surrogate") from error
    return dict(value)


def read_journal(store: Store, keys: Keys, newest: bytes, seq: int) -> list[tuple[bytes, dict[str, Any]]]:
    """(body, row), oldest first."""
    rows: list[tuple[bytes, dict[str, Any]]] = []
    row_id = newest
    while row_id != NONE:
        data = keys.open("journal", struct.pack(">Q", seq), store.blob(row_id))
        need(len(data) > 32, "journal", "no body")
        row = parse(data[32:], "journal")
        check_row(row, seq, first=data[:32] == NONE)
        rows.append((data[32:], row))
        row_id, seq = data[:32], row["previous"]
    return rows[::-1]


def check_row(row: Any, seq: int, *, first: bool) -> None:
    wanted = {"at", "commit", "keys", "previous", "seq", "total", "what"}
    need(isinstance(row, dict) and set(row) - {"abandoned"} == wanted, "journal", "fields")
    need(whole(row["at"]) and whole(row["total"]) and isinstance(row["what"], str), "journal", "types")
    need(isinstance(row["keys"], list) and len(row["keys"]) <= 32, "journal", "keys")
    for record_id in [row["commit"], *row["keys"]]:
        unhex(record_id, 16, "journal")
    need(row["seq"] == seq and whole(row["previous"], 0, seq - 1), "journal", "seq")
    need((row["previous"] == 0) == first, "journal", "first row")
    if "abandoned" in row:
        left = row["abandoned"]
        need(isinstance(left, list) and len(left) == 2 and whole(left[0]), "journal", "abandoned")
        unhex(left[1], 32, "journal")
    else:
        need(row["previous"] == seq - 1, "journal", "a gap")


# --- section 10: all of it ----------------------------------------------------------------------------------------------------


def read_vault(path: str, kind: str, secret: str) -> Reading:
    """Open the vault with one secret, read everything and verify it as section 10 says."""
    store = Store(path)
    with contextlib.closing(store.db):
        head = read_head(store.head())
        keys = Keys(vault_key(head, kind, secret_bytes(kind, secret)), head.vault_id, head.epoch)
        chain, fingerprint_key, newest, seq, top = read_root(keys.open("root", sha(head.clear), head.message))
        records: dict[str, dict[str, Any]] = {}
        purged: dict[str, int] = {}
        values: dict[tuple[str, str], dict[str, str]] = {}
        for tag, data in read_pages(store, keys, top):
            need(len(data) <= 16_384, "record", "too long")
            record = parse(data, "record")
            need(isinstance(record, dict), "record", "not an object")
            record_id = unhex(record.get("id"), 16, "record")
            if "purged" in record:
                need(keys.tag(b"purged", record["id"]) == tag, "record-place")
                need(whole(record["purged"]), "record", "purged")
                purged[record["id"]] = record["purged"]
                continue
            check_record(record)
            need(keys.tag(b"ref", record["ref"]) == tag, "record-place")
            records[record["ref"]] = record
            for version_id, _, blob_id, fingerprint in record["versions"]:
                if blob_id:
                    position = record_id + bytes.fromhex(version_id)
                    value = read_value(keys.open("value", position, store.blob(bytes.fromhex(blob_id))))
                    main = mac(fingerprint_key, b"keyvault/1/fingerprint\0", value[""].encode())[:8]
                    need(main.hex() == fingerprint, "record", "fingerprint")
                    values[record["id"], version_id] = value
        journal = read_journal(store, keys, newest, seq)
        bodies = [body for body, _ in journal]
        need(follow(sha(b"keyvault/1/chain\0", head.vault_id), bodies) == chain, "chain")
        store.no_other()
    rows = [row for _, row in journal]
    return Reading(head.vault_id, head.epoch, head.slots, records, purged, values, rows, bodies, seq, chain)


def follow(chain: bytes, bodies: list[bytes]) -> bytes:
    for body in bodies:
        chain = sha(b"keyvault/1/chain\0", chain, body)
    return chain


# --- section 9: the anchor ----------------------------------------------------------------------------------------------------


def read_state(path: str) -> dict[str, Any]:
    """An anchor or a pin; {} for one that is missing or cannot be read."""
    try:
        with open(path, "rb") as file:
            found = parse(file.read(65_536), "anchor")
    except (OSError, Refused):
        return {}
    if not isinstance(found, dict):
        return {}
    checksum = found.pop("checksum", "")
    return found if sha(json.dumps(found, sort_keys=True).encode()).hex() == checksum else {}


def check_anchor(reading: Reading, state: str, path: str) -> str:
    """Whether this state follows what the machine has seen: "first", "same" or "newer"; else refused."""
    pin = read_state(os.path.join(state, "path-" + sha(os.fsencode(path)).hex()[:32]))
    need(not pin or pin.get("vault_id") == reading.vault_id.hex(), "replaced")
    anchor = read_state(os.path.join(state, "anchor-" + reading.vault_id.hex()))
    if not whole(anchor.get("seq"), 1) or not isinstance(anchor.get("chain"), str):
        return "first"
    seq, chain = anchor["seq"], anchor["chain"]
    need(reading.seq >= seq, "rolled-back")
    if reading.seq == seq:
        need(reading.chain.hex() == chain, "forked")
        return "same"
    later = [index for index, row in enumerate(reading.journal) if row["seq"] > seq]
    follows = reading.journal[later[0]]["previous"] == seq
    follows = follows and follow(unhex(chain, 32, "forked"), reading.bodies[later[0] :]) == reading.chain
    named = any(reading.journal[index].get("abandoned") == [seq, chain] for index in later)
    need(follows or named, "forked")
    return "newer"


def main(words: list[str]) -> int:
    try:
        reading = read_vault(words[0], words[1], sys.stdin.read().rstrip("\n"))
        known = check_anchor(reading, words[2], os.path.abspath(words[0])) if len(words) > 2 else "not asked"
    except Refused as error:
        print(error)
        return 1
    print(f"{len(reading.records)} keys, {len(reading.values)} values, {len(reading.journal)} commits, anchor: {known}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
