"""The vectors: each is an unharmed vault but for one fault, with what each reader must answer."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from vectors.forge import EMPTY, KEY_FILE, MAGIC, SECRETS, TIME, VAULT_ID, Forge, anchor, chains, name, unchanged
from vectors.second_reader import NO_ID, PASSPHRASE, Keys, Node, canonical, sha

from keyvault.core.errors import (
    Forked,
    KeyvaultError,
    Replaced,
    RolledBack,
    UnsupportedFormat,
    VaultCorrupt,
    WrongSecret,
)


class Vector(NamedTuple):
    """`fault` changes what comes out of the step `hook` of Forge; keyvault raises `error`, the second reader says `reason`."""

    name: str
    hook: str
    fault: Callable[..., Any]
    reason: str
    error: type[KeyvaultError] = VaultCorrupt
    wide: bool = False
    kind: str = KEY_FILE


# -- the head and its slots ------------------------------------------------------------------------------------------------


def in_header(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda header: header | fields


def in_slot(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Other fields in the first slot, which is the passphrase's."""
    return lambda header: header | {"slots": [header["slots"][0] | fields, *header["slots"][1:]]}


def flipped(text: str) -> str:
    """The same hex with the last bit of its first byte flipped."""
    return f"{int(text[:2], 16) ^ 1:02x}{text[2:]}"


