"""A second reader of vaults, written from docs/format.md alone: it shares no code with keyvault, and only reads.

Every refusal is `Refused`, whose `reason` is one word. The sections named below are those of the page.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import struct
import unicodedata
from collections.abc import Iterator
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
MOST_ROW, MOST_LEAF, NO_ID = 4 << 20, 32_768, bytes(32)
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PASSPHRASE, MOST_RUNS = "passphrase", 8
LATEST = 253_402_300_799


class Refused(Exception):
    """The vault, the secret or the state is not what the page says."""

    reason = property(lambda self: self.args[0])


class Reading(NamedTuple):  # all that a vault holds; journal rows oldest first, and their bytes
    vault_id: bytes
    epoch: int
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


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def mac(key: bytes, *parts: bytes) -> bytes:
    return hmac.digest(key, b"".join(parts), "sha256")


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parse(data: bytes, reason: str) -> Any:
    """One JSON object. Section 3: no key twice and no floats; the order and spelling are the header's business."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        need(len(dict(pairs)) == len(pairs), reason, "a key twice")
        return dict(pairs)

    def no_float(text: str) -> None:
        raise Refused(reason, "a float")

    try:
        value = json.loads(data.decode(), object_pairs_hook=once, parse_float=no_float, parse_constant=no_float)
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise Refused(reason, "not JSON") from error
    need(isinstance(value, dict), reason, "not an object")
    return value


def is_hex(value: object, size: int) -> bool:
    return isinstance(value, str) and len(value) == 2 * size and not set(value) - set("0123456789abcdef")


def whole(value: object, least: int = 0, most: int = 2**63 - 1) -> bool:
    return type(value) is int and least <= value <= most


def is_list(value: object, *kinds: type) -> bool:
    return isinstance(value, list) and [type(item) for item in value] == list(kinds)


