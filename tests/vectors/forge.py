"""A second writer of vaults, from docs/format.md: always the same bytes, with a hook at each step where one fault is put in."""

from __future__ import annotations

import json
import os
import sqlite3
import struct
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from vectors.second_reader import (
    DIGITS,
    MOST_LEAF,
    NO_ID,
    PASSPHRASE,
    SCHEMA,
    Keys,
    Node,
    canonical,
    follow,
    mac,
    padded_size,
    secret_bytes,
    sha,
)

CHEAP = {"memory": 8192, "passes": 1, "lanes": 1}
TIME = 1_790_000_000
MAGIC = b"keyvault/1\n"
EMPTY = Node(NO_ID, 0, 0)
KEY_FILE = "key-file"
VAULT_ID = sha(b"a vault id")[:16]
FINGERPRINT_KEY = sha(b"a fingerprint key")


def name(text: str) -> str:
    """A record, version, slot or commit id."""
    return sha(text.encode())[:16].hex()


def recovery_code(secret: bytes) -> str:
    number = int.from_bytes(secret) << 20 | int.from_bytes(sha(b"keyvault/1/recovery\0", secret)[:3]) >> 4
    digits = "".join(DIGITS[number >> 5 * place & 31] for place in reversed(range(36)))
    return "-".join(digits[at : at + 4] for at in range(0, 36, 4))


SECRETS = {
    PASSPHRASE: "correct horse é battery",
    KEY_FILE: f"keyvault-key-file-1 {sha(b'key file').hex()}\n",
    "keyring": sha(b"keyring").hex(),
    "recovery": recovery_code(sha(b"recovery")[:20]),
}


def unchanged(value: Any, *_where: Any) -> Any:
    return value


