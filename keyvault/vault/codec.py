"""Bytes <-> head, pages and rows, as docs/format.md lays down. Every reader here takes bytes from a stranger."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from keyvault.core.errors import UnsupportedFormat, VaultCorrupt
from keyvault.crypto import aead
from keyvault.crypto.primitives import expand, sha256

MAGIC = b"keyvault/1\n"
LARGEST_HEADER = 64 * 1024
ID_SIZE = 32
NO_ID = bytes(ID_SIZE)

PAGE_STEP = 1024
JOURNAL_STEP = 256
ROOT_STEP = 512


class Header(NamedTuple):
    """The clear part of the head. `slots` are the raw, canonical objects; keyvault.vault.slots reads them."""

    vault_id: str
    epoch: int
    slots: tuple[dict[str, Any], ...]


class VaultKeys(NamedTuple):
    """One key a purpose, all from the epoch's vault key."""

    vault_key: bytes
    root: bytes
    page: bytes
    value: bytes
    journal: bytes
    tag: bytes


def derive_keys(vault_key: bytes, vault_id: str, epoch: int) -> VaultKeys:
    """The purpose keys of one epoch."""
    bound = bytes.fromhex(vault_id) + epoch.to_bytes(4, "big")
    purposes = VaultKeys._fields[1:]
    return VaultKeys(
        vault_key, *(expand(vault_key, b"keyvault/1/purpose\x00" + p.encode() + b"\x00" + bound) for p in purposes)
    )


def altered(what: str) -> VaultCorrupt:
    """The one answer to bytes that are not what the owner wrote."""
    return VaultCorrupt(
        f"the vault is damaged or was altered: {what}",
        "run keyvault doctor; a backup is put back with keyvault restore FILE",
    )


# -- JSON, in exactly one spelling


def _no_float(text: str) -> NoReturn:
    raise ValueError(text)


_JSON = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float)


def dump_json(value: object) -> bytes:
    """Canonical JSON: UTF-8, sorted keys, no spaces, nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def load_json(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises VaultCorrupt."""
    try:
        text = data.decode()
        value, end = _JSON.raw_decode(text)
    except (ValueError, RecursionError) as exc:
        raise altered(what) from exc
    if not isinstance(value, dict) or end != len(text):
        raise altered(what)
    return value


def load_canonical(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object in its one spelling: no duplicate keys, floats, spaces or other order. Raises VaultCorrupt."""
    value = load_json(data, what)
    try:
        if dump_json(value) != data:
            raise altered(what)
    except (ValueError, RecursionError) as exc:
        raise altered(what) from exc
    return value


def take(record: dict[str, Any], name: str, kind: type, check: Callable[[Any], bool] | None = None) -> Any:
    """Remove and return a field of exactly this type. Raises VaultCorrupt."""
    value = record.pop(name, None)
    if type(value) is not kind or (check and not check(value)):
        raise altered(f"field {name}")
    return value


def is_hex(size: int) -> Callable[[str], bool]:
    """A check for `size` bytes in lower-case hex."""
    return lambda text: len(text) == 2 * size and not text.strip("0123456789abcdef")


# -- Head


def encode_header(header: Header) -> bytes:
    """The clear part of the head, with magic and length."""
    body = dump_json({"epoch": header.epoch, "slots": list(header.slots), "vault": header.vault_id})
    return MAGIC + len(body).to_bytes(4, "big") + body


def split_head(head: bytes) -> tuple[bytes, bytes]:
    """The header's bytes and the sealed root. Raises UnsupportedFormat, VaultCorrupt."""
    if not head.startswith(MAGIC):
        if head.startswith(b"keyvault/"):
            raise UnsupportedFormat("the vault was written by a newer keyvault", "update keyvault")
        raise altered("its head")
    start = len(MAGIC) + 4
    size = int.from_bytes(head[len(MAGIC) : start], "big")
    if size > LARGEST_HEADER or len(head) < start + size:
        raise altered("its head")
    return head[: start + size], head[start + size :]


def decode_header(data: bytes) -> Header:
    """Read what encode_header wrote. Raises VaultCorrupt."""
    fields = load_canonical(data[len(MAGIC) + 4 :], "its header")
    epoch = take(fields, "epoch", int, lambda n: 0 < n < 2**32)
    slots = take(fields, "slots", list, lambda s: all(isinstance(slot, dict) for slot in s))
    vault_id = take(fields, "vault", str, is_hex(16))
    if fields:
        raise UnsupportedFormat("the vault was written by a newer keyvault", "update keyvault")
    return Header(vault_id, epoch, tuple(slots))


# -- Sealing, with padding and position


def associated(kind: bytes, header: Header, position: bytes) -> bytes:
    """What a message is bound to: kind, epoch, vault and place."""
    where = header.epoch.to_bytes(4, "big") + bytes.fromhex(header.vault_id) + len(position).to_bytes(2, "big") + position
    return b"keyvault/1/" + kind + b"\x00" + where


def stepped(step: int) -> Callable[[int], int]:
    """Padding to the next multiple of `step`."""
    return lambda size: -(-size // step) * step


def doubled(size: int) -> int:
    """Padding to 256 bytes, then to powers of two."""
    return max(256, 1 << (size - 1).bit_length())


class Kind:
    """A kind of sealed message: its name, and the padded size for a size."""

    def __init__(self, name: bytes, padded: Callable[[int], int]) -> None:
        self.name = name
        self.padded = padded


ROOT = Kind(b"root", stepped(ROOT_STEP))
PAGE = Kind(b"page", stepped(PAGE_STEP))
JOURNAL = Kind(b"journal", stepped(JOURNAL_STEP))
VALUE = Kind(b"value", doubled)


def seal(kind: Kind, key: bytes, header: Header, position: bytes, data: bytes) -> bytes:
    """Pad and seal `data` for one place in one vault."""
    framed = len(data).to_bytes(4, "big") + data
    framed += bytes(kind.padded(len(framed)) - len(framed))
    return aead.seal(key, framed, associated(kind.name, header, position))


def unseal(kind: Kind, key: bytes, header: Header, position: bytes, message: bytes) -> bytes:
    """Read what seal wrote. Raises VaultCorrupt."""
    what = f"a {kind.name.decode()}"
    try:
        framed = aead.open_sealed(key, message, associated(kind.name, header, position))
    except aead.OpenFailed as exc:
        raise altered(what) from exc
    size = int.from_bytes(framed[:4], "big")
    end = 4 + size
    if end > len(framed) or len(framed) != kind.padded(end) or framed.count(0, end) != len(framed) - end:
        raise altered(what)
    return framed[4:end]


def blob_id(blob: bytes) -> bytes:
    """The name of a sealed blob: a hash of its bytes."""
    return sha256(b"keyvault/1/blob\x00", blob)