class Store:
    """Section 2."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            first = file.read(20)
        need(first[:16] == b"SQLite format 3\0" and first[18:] == b"\1\1", "schema", "not SQLite, or in WAL mode")
        name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        self.db = sqlite3.connect(f"file:{name}?mode=ro", uri=True)
        self.used: set[bytes] = set()

    def ask(self, words: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(words, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Refused("schema", str(error)) from error

    def head(self) -> bytes:
        self.ask("PRAGMA trusted_schema = OFF")
        self.db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_ROW)
        need(self.ask("PRAGMA application_id") == [(0x4B564C54,)], "schema", "application_id")
        need(self.ask("PRAGMA user_version") == [(1,)], "newer-format", "user_version")
        rows = self.ask("SELECT type, name, sql FROM sqlite_master LIMIT 4")
        need(len(rows) == 3 and set(rows) == SCHEMA, "schema", "other tables")
        rows = self.ask("SELECT bytes FROM head LIMIT 2")
        need(len(rows) == 1 and isinstance(rows[0][0], bytes), "schema", "head")
        return bytes(rows[0][0])

    def blob(self, blob_id: bytes) -> bytes:
        rows = self.ask("SELECT bytes FROM blob WHERE id = ?", blob_id)
        need(rows, "missing-blob")
        need(isinstance(rows[0][0], bytes), "schema", "a blob's type")
        need(sha(b"keyvault/1/blob\0", rows[0][0]) == blob_id, "blob-id")
        self.used.add(blob_id)
        return bytes(rows[0][0])


def unseal(key: bytes, message: bytes, associated: bytes) -> bytes:
    """Section 4."""
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
    """Section 4: the purpose keys of one epoch, and what they open."""

    def __init__(self, vault_key: bytes, vault_id: bytes, epoch: int) -> None:
        self.place = struct.pack(">I", epoch) + vault_id
        bound = b"\0" + vault_id + struct.pack(">I", epoch) + b"\1"
        names = ("root", "page", "value", "journal", "tag")
        self.key = {name: mac(vault_key, b"keyvault/1/purpose\0", name.encode(), bound) for name in names}

    def associated(self, kind: str, position: bytes) -> bytes:
        return b"keyvault/1/" + kind.encode() + b"\0" + self.place + struct.pack(">H", len(position)) + position

    def open(self, kind: str, position: bytes, message: bytes) -> bytes:
        plain = unseal(self.key[kind], message, self.associated(kind, position))
        end = 4 + int.from_bytes(plain[:4])
        need(end <= len(plain) == padded_size(kind, end) and not any(plain[end:]), "padding")
        return plain[4:end]


def read_head(head: bytes) -> tuple[Any, int]:
    """Section 5: the header, and where the clear part ends."""
    need(not head.startswith(b"keyvault/") or head.startswith(b"keyvault/1\n"), "newer-format", "first bytes")
    need(head.startswith(b"keyvault/1\n") and len(head) >= 15, "header", "first bytes")
    size = int.from_bytes(head[11:15])
    need(size <= 65_536 and 15 + size <= len(head), "header", "length")
    header = parse(head[15 : 15 + size], "header")
    need(canonical(header) == head[15 : 15 + size], "header", "not canonical")
    need(not set(header) - {"epoch", "slots", "vault"}, "newer-format", "fields")
    need(whole(header.get("epoch"), 1, 2**32 - 1) and is_hex(header.get("vault"), 16), "header", "epoch or vault")
    slots = header.get("slots")
    need(isinstance(slots, list) and 1 <= len(slots) <= 64, "header", "number of slots")
    for slot in slots:
        check_slot(slot)
    need(len({slot["id"] for slot in slots}) == len(slots), "header", "a slot's id twice")
    return header, 15 + size


def check_slot(slot: Any) -> None:
    need(isinstance(slot, dict) and isinstance(slot.get("kind"), str), "header", "a slot")
    need(slot["kind"] in (PASSPHRASE, "keyring", "key-file", "recovery"), "newer-format", "a slot's kind")
    sizes = {"id": 16, "salt": 32, "check": 32, "wrapped": 72}
    need(all(is_hex(slot.get(name), size) for name, size in sizes.items()), "header", "a slot")
    if slot["kind"] == PASSPHRASE:
        memory, passes, lanes = (slot.get(name) for name in ("memory", "passes", "lanes"))
        fair = whole(memory, 8_192, 1_048_576) and whole(passes, 1, 16) and whole(lanes, 1, 16)
        need(fair and memory >= 8 * lanes and memory * passes <= 4_194_304, "slot-parameters")
    need(len(slot) == (8 if slot["kind"] == PASSPHRASE else 5), "newer-format", "a slot's fields")


def secret_bytes(kind: str, secret: str) -> bytes:
    """A slot's secret, from a passphrase, a key file's line, the keyring's password or a recovery code."""
    if kind == PASSPHRASE:
        need(1 <= len(secret) <= 1024, "wrong-secret", "length")
        return unicodedata.normalize("NFC", secret).encode()
    if kind == "recovery":
        code = secret.upper().translate(str.maketrans("ILO", "110", " -"))
        need(len(code) == 36 and not set(code) - set(DIGITS), "wrong-secret", "not a recovery code")
        number = sum(DIGITS.index(digit) << 5 * place for place, digit in enumerate(reversed(code)))
        found, check = (number >> 20).to_bytes(20), number & 0xFFFFF
        need(check == int.from_bytes(sha(b"keyvault/1/recovery\0", found)[:3]) >> 4, "wrong-secret", "a typing error")
        return found
    if kind == "key-file":
        need(secret.startswith("keyvault-key-file-1 "), "wrong-secret", "not a key file")
        secret = secret.removesuffix("\n").removeprefix("keyvault-key-file-1 ")
    need(is_hex(secret, 32), "wrong-secret", "not 64 hex digits")
    return bytes.fromhex(secret)