class Forge:
    """Builds one vault. `fault` replaces what comes out of the step called `hook`.

    `wide`: so many records that the top page is a branch; `bare`: none.
    """

    def __init__(
        self, hook: str = "", fault: Callable[..., Any] = unchanged, *, wide: bool = False, bare: bool = False, epoch: int = 1
    ) -> None:
        self._hook, self._fault, self._wide, self._bare = hook, fault, wide, bare
        self._count = 0
        self.fired = 0
        self.epoch = epoch
        self.vault_key = sha(b"a vault key")
        self.keys = Keys(self.vault_key, VAULT_ID, epoch)
        self.blobs: dict[bytes, bytes] = {}

    def step(self, hook: str, value: Any, *where: Any) -> Any:
        if hook != self._hook:
            return value
        changed = self._fault(value, *where)
        self.fired += changed is not value
        return changed

    def write(self, path: str) -> None:
        """Build the vault in a new file."""
        header = {"epoch": self.epoch, "slots": [self.slot(kind, SECRETS[kind]) for kind in SECRETS], "vault": VAULT_ID.hex()}
        text = self.step("header text", canonical(self.step("header", header)))
        clear = self.step("clear", MAGIC + struct.pack(">I", len(text)) + text)
        records = [self.filed(record) for record in self.step("records", self.records())]
        top = self.plant(sorted(self.step("filed", records)), b"")
        chain, journal, seq = self.journal()
        fields = {"chain": chain.hex(), "fingerprint_key": FINGERPRINT_KEY.hex(), "journal": journal.hex(), "seq": seq}
        root = self.step("root", {**fields, "top": [top.id.hex(), top.size, top.records]})
        message = self.seal("root", sha(clear), self.step("root text", canonical(root)))
        head = self.step("head", self.step("sealed clear", clear) + message)
        self.store(path, head)

    # -- the pieces

    def random(self, size: int) -> bytes:
        self._count += 1
        return sha(b"not random", struct.pack(">I", self._count))[:size]

    def seal(self, kind: str, position: bytes, data: bytes) -> bytes:
        framed = struct.pack(">I", len(data)) + data
        framed = self.step("framed", framed.ljust(padded_size(kind, len(framed)), b"\0"), kind, position)
        keys, as_kind, place = self.step("place", (self.keys, kind, position))
        salt = self.random(24)
        once = mac(self.keys.key[kind], b"keyvault/1/message\0", salt, b"\1")
        return salt + AESGCM(once).encrypt(bytes(12), framed, keys.associated(as_kind, place))

    def put(self, blob: bytes) -> bytes:
        blob_id = sha(b"keyvault/1/blob\0", blob)
        self.blobs[blob_id] = blob
        return blob_id

    def slot(self, kind: str, text: str) -> dict[str, Any]:
        slot_id, salt, material, costs = name(kind), self.random(32), secret_bytes(kind, text), []
        if kind == PASSPHRASE:
            costs = list(CHEAP.values())
            material = Argon2id(salt=salt, length=32, iterations=costs[1], lanes=costs[2], memory_cost=costs[0]).derive(
                material
            )
        bound = b"keyvault/1/slot\0" + canonical([VAULT_ID.hex(), self.epoch, slot_id, kind, costs])
        both = HKDF(algorithm=SHA256(), length=64, salt=salt, info=bound).derive(material)
        wrap_salt = self.random(24)
        once = mac(both[:32], b"keyvault/1/message\0", wrap_salt, b"\1")
        wrapped = wrap_salt + AESGCM(once).encrypt(bytes(12), self.vault_key, bound)
        fields = {"id": slot_id, "kind": kind, "salt": salt.hex(), "check": both[32:].hex(), "wrapped": wrapped.hex()}
        return fields | (CHEAP if costs else {})

    def records(self) -> list[dict[str, Any]]:
        if self._bare:
            return []
        plain = self.record("openai/default", [{"": "sk-old"}, {"": "sk-new\n\0é\U0001f511"}])
        many = self.record("aws/work", [{"": "AKIA", "secret": "s"}, {"": "AKIB", "secret": "t", "region": "eu"}])
        many |= {"fields": {"region": False, "secret": True}, "tags": {"team": "ü"}, "note": "two\nlines", "auto": False}
        many |= {
            "created": 0,
            "expires": TIME + 9,
            "rotate_after": 7_776_000,
            "base_url": "https://x.example",
            "later": {"a": [1]},
        }
        many["versions"][0][2:] = ["", ""]
        removed = self.record("groq/default", [{"": "gsk"}]) | {"deleted": TIME + 5}
        stub = {"id": name("purged"), "purged": TIME + 6}
        large = [self.record(f"wide/k{n}", [{"": f"v{n}"}]) | {"note": "n" * 4000} for n in range(12 if self._wide else 0)]
        return [plain, many, removed, stub, *large]

    def record(self, ref: str, values: list[dict[str, str]]) -> dict[str, Any]:
        record_id, versions = name(ref), []
        for number, value in enumerate(values):
            version = name(f"{ref} {number}")
            data = canonical(self.step("value", value, ref, number))
            blob = self.seal("value", bytes.fromhex(record_id + version), data)
            mark = mac(FINGERPRINT_KEY, b"keyvault/1/fingerprint\0", value[""].encode())[:8].hex()
            blob_id = self.put(blob) if (ref, number) != ("aws/work", 0) else b""  # that version was purged
            versions.append([version, TIME + number, blob_id.hex(), mark])
        variable = ref.upper().replace("/", "_")
        fields = {"id": record_id, "ref": ref, "env": [[variable, ""]], "versions": versions, "current": versions[-1][0]}
        return fields | {"added": TIME, "changed": TIME + 1, "revision": [len(values), name(ref)[:16]]}

    def filed(self, record: dict[str, Any]) -> tuple[bytes, bytes]:
        word = b"purged\0" + record["id"].encode() if "purged" in record else b"ref\0" + record["ref"].encode()
        data = self.step("record text", canonical(self.step("record", record)), record)
        return self.step("tag", mac(self.keys.key["tag"], word), record), data

    def plant(self, records: list[tuple[bytes, bytes]], path: bytes) -> Node:
        size = sum(34 + len(record) for _, record in records)
        if self.step("is leaf", size <= MOST_LEAF, path):
            framed = b"".join(tag + struct.pack(">H", len(record)) + record for tag, record in records)
            page = b"L" + struct.pack(">I", len(records)) + framed
        else:
            parts = [[pair for pair in records if int(pair[0].hex()[len(path)], 16) == step] for step in range(16)]
            nodes = [self.plant(part, path + bytes([step])) if part else EMPTY for step, part in enumerate(parts)]
            nodes = self.step("children", nodes, path)
            page = b"B" + b"".join(struct.pack(">32sII", *node) for node in nodes)
        blob_id = self.put(self.seal("page", path, self.step("page", page, path)))
        node: Node = self.step("node", Node(blob_id, size, len(records)), path)
        return node

    def rows(self) -> list[dict[str, Any]]:
        words = ["init", "add", "add", "rm", "purge"]
        return [
            {
                "at": TIME + n,
                "commit": name(f"{n}"),
                "keys": [name(word)],
                "previous": n - 1,
                "seq": n,
                "total": 1,
                "what": word,
            }
            for n, word in enumerate(words, 1)
        ]

    def journal(self) -> tuple[bytes, bytes, int]:
        rows = self.step("rows", self.rows())
        bodies = [(row["seq"], canonical(row)) for row in rows]
        chain = follow(sha(b"keyvault/1/chain\0", VAULT_ID), [body for _, body in bodies])
        bodies = self.step("bodies", bodies)
        before = NO_ID
        for seq, body in bodies:
            before = self.put(self.seal("journal", struct.pack(">Q", seq), self.step("row", before, seq) + body))
        return chain, before, bodies[-1][0]

    def store(self, path: str, head: bytes) -> None:
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        db.execute(f"PRAGMA application_id = {0x4B564C54}")
        db.execute("PRAGMA user_version = 1")
        for sql in sorted(row[2] for row in SCHEMA if row[2]):
            db.execute(sql)
        db.executemany("INSERT INTO blob VALUES (?, ?)", sorted(self.step("blobs", self.blobs).items()))
        db.execute("INSERT INTO head VALUES (1, ?)", (head,))
        db.execute("COMMIT")
        self.step("db", db)
        db.close()
        os.chmod(path, 0o600)


def chains() -> list[bytes]:
    """The chain hash after each row of an unharmed vault; [0] is before the first."""
    bodies = [canonical(row) for row in Forge().rows()]
    return [follow(sha(b"keyvault/1/chain\0", VAULT_ID), bodies[:count]) for count in range(len(bodies) + 1)]


def write_state(folder: str, file: str, fields: dict[str, Any]) -> None:
    """An anchor or a pin, with the checksum it should have."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fields = {"checksum": sha(json.dumps(fields, sort_keys=True).encode()).hex()} | fields
    with open(os.open(os.path.join(folder, file), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        out.write(json.dumps(fields))


def anchor(seq: int, chain: bytes | str) -> dict[str, Any]:
    shown = chain.hex() if isinstance(chain, bytes) else chain
    return {"vault_id": VAULT_ID.hex(), "seq": seq, "chain": shown, "host": "here", "at": TIME}


def pin_name(path: str) -> str:
    return "path-" + sha(os.fsencode(path)).hex()[:32]