def flipped_slot(field: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda header: in_slot(**{field: flipped(header["slots"][0][field])})(header)


def many_slots(count: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The key file's slot, and others beside it."""

    def fault(header: dict[str, Any]) -> dict[str, Any]:
        first = header["slots"][1]
        return header | {"slots": [first, *(first | {"id": name(f"slot {n}")} for n in range(1, count))][:count]}

    return fault


def respelt(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def fault(text: bytes) -> bytes:
        assert text.count(old) >= 1
        return text.replace(old, new, 1)

    return fault


def flip(at: int) -> Callable[[bytes], bytes]:
    """One bit of a byte flipped; `at` counts from the start, or the end."""

    def fault(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[at] ^= 1
        return bytes(changed)

    return fault


HEAD = [
    Vector("magic of a newer format", "clear", lambda clear: b"keyvault/2\n" + clear[11:], "newer-format", UnsupportedFormat),
    Vector("magic of something else", "clear", lambda clear: b"KEYVAULT/1\n" + clear[11:], "header"),
    Vector("empty head", "head", lambda head: b"", "header"),
    Vector("head of magic alone", "head", lambda head: MAGIC, "header"),
    Vector("header length past the end", "sealed clear", lambda c: c[:11] + b"\0\1\0\0" + c[15:], "header"),
    Vector("header length of 4 GiB", "sealed clear", lambda c: c[:11] + b"\xff" * 4 + c[15:], "header"),
    Vector("header length one less", "clear", lambda c: c[:11] + struct.pack(">I", len(c) - 16) + c[15:], "header"),
    Vector("header of 65,537 bytes", "header text", lambda text: text[:-1] + b" " * (65_537 - len(text)) + b"}", "header"),
    Vector("header with a space", "header text", respelt(b'{"epoch"', b'{ "epoch"'), "header"),
    Vector("header in another order", "header text", lambda t: t.replace(b'"epoch":1,', b"")[:-1] + b',"epoch":1}', "header"),
    Vector("header with a key twice", "header text", respelt(b'{"epoch":1', b'{"epoch":1,"epoch":1'), "header"),
    Vector("header with an escape too many", "header text", respelt(b"epoch", b"\\u0065poch"), "header"),
    Vector("header with a float", "header text", respelt(b'"epoch":1', b'"epoch":1.0'), "header"),
    Vector("header with an exponent", "header text", respelt(b'"epoch":1', b'"epoch":1e0'), "header"),
    Vector("header with NaN", "header text", respelt(b'"epoch":1', b'"epoch":NaN'), "header"),
    Vector("header with a BOM", "header text", lambda text: b"\xef\xbb\xbf" + text, "header"),
    Vector("header that is not UTF-8", "header text", respelt(b"epoch", b"epo\xffh"), "header"),
    Vector("header with a lone surrogate", "header text", respelt(b'"passphrase"', b'"\\ud800"'), "header"),
    Vector("header that is a list", "header text", lambda text: b"[" + text + b"]", "header"),
    Vector("header 30,000 lists deep", "header text", lambda text: b"[" * 30_000 + b"]" * 30_000, "header"),
    Vector("header with a number of 5,000 digits", "header text", respelt(b'"epoch":1', b'"epoch":' + b"9" * 5_000), "header"),
    Vector("header with an unknown field", "header", in_header(flags=0), "newer-format", UnsupportedFormat),
    Vector("header without a vault id", "header text", lambda text: text[: text.index(b',"vault"')] + b"}", "header"),
    Vector("vault id in upper case", "header", in_header(vault=VAULT_ID.hex().upper()), "header"),
    Vector("vault id of 15 bytes", "header", in_header(vault=VAULT_ID.hex()[2:]), "header"),
    Vector("epoch 0", "header", in_header(epoch=0), "header"),
    Vector("epoch of 33 bits", "header", in_header(epoch=2**32), "header"),
    Vector("epoch true", "header", in_header(epoch=True), "header"),
    Vector("another epoch", "header", in_header(epoch=2), "wrong-secret", WrongSecret),
    Vector("another vault id", "header", in_header(vault=name("another")), "wrong-secret", WrongSecret),
    Vector("bit of the root flipped", "head", flip(-1), "seal"),
    Vector("bit of the root's salt flipped", "head", flip(-500), "seal"),
    Vector("root cut off", "head", lambda head: head[:-530], "seal"),
    Vector("root one byte longer", "head", lambda head: head + b"\0", "seal"),
    Vector("root of another header", "sealed clear", respelt(name(PASSPHRASE).encode(), name("b").encode()), "seal"),
    Vector(
        "root under the page key", "place", lambda place: place if place[1] != "root" else (place[0], "page", place[2]), "seal"
    ),
]

BAD_COSTS: dict[str, dict[str, Any]] = {
    "memory below": {"memory": 8_191},
    "memory above": {"memory": 1_048_577},
    "memory of 4 TiB": {"memory": 2**32 - 1},
    "memory of 2^80": {"memory": 2**80},
    "memory negative": {"memory": -8_192},
    "memory as text": {"memory": "8192"},
    "memory true": {"memory": True},
    "passes 0": {"passes": 0},
    "passes 17": {"passes": 17},
    "passes of 2^40": {"passes": 2**40},
    "lanes 0": {"lanes": 0},
    "lanes 17": {"lanes": 17},
    "product above": {"memory": 1_048_576, "passes": 5},
    "product just above": {"memory": 262_145, "passes": 16},
}

SLOTS = [
    *(Vector(f"KDF {what}", "header", in_slot(**costs), "slot-parameters") for what, costs in BAD_COSTS.items()),
    Vector("no slots", "header", many_slots(0), "header"),
    Vector("65 slots", "header", many_slots(65), "header"),
    Vector("slots that are not a list", "header", in_header(slots={}), "header"),
    Vector("slot that is a number", "header", in_header(slots=[1]), "header"),
    Vector("two slots of one id", "header", in_slot(id=name(KEY_FILE)), "header"),
    Vector("slot of an unknown kind", "header", in_slot(kind="yubikey"), "newer-format", UnsupportedFormat),
    Vector("slot with an unknown field", "header", in_slot(extra=1), "newer-format", UnsupportedFormat),
    Vector("slot of another kind", "header", in_slot(kind="keyring"), "newer-format", UnsupportedFormat),
    Vector("slot with a short salt", "header", in_slot(salt="00" * 31), "header"),
    Vector("slot with a long wrapped", "header", in_slot(wrapped="00" * 73), "header"),
    Vector("slot with a short check", "header", in_slot(check=""), "header"),
    Vector("slot's id in upper case", "header", in_slot(id="A" * 32), "header"),
    Vector("slot's check flipped", "header", flipped_slot("check"), "wrong-secret", WrongSecret, kind=PASSPHRASE),
    Vector("slot's wrapped flipped", "header", flipped_slot("wrapped"), "wrong-secret", WrongSecret, kind=PASSPHRASE),
    Vector("slot's salt flipped", "header", flipped_slot("salt"), "wrong-secret", WrongSecret, kind=PASSPHRASE),
    Vector("slot's id changed", "header", in_slot(id=name("b")), "wrong-secret", WrongSecret, kind=PASSPHRASE),
    Vector("slot's memory changed", "header", in_slot(memory=8_200), "wrong-secret", WrongSecret, kind=PASSPHRASE),
]


# -- root, pages, records --------------------------------------------------------------------------------------------------


def only(kind: str, change: Callable[[bytes], bytes]) -> Callable[..., bytes]:
    """A change of the framed plain text of one kind of message."""
    return lambda framed, found, _position: change(framed) if found == kind else framed


def elsewhere(kind: str, change: Callable[[Keys, str, bytes], tuple[Keys, str, bytes]]) -> Callable[..., Any]:
    """Messages of one kind bound to another place."""
    return lambda place: change(*place) if place[1] == kind else place


def moved(keys: Keys, kind: str, position: bytes) -> tuple[Keys, str, bytes]:
    return keys, kind, position + b"\0"


def of_another_vault(keys: Keys, kind: str, position: bytes) -> tuple[Keys, str, bytes]:
    return Keys(b"", name("another").encode()[:16], 1), kind, position


def of_another_epoch(keys: Keys, kind: str, position: bytes) -> tuple[Keys, str, bytes]:
    return Keys(b"", VAULT_ID, 2), kind, position


def in_root(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda root: root | fields


def top(size: int, records: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda root: root | {"top": [root["top"][0], root["top"][1] + size, root["top"][2] + records]}


def at_top(change: Callable[[bytes], bytes]) -> Callable[[bytes, bytes], bytes]:
    """A change of the top page alone."""
    return lambda page, path: page if path else change(page)


def first_child(change: Callable[[Node], Node]) -> Callable[[list[Node], bytes], list[Node]]:
    def fault(nodes: list[Node], _path: bytes) -> list[Node]:
        at = next(at for at, node in enumerate(nodes) if node != EMPTY)
        return [*nodes[:at], change(nodes[at]), *nodes[at + 1 :]]

    return fault


def swapped_children(nodes: list[Node], _path: bytes) -> list[Node]:
    first, second = [at for at, node in enumerate(nodes) if node != EMPTY][:2]
    nodes = list(nodes)
    nodes[first], nodes[second] = nodes[second], nodes[first]
    return nodes


def in_record(**fields: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: record | fields if record.get("ref") == "aws/work" else record


ROTATION = {"id": "00" * 8, "step": "pending", "began": TIME, "at": TIME, "scheme": "manual", "old": name("aws/work 1")}


REPLACED = {
    "rotation": ROTATION | {"new": name("aws/work 0"), "grace": 86_400, "leaked": True, "later": [1]},
    "rotations": [[TIME, TIME, "aborted", "aws"]],
    "places": [["dotenv", "/home/me/.env", "AWS_ACCESS_KEY_ID"]],
    "leaked": TIME,
    "manager": "aws/admin",
}


def without(field: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def fault(record: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in record.items() if key != field} if record.get("ref") == "aws/work" else record

    return fault


def in_version(at: int, value: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Another part of the newest version."""

    def fault(record: dict[str, Any]) -> dict[str, Any]:
        if record.get("ref") != "aws/work":
            return record
        *earlier, newest = record["versions"]
        return record | {"versions": [*earlier, [*newest[:at], value, *newest[at + 1 :]]]}

    return fault


def unsorted_leaf(page: bytes) -> bytes:
    """The first two records of a leaf the other way round."""
    size = 34 + struct.unpack(">H", page[37:39])[0]
    first, rest = page[5 : 5 + size], page[5 + size :]
    other = 34 + struct.unpack(">H", rest[32:34])[0]
    return page[:5] + rest[:other] + first + rest[other:]


def one_tag_twice(page: bytes) -> bytes:
    """The second record under the first one's tag."""
    size = 34 + struct.unpack(">H", page[37:39])[0]
    return page[: 5 + size] + page[5:37] + page[5 + size + 32 :]


def under_anothers_tag(tag: bytes, record: dict[str, Any]) -> bytes:
    return tag[:-1] + bytes([tag[-1] ^ 1]) if record.get("ref") == "aws/work" else tag


PAGES = [
    Vector("root's padding not zero", "framed", only("root", flip(-1)), "padding"),
    Vector("root padded too far", "framed", only("root", lambda framed: framed + bytes(512)), "padding"),
    Vector("root that is not JSON", "root text", lambda text: text[:-1], "root"),
    Vector("root 10,000 lists deep", "root text", lambda text: b"[" * 10_000 + b"]" * 10_000, "root"),
    Vector("root without a seq", "root", lambda root: {k: v for k, v in root.items() if k != "seq"}, "root"),
    Vector("root with seq 0", "root", in_root(seq=0), "root"),
    Vector("root with a seq of 65 bits", "root", in_root(seq=2**64), "root"),
    Vector("root with a seq as text", "root", in_root(seq="5"), "root"),
    Vector("root with a seq of 64 bits", "root", in_root(seq=2**63), "root"),
    Vector("root with a short chain", "root", in_root(chain="00"), "root"),
    Vector("root with a chain that is no hex", "root", in_root(chain="zz" * 32), "root"),
    Vector("root with a short fingerprint key", "root", in_root(fingerprint_key="00"), "root"),
    Vector("root with a fingerprint key that is no hex", "root", in_root(fingerprint_key="zz" * 32), "root"),
    Vector("root with a top of four", "root", lambda root: root | {"top": [*root["top"], 0]}, "root"),
    Vector("root with another chain", "root", in_root(chain="00" * 32), "chain"),
    Vector("root with another fingerprint key", "root", in_root(fingerprint_key="00" * 32), "record"),
    Vector("root with another size", "root", top(1, 0), "page-shape"),
    Vector("root with another number of records", "root", top(0, 1), "page-shape"),
    Vector("root with no top page", "root", in_root(top=["00" * 32, 0, 0]), "missing-blob"),
    Vector("root whose top is a journal row", "root", lambda r: r | {"top": [r["journal"], *r["top"][1:]]}, "seal"),
    Vector("page's padding not zero", "framed", only("page", flip(-1)), "padding"),
    Vector("page padded too far", "framed", only("page", lambda framed: framed + bytes(1024)), "padding"),
    Vector("page padded too little", "framed", only("page", lambda framed: framed[:-1]), "padding"),
    Vector("page that claims 4 GiB", "framed", only("page", lambda framed: b"\xff" * 4 + framed[4:]), "padding"),
    Vector("page of three bytes", "framed", only("page", lambda framed: framed[:3]), "padding"),
    Vector("page of no bytes", "framed", only("page", lambda framed: b""), "padding"),
    Vector("page at another path", "place", elsewhere("page", moved), "seal"),
    Vector("page of another vault", "place", elsewhere("page", of_another_vault), "seal"),
    Vector("page of another epoch", "place", elsewhere("page", of_another_epoch), "seal"),
    Vector("page of another letter", "page", lambda page, path: b"X" + page[1:], "page-shape"),
    Vector("page that is empty", "page", lambda page, path: b"", "page-shape"),
    Vector("branch that should be a leaf", "is leaf", lambda fits, path: fits and bool(path), "page-shape"),
    Vector("leaf that should be a branch", "is leaf", lambda fits, path: True, "page-shape", wide=True),
    Vector("child that should be a leaf", "is leaf", lambda fits, path: fits and len(path) != 1, "page-shape", wide=True),
    Vector("branch cut short", "page", at_top(lambda page: page[:-1]), "page-shape", wide=True),
    Vector("branch with a byte more", "page", at_top(lambda page: page + b"\0"), "page-shape", wide=True),
    Vector("branch with another size", "children", first_child(lambda n: n._replace(size=n.size + 1)), "page-shape", wide=True),
    Vector("branch with another count", "children", first_child(lambda n: n._replace(records=9)), "page-shape", wide=True),
    Vector("branch without a child", "children", first_child(lambda n: EMPTY), "page-shape", wide=True),
    Vector(
        "branch with its child's totals moved",
        "node",
        lambda n, p: n._replace(size=n.size - 1) if p else n,
        "page-shape",
        wide=True,
    ),
    Vector("branch with two children swapped", "children", swapped_children, "seal", wide=True),
    Vector("branch with a child named zero", "children", first_child(lambda n: n._replace(id=NO_ID)), "page-shape", wide=True),
    Vector("leaf not sorted", "page", lambda page, path: unsorted_leaf(page), "page-shape"),
    Vector("leaf with a tag twice", "page", lambda page, path: one_tag_twice(page), "page-shape"),
    Vector("leaf with another count", "page", lambda page, path: page[:4] + bytes([page[4] + 1]) + page[5:], "page-shape"),
    Vector("leaf with a byte more", "page", lambda page, path: page + b"\0", "page-shape"),
    Vector("leaf whose record runs over", "page", lambda page, path: page[:37] + b"\xff\xff" + page[39:], "page-shape"),
    Vector("record under another's tag", "tag", under_anothers_tag, "record-place"),
    Vector("stub under another's tag", "tag", lambda tag, r: bytes(32) if "purged" in r else tag, "record-place"),
    Vector("record of another vendor", "tag", lambda tag, r: tag[::-1] if r.get("ref") == "aws/work" else tag, "record-place"),
]


def text_of(data: bytes) -> Callable[[bytes, dict[str, Any]], bytes]:
    return lambda text, record: data if record.get("ref") == "aws/work" else text


RECORDS = [
    Vector("record that is not JSON", "record text", text_of(b"{"), "record"),
    Vector("record that is a list", "record text", text_of(b"[]"), "record"),
    Vector("record that is not UTF-8", "record text", text_of(b'{"id":"\xff"}'), "record"),
    Vector("record that is empty", "record text", text_of(b""), "record"),
    Vector("record 8,000 lists deep", "record text", text_of(b"[" * 8_000 + b"]" * 8_000), "record"),
    Vector("record of 16,385 bytes", "record", in_record(note="n" * 15_500, vendor_name="v" * 800), "record"),
    Vector("record without an id", "record text", text_of(b'{"ref":"aws/work"}'), "record"),
    Vector(
        "record's id is short",
        "record text",
        lambda t, r: t.replace(r["id"].encode(), r["id"].encode()[2:]) if r.get("ref") == "aws/work" else t,
        "record",
    ),
    *(
        Vector(f"record without {field}", "record", without(field), "record")
        for field in ("env", "versions", "current", "added", "changed", "revision")
    ),
    *(
        Vector(f"record with a wrong {field}", "record", in_record(**{field: value}), "record")
        for field, value in {
            "env": {"AWS_WORK": ""},
            "versions": {},
            "current": name("no version"),
            "added": "1790000000",
            "changed": None,
            "revision": ["1", "00"],
            "fields": {"secret": 1},
            "tags": "team",
            "created": -1,
            "expires": 10**18,
            "rotate_after": "90d",
            "deleted": False,
            "note": 5,
            "base_url": ["https://x.example"],
            "auto": 0,
            "confirm": 1,
            "checked": None,
            "balance": {},
        }.items()
    ),
    *(
        Vector(f"rotation with {what}", "record", in_record(rotation=rotation), "record")
        for what, rotation in {
            "nothing": {},
            "a list": [],
            "a short id": ROTATION | {"id": "00"},
            "no step": {n: v for n, v in ROTATION.items() if n != "step"},
            "a time as text": ROTATION | {"at": "1"},
            "an old version that is not there": ROTATION | {"old": name("no version")},
            "a new version that is not there": ROTATION | {"new": name("no version")},
            "a grace before its beginning": ROTATION | {"grace": -1},
            "a flag as a number": ROTATION | {"leaked": 1},
            "a vendor's id as a number": ROTATION | {"new_id": 5},
        }.items()
    ),
    Vector("rotations in three parts", "record", in_record(rotations=[[1, 2, "done"]]), "record"),
    Vector("rotations at no time", "record", in_record(rotations=[[-1, 2, "done", "manual"]]), "record"),
    Vector("places of two parts", "record", in_record(places=[["dotenv", "/x"]]), "record"),
    Vector("places that are texts", "record", in_record(places=["abc"]), "record"),
    Vector("leaked at no time", "record", in_record(leaked=10**18), "record"),
    Vector("manager that is a number", "record", in_record(manager=5), "record"),
    Vector("record with env pairs of one", "record", in_record(env=[["AWS_WORK"]]), "record"),
    Vector("record with env pairs as text", "record", in_record(env=["AB"]), "record"),
    Vector("record with a variable that is a number", "record", in_record(env=[[1, ""]]), "record"),
    Vector("record with a tag that is a list", "record", in_record(tags={"a": []}), "record"),
    Vector("record with a revision of three", "record", in_record(revision=[1, "00", 0]), "record"),
    Vector("record with no versions", "record", in_record(versions=[]), "record"),
    Vector("record checked in three parts", "record", in_record(checked=["", 1, "valid"]), "record"),
    Vector("record checked at no time", "record", in_record(checked=["", -1, "valid", 200, ""]), "record"),
    Vector("record with a status as text", "record", in_record(checked=["", 1, "valid", "200", ""]), "record"),
    Vector("record with a balance that is a number", "record", in_record(balance=["", 1, [["a", "left", 5, "USD"]]]), "record"),
    Vector("record with a balance at no time", "record", in_record(balance=["", 10**18, []]), "record"),
    Vector("version of three parts", "record", in_record(versions=[[name("aws/work 1"), TIME, ""]]), "record"),
    Vector("version with a short id", "record", in_version(0, "00"), "record"),
    Vector("version with a time as text", "record", in_version(1, "now"), "record"),
    Vector("version with a blob that is a number", "record", in_version(2, 7), "record"),
    Vector("version with a blob that is not hex", "record", in_version(2, "x" * 64), "record"),
    Vector("version with a short blob", "record", in_version(2, "00"), "record"),
    Vector("version with a blob that is not there", "record", in_version(2, "00" * 32), "missing-blob"),
    Vector("version with a fingerprint that is a list", "record", in_version(3, []), "record"),
    Vector("stub with a wrong time", "record", lambda r: r | {"purged": "x"} if "purged" in r else r, "record"),
]


# -- values, journal, store ------------------------------------------------------------------------------------------------


def in_value(value: Any) -> Callable[..., Any]:
    return lambda values, ref, number: value if (ref, number) == ("aws/work", 1) else values


def other_version(keys: Keys, kind: str, position: bytes) -> tuple[Keys, str, bytes]:
    """What belongs to the first version of openai/default claims to be the second's."""
    wanted = bytes.fromhex(name("openai/default 0"))
    return keys, kind, position[:16] + bytes.fromhex(name("openai/default 1")) if position[16:] == wanted else position


def swapped_values(one: int, other: int) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """The newest values of two records, or two versions' of the first, change places."""

    def fault(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        first, second = records[0]["versions"][0], records[one]["versions"][other]
        first[2:], second[2:] = second[2:], first[2:]
        return [*records]

    return fault


def dropped_row(rows: list[Any]) -> list[Any]:
    return [row for number, row in enumerate(rows) if number != 2]


def swapped_rows(bodies: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    (a, one), (b, two) = bodies[1:3]
    return [bodies[0], (a, two), (b, one), *bodies[3:]]


def in_row(number: int, **fields: Any) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda rows: [row | fields if row["seq"] == number else row for row in rows]


def altered_row(bodies: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [(seq, body.replace(b'"add"', b'"edit"') if seq == 2 else body) for seq, body in bodies]


JOURNAL = [
    Vector("value of another version", "place", elsewhere("value", other_version), "seal"),
    Vector("value of another epoch", "place", elsewhere("value", of_another_epoch), "seal"),
    Vector("values of two versions swapped", "records", swapped_values(0, 1), "seal"),
    Vector("values of two keys swapped", "records", swapped_values(2, 0), "seal"),
    Vector("value's padding not zero", "framed", only("value", flip(-1)), "padding"),
    Vector("value padded too far", "framed", only("value", lambda framed: framed + bytes(256)), "padding"),
    Vector("value that is a page", "place", elsewhere("value", lambda keys, kind, place: (keys, "page", place)), "seal"),
    Vector("value with a number", "value", in_value({"": "AKIB", "region": 5}), "value"),
    Vector("value that is too long", "value", in_value({"": "AKIB", "secret": "x" * 65_537}), "value"),
    Vector("journal row dropped", "rows", dropped_row, "seal"),
    Vector("journal row dropped, and bridged", "rows", lambda rows: dropped_row(in_row(4, previous=2)(rows)), "journal"),
    Vector("journal rows swapped", "bodies", swapped_rows, "journal"),
    Vector("journal row renumbered", "rows", in_row(3, seq=4), "seal"),
    Vector("journal row repeated", "bodies", lambda bodies: [*bodies[:2], *bodies[1:]], "seal"),
    Vector("journal row altered", "bodies", altered_row, "chain"),
    Vector("journal without its first row", "bodies", lambda bodies: bodies[1:], "journal"),
    Vector("journal row after none", "rows", in_row(3, previous=0), "journal"),
    Vector("journal row after itself", "rows", in_row(3, previous=3), "journal"),
    Vector("journal row that names no row before", "row", lambda before, seq: NO_ID if seq == 3 else before, "journal"),
    Vector(
        "first journal row that names a row before", "row", lambda before, seq: sha(b"x") if seq == 1 else before, "journal"
    ),
    Vector("journal row that names another blob", "row", lambda before, seq: sha(b"x") if seq == 3 else before, "missing-blob"),
    Vector("journal row with a wrong time", "rows", in_row(3, at="now"), "journal"),
    Vector("journal row with a wrong commit", "rows", in_row(3, commit="x"), "journal"),
    Vector("journal row with wrong keys", "rows", in_row(3, keys=[1]), "journal"),
    Vector("journal row with 33 keys", "rows", in_row(3, keys=[name("k")] * 33), "journal"),
    Vector("journal row that abandons nothing", "rows", in_row(3, abandoned=None), "journal"),
    Vector("journal row's padding not zero", "framed", only("journal", flip(-1)), "padding"),
]


def replayed_page(blobs: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """An older page of the same place, key and size under the id of the present one."""
    older = Forge("record", in_record(note="older ones"))
    for kind, secret in SECRETS.items():
        older.slot(kind, secret)  # so that the values are sealed as in the present vault, and the older page's are all there
    top = older.plant(sorted(older.filed(record) for record in older.records()), b"")
    present = max(blobs, key=lambda blob_id: len(blobs[blob_id]))
    assert len(older.blobs[top.id]) == len(blobs[present])
    return {**blobs, present: older.blobs[top.id]}


def sql(*words: str) -> Callable[[sqlite3.Connection], None]:
    def fault(db: sqlite3.Connection) -> None:
        for text in words:
            db.execute(text).fetchall()

    return fault


def bulk(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO blob VALUES (?, ?)", (sha(b"huge"), bytes(5 << 20)))


AS_TEXT = "UPDATE {} SET bytes = CAST(bytes AS TEXT)"
REMADE = (
    "ALTER TABLE blob RENAME TO old",
    "CREATE TABLE blob {}",
    "INSERT INTO blob SELECT id, bytes FROM old",
    "DROP TABLE old",
)

STORE = [
    Vector("another application_id", "db", sql("PRAGMA application_id = 7"), "schema", UnsupportedFormat),
    Vector("user_version 0", "db", sql("PRAGMA user_version = 0"), "newer-format", UnsupportedFormat),
    Vector("user_version 2", "db", sql("PRAGMA user_version = 2"), "newer-format", UnsupportedFormat),
    Vector("WAL mode", "db", sql("PRAGMA journal_mode = WAL"), "schema"),
    Vector("a table more", "db", sql("CREATE TABLE more (a)"), "schema"),
    Vector("an index more", "db", sql("CREATE INDEX more ON blob (bytes)"), "schema"),
    Vector("a view more", "db", sql("CREATE VIEW more AS SELECT 1"), "schema"),
    Vector("a trigger more", "db", sql("CREATE TRIGGER more AFTER DELETE ON blob BEGIN SELECT 1; END"), "schema"),
    Vector("statistics", "db", sql("ANALYZE"), "schema"),
    Vector("no head table", "db", sql("DROP TABLE head"), "schema"),
    Vector(
        "a view in place of the head",
        "db",
        sql("DROP TABLE head", "CREATE VIEW head AS SELECT 1 AS one, x'00' AS bytes"),
        "schema",
    ),
    Vector("other columns", "db", sql(*(part.format("(id TEXT PRIMARY KEY, bytes BLOB)") for part in REMADE)), "schema"),
    Vector(
        "another spelling of a table",
        "db",
        sql(*(p.format("(id BLOB NOT NULL PRIMARY KEY,bytes BLOB NOT NULL)") for p in REMADE)),
        "schema",
    ),
    Vector("head with no row", "db", sql("DELETE FROM head"), "schema"),
    Vector(
        "head with two rows",
        "db",
        sql("PRAGMA ignore_check_constraints = ON", "INSERT INTO head SELECT 2, bytes FROM head"),
        "schema",
    ),
    Vector("head as text", "db", sql(AS_TEXT.format("head")), "schema"),
    Vector("head as a number", "db", sql("UPDATE head SET bytes = 5"), "schema"),
    Vector("blobs as text", "db", sql(AS_TEXT.format("blob")), "schema"),
    Vector("blobs as numbers", "db", sql("UPDATE blob SET bytes = 1.5"), "schema"),
    Vector("blob ids as text", "db", sql("UPDATE blob SET id = CAST(id AS TEXT)"), "missing-blob"),
    Vector(
        "a blob once more, its id as text",
        "db",
        sql("INSERT INTO blob SELECT CAST(id AS TEXT), bytes FROM blob LIMIT 1"),
        "orphan",
    ),
    Vector("a blob with a number as id", "db", sql("INSERT INTO blob VALUES (1, x'00')"), "orphan"),
    Vector("a blob without use", "blobs", lambda blobs: {**blobs, sha(b"keyvault/1/blob\0", b"x"): b"x"}, "orphan"),
    Vector("a row of 5 MiB", "db", bulk, "orphan"),
    Vector("a head of 5 MiB", "head", lambda head: head + bytes(5 << 20), "schema"),
    Vector("an older page in place of the present one", "blobs", replayed_page, "blob-id"),
    Vector("no blobs", "blobs", lambda blobs: {}, "missing-blob"),
    Vector(
        "blob with another's content",
        "blobs",
        lambda blobs: dict(zip(blobs, [*list(blobs.values())[1:], b""], strict=True)),
        "blob-id",
    ),
    Vector("blobs cut to 39 bytes", "db", sql("UPDATE blob SET bytes = substr(bytes, 1, 39)"), "blob-id"),
    Vector("blobs of no bytes", "db", sql("UPDATE blob SET bytes = x''"), "blob-id"),
]

FAULTS = [*HEAD, *SLOTS, *PAGES, *RECORDS, *JOURNAL, *STORE]


class ValidVault(NamedTuple):
    """A vault that both readers must read alike, as `kind` opens it."""

    name: str
    forge: Callable[[], Forge]
    kind: str = KEY_FILE


def gap(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last row is a restore that goes on from row 4 and leaves a gap."""
    return [*rows[:4], rows[4] | {"seq": 9, "abandoned": [8, "00" * 32], "what": "restore"}]


VALID = [
    *(ValidVault(f"opened by {kind}", Forge, kind) for kind in (PASSPHRASE, KEY_FILE, "keyring", "recovery")),
    ValidVault("with a branch", lambda: Forge(wide=True)),
    ValidVault("of the last epoch", lambda: Forge(epoch=2**32 - 1)),
    ValidVault("with 64 slots", lambda: Forge("header", many_slots(64))),
    ValidVault("with no records", lambda: Forge(bare=True)),
    ValidVault("with a restore that leaves a gap", lambda: Forge("rows", gap)),
    ValidVault("with a record of 16,384 bytes", lambda: Forge("record", filled_record)),
    ValidVault("with a key that is being replaced", lambda: Forge("record", in_record(**REPLACED))),
    ValidVault("with unknown fields in its root", lambda: Forge("root", in_root(later=[1]))),
    ValidVault("with unknown fields in a row", lambda: Forge("rows", in_row(3, later={"a": 1}))),
    ValidVault("with a value of 64 KiB", lambda: Forge("value", in_value({"": "AKIB", "secret": "\x01" * 65_536}))),
]


def filled_record(record: dict[str, Any]) -> dict[str, Any]:
    if record.get("ref") != "aws/work":
        return record
    record = record | {"note": ""}
    return record | {"note": "n" * (16_384 - len(canonical(record)))}


# -- what a machine remembers ------------------------------------------------------------------------------------------------


class Memory(NamedTuple):
    """An anchor (and a pin) for a vault of `rows`; both readers answer `reason`, keyvault with `error` (None: it opens)."""

    name: str
    anchor: dict[str, Any]
    reason: str
    error: type[KeyvaultError] | None = None
    rows: Callable[..., Any] = unchanged
    pinned: str = VAULT_ID.hex()


def restored(seq: int, chain: bytes) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Row 5 becomes a restore that abandons a state."""
    return lambda rows: [*rows[:4], rows[4] | {"seq": max(seq, 4) + 1, "abandoned": [seq, chain.hex()]}]


CHAIN, OTHER = chains(), sha(b"another chain")
MEMORIES = [
    Memory("the same state", anchor(5, CHAIN[5]), "same"),
    *(Memory(f"change {seq}", anchor(seq, CHAIN[seq]), "newer") for seq in (1, 2, 3, 4)),
    Memory("a newer state", anchor(6, OTHER), "rolled-back", RolledBack),
    Memory("a state far ahead", anchor(2**62, OTHER), "rolled-back", RolledBack),
    Memory("another state of this number", anchor(5, OTHER), "forked", Forked),
    Memory("another state of an earlier number", anchor(3, OTHER), "forked", Forked),
    Memory("an earlier state under a wrong number", anchor(2, CHAIN[3]), "forked", Forked),
    Memory("the first state of another line", anchor(1, OTHER), "forked", Forked),
    Memory("the state that a restore abandoned", anchor(8, OTHER), "newer", rows=restored(8, OTHER)),
    Memory("an earlier state that a restore abandoned", anchor(4, OTHER), "newer", rows=restored(4, OTHER)),
    Memory("a state before the one that a restore abandoned", anchor(3, CHAIN[3]), "newer", rows=restored(8, OTHER)),
    Memory("another state than a restore abandoned", anchor(8, CHAIN[1]), "forked", Forked, restored(8, OTHER)),
    Memory("another number than a restore abandoned", anchor(7, OTHER), "forked", Forked, restored(8, OTHER)),
    Memory("a state in the gap of a restore", anchor(6, CHAIN[4]), "forked", Forked, restored(8, OTHER)),
    Memory("another vault at this path", anchor(5, CHAIN[5]), "replaced", Replaced, pinned=name("another")),
    Memory("an anchor with a seq as text", anchor(5, CHAIN[5]) | {"seq": "5"}, "first"),
    Memory("an anchor with an infinite seq", anchor(5, CHAIN[5]) | {"seq": float("inf")}, "first"),
    Memory("an anchor with seq -1", anchor(-1, CHAIN[5]), "first"),
    Memory("an anchor with a seq of 65 bits", anchor(2**64, CHAIN[5]), "first"),
    Memory("an anchor with a chain that is not hex", anchor(5, "zz" * 32), "first"),
    Memory("an anchor with a short chain", anchor(5, "00"), "first"),
    Memory("an anchor with a chain that is a list", anchor(5, CHAIN[5]) | {"chain": []}, "first"),
]