def open_slots(header: Any, kind: str, secret: bytes) -> bytes:
    """The vault key."""
    for slot in [slot for slot in header["slots"] if slot["kind"] == kind][: MOST_RUNS if kind == PASSPHRASE else None]:
        salt, costs, material = bytes.fromhex(slot["salt"]), [], secret
        if kind == PASSPHRASE:
            costs = [slot["memory"], slot["passes"], slot["lanes"]]
            kdf = Argon2id(salt=salt, length=32, iterations=costs[1], lanes=costs[2], memory_cost=costs[0])
            material = kdf.derive(secret)
        bound = b"keyvault/1/slot\0" + canonical([header["vault"], header["epoch"], slot["id"], kind, costs])
        both = HKDF(algorithm=SHA256(), length=64, salt=salt, info=bound).derive(material)
        if hmac.compare_digest(both[32:], bytes.fromhex(slot["check"])):
            with contextlib.suppress(Refused):
                return unseal(both[:32], bytes.fromhex(slot["wrapped"]), bound)
    raise Refused("wrong-secret")


class Node(NamedTuple):
    id: bytes
    size: int
    records: int


def read_root(data: bytes) -> tuple[bytes, bytes, bytes, int, Node]:
    """Section 6: chain, fingerprint key, journal, seq, top."""
    root = parse(data, "root")
    need(whole(root.get("seq"), 1) and is_list(root.get("top"), str, int, int), "root", "seq or top")
    name, size, records = root["top"]
    texts = [root.get("chain"), root.get("fingerprint_key"), root.get("journal"), name]
    need(all(is_hex(text, 32) for text in texts) and whole(size) and whole(records), "root", "types")
    chain, key, journal, top = (bytes.fromhex(text) for text in texts)
    return chain, key, journal, root["seq"], Node(top, size, records)


def read_pages(store: Store, keys: Keys, node: Node, path: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Section 7: all (tag, record), in order. A page is named by its hash, so pages cannot form a ring."""
    page = keys.open("page", path, store.blob(node.id))
    need(page[:1] == (b"L" if node.size <= MOST_LEAF else b"B") and len(path) < 64, "page-shape", "leaf or branch")
    if page[:1] == b"L":
        yield from read_leaf(page, node, path)
        return
    need(len(page) == 1 + 16 * 40, "page-shape", "branch")
    children = [Node(*fields) for fields in struct.iter_unpack(">32sII", page[1:])]
    totals = (sum(child.size for child in children), sum(child.records for child in children))
    need(totals == (node.size, node.records), "page-shape", "totals")
    for step, child in enumerate(children):
        if child != Node(NO_ID, 0, 0):
            need(child.records and child.id != NO_ID, "page-shape", "an empty child")
            yield from read_pages(store, keys, child, path + bytes([step]))


def read_leaf(page: bytes, node: Node, path: bytes) -> Iterator[tuple[bytes, bytes]]:
    need(len(page) == 5 + node.size and int.from_bytes(page[1:5]) == node.records, "page-shape", "totals")
    at, last = 5, b""
    for _ in range(node.records):
        tag, start = page[at : at + 32], at + 34
        at = start + int.from_bytes(page[at + 32 : start])
        need(at <= len(page) and tag > last, "page-shape", "order or length")
        need(tag.hex().startswith("".join(f"{step:x}" for step in path)), "page-shape", "a tag of another page")
        yield tag, page[start:at]
        last = tag
    need(at == len(page), "page-shape", "more bytes")


def check_record(record: Any) -> None:
    """Section 7: the types of a record that is not purged."""
    get = record.get
    need(isinstance(get("ref"), str) and get("ref"), "record", "ref")
    need(isinstance(get("env"), list) and all(is_list(pair, str, str) for pair in record["env"]), "record", "env")
    need(is_list(get("revision"), int, str), "record", "revision")
    for name in ("added", "changed", "created", "expires", "deleted"):
        need(whole(get(name), 0, LATEST) or (name not in record and name not in ("added", "changed")), "record", name)
    need(whole(get("rotate_after", 0)), "record", "rotate_after")
    need(get("auto", False) is False and get("confirm", True) is True, "record", "auto or confirm")
    for name in ("note", "base_url", "vendor_name", "vendor_id", "scopes"):
        need(isinstance(get(name, ""), str), "record", name)
    for name, kind in {"fields": bool, "tags": str}.items():
        value = get(name, {})
        need(isinstance(value, dict) and all(type(item) is kind for item in value.values()), "record", name)
    checked = get("checked", ["", 0, "", 0, ""])
    need(is_list(checked, str, int, str, int, str) and whole(checked[1], 0, LATEST), "record", "checked")
    balance = get("balance", ["", 0, []])
    need(is_list(balance, str, int, list) and whole(balance[1], 0, LATEST), "record", "balance")
    need(all(is_list(amount, str, str, str, str) for amount in balance[2]), "record", "balance")
    versions = record.get("versions")
    need(isinstance(versions, list) and all(is_list(version, str, int, str, str) for version in versions), "record", "versions")
    for name, at, blob, fingerprint in versions:
        known = (blob, fingerprint) == ("", "") or (is_hex(blob, 32) and is_hex(fingerprint, 8))
        need(is_hex(name, 16) and whole(at, 0, LATEST) and known, "record", "a version")
    need(get("current") in [version[0] for version in versions], "record", "current")
    check_rotation(record)


def check_rotation(record: Any) -> None:
    """Section 7: what a record says of its replacement."""
    rows, places = record.get("rotations", []), record.get("places", [])
    need(isinstance(rows, list) and all(is_list(row, int, int, str, str) for row in rows), "record", "rotations")
    need(all(whole(at, 0, LATEST) for row in rows for at in row[:2]), "record", "rotations")
    need(isinstance(places, list) and all(is_list(place, str, str, str) for place in places), "record", "places")
    need(whole(record.get("leaked", 0), 0, LATEST) and isinstance(record.get("manager", ""), str), "record", "leaked")
    rotation = record.get("rotation", {"id": "00" * 8, "step": "", "began": 0, "at": 0, "scheme": "", "old": ""})
    need(isinstance(rotation, dict), "record", "rotation")
    texts = {"id", "step", "scheme", "old"}
    need(all(isinstance(rotation.get(name), str) for name in texts) and is_hex(rotation["id"], 8), "record", "rotation")
    for name in {"new", "name", "admin", "old_id", "new_id", "boot", "vendor_name"} & set(rotation):
        need(isinstance(rotation[name], str), "record", "rotation")
    times = {"grace", "promoted", "up", "created", "expires", "new_expires"} & set(rotation)
    need(all(whole(rotation.get(name), 0, LATEST) for name in {"began", "at"} | times), "record", "rotation")
    need(all(isinstance(rotation[name], bool) for name in {"leaked", "back"} & set(rotation)), "record", "rotation")
    known = [*(version[0] for version in record["versions"]), ""]
    need("rotation" not in record or {rotation["old"], rotation.get("new", "")} <= set(known), "record", "rotation")


def read_journal(store: Store, keys: Keys, row_id: bytes, seq: int) -> list[tuple[bytes, dict[str, Any]]]:
    """Section 9: (body, row), oldest first."""
    rows: list[tuple[bytes, dict[str, Any]]] = []
    while seq:
        data = keys.open("journal", struct.pack(">Q", seq), store.blob(row_id))
        row, row_id = parse(data[32:], "journal"), data[:32]
        need(row.get("seq") == seq and whole(row.get("previous"), 0, seq - 1), "journal", "seq")
        need((row["previous"] == 0) == (row_id == NO_ID), "journal", "the first row")
        need("abandoned" in row or row["previous"] == seq - 1, "journal", "a gap")
        need(is_list(row.get("abandoned", [0, ""]), int, str) and isinstance(row.get("what"), str), "journal", "types")
        need(whole(row.get("at"), 0, LATEST) and whole(row.get("total")) and is_hex(row.get("commit"), 16), "journal", "types")
        names = row.get("keys")
        need(isinstance(names, list) and len(names) <= 32 and all(is_hex(name, 16) for name in names), "journal", "keys")
        rows.append((data[32:], row))
        seq = row["previous"]
    return rows[::-1]


def follow(chain: bytes, bodies: list[bytes]) -> bytes:
    for body in bodies:
        chain = sha(b"keyvault/1/chain\0", chain, body)
    return chain


def read_vault(path: str, kind: str, secret: str) -> Reading:
    """Open the vault with one secret, read everything, and verify it as section 10 says."""
    store = Store(path)
    with contextlib.closing(store.db):
        head = store.head()
        header, end = read_head(head)
        epoch, vault_id = header["epoch"], bytes.fromhex(header["vault"])
        keys = Keys(open_slots(header, kind, secret_bytes(kind, secret)), vault_id, epoch)
        chain, fingerprint_key, newest, seq, top = read_root(keys.open("root", sha(head[:end]), head[end:]))
        reading = Reading(vault_id, epoch, {}, {}, {}, [], [], seq, chain)
        for tag, data in read_pages(store, keys, top):
            record = parse(data, "record")
            need(len(data) <= 16_384 and is_hex(record.get("id"), 16), "record", "size or id")
            if "purged" in record:
                need(mac(keys.key["tag"], b"purged\0", record["id"].encode()) == tag, "record-place")
                need(whole(record["purged"], 0, LATEST), "record", "purged")
                reading.purged[record["id"]] = record["purged"]
                continue
            check_record(record)
            need(mac(keys.key["tag"], b"ref\0", record["ref"].encode()) == tag, "record-place")
            reading.records[record["ref"]] = record
            for version, _, blob, fingerprint in record["versions"]:
                if blob:
                    sealed = store.blob(bytes.fromhex(blob))
                    value = parse(keys.open("value", bytes.fromhex(record["id"] + version), sealed), "value")
                    fair = all(isinstance(text, str) and len(text.encode()) <= 65_536 for text in value.values())
                    need(fair and value.get(""), "value")
                    found = mac(fingerprint_key, b"keyvault/1/fingerprint\0", value[""].encode())[:8]
                    need(found.hex() == fingerprint, "record", "fingerprint")
                    reading.values[record["id"], version] = value
        for body, row in read_journal(store, keys, newest, seq):
            reading.bodies.append(body)
            reading.journal.append(row)
        need(follow(sha(b"keyvault/1/chain\0", vault_id), reading.bodies) == chain, "chain")
        rows = store.ask("SELECT CAST(id AS BLOB) FROM blob")
        need(len(rows) == len(store.used) and {row[0] for row in rows} == store.used, "orphan")
    return reading


def read_state(path: str) -> dict[str, Any]:
    """An anchor or a pin; {} for one that is missing or cannot be read."""
    try:
        with open(path, "rb") as file:
            found = parse(file.read(), "anchor")
    except (OSError, Refused):
        return {}
    checksum = found.pop("checksum", "")
    return found if sha(json.dumps(found, sort_keys=True).encode()).hex() == checksum else {}


def check_anchor(reading: Reading, state: str, path: str) -> str:
    """Section 9: "first", "same" or "newer" than what this machine has seen; else refused."""
    pinned = read_state(os.path.join(state, "path-" + sha(os.fsencode(path)).hex()[:32])).get("vault_id")
    need(pinned in (None, reading.vault_id.hex()), "replaced")
    anchor = read_state(os.path.join(state, "anchor-" + reading.vault_id.hex()))
    seq, chain = anchor.get("seq"), anchor.get("chain", "")
    if not isinstance(seq, int) or not whole(seq, 1) or not is_hex(chain, 32) or not whole(anchor.get("at"), 0, LATEST):
        return "first"
    need(reading.seq >= seq, "rolled-back")
    if reading.seq == seq:
        need(reading.chain.hex() == chain, "forked")
        return "same"
    later = [(row, body) for row, body in zip(reading.journal, reading.bodies, strict=True) if row["seq"] > seq]
    follows = follow(bytes.fromhex(chain), [body for _, body in later]) == reading.chain
    named = any(row.get("abandoned") == [seq, chain] for row, _ in later)
    need((follows and later[0][0]["previous"] == seq) or named, "forked")
    return "newer"
