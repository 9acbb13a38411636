"""The log of commits: one sealed row each, chained by hash.

The chain runs over the rows' plain text, so that a rekey can seal them anew and the anchor still recognises the line. Each
row holds a random commit id: two vaults that did the same things still have different chains.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from keyvault.core.clock import is_time
from keyvault.crypto.primitives import random_bytes, sha256
from keyvault.vault.codec import ID_SIZE, NO_ID, altered, dump_json, is_hex, load_json, take

MOST_KEYS = 32  # a batch names its first keys only


class Row(NamedTuple):
    """One commit. `previous` is the seq of the row before; a restore may leave a gap. `abandoned` is (seq, chain hash)."""

    seq: int
    previous: int
    commit: str
    what: str
    at: int
    keys: tuple[str, ...]
    total: int
    abandoned: tuple[int, str] | None


Open = Callable[[bytes, int], bytes]  # (blob id, seq) -> opened row


def new_row(seq: int, previous: int, what: str, at: int, keys: list[str], abandoned: tuple[int, str] | None = None) -> Row:
    """A row for a commit that is about to be made."""
    return Row(seq, previous, random_bytes(16).hex(), what, at, tuple(keys[:MOST_KEYS]), len(keys), abandoned)


def encode(row: Row) -> bytes:
    """The row's body, over which the chain runs."""
    body: dict[str, Any] = row._asdict()
    if row.abandoned is None:
        del body["abandoned"]
    return dump_json(body)


def decode(opened: bytes, seq: int) -> tuple[bytes, Row, bytes]:
    """The id of the row before, the row, and its body. Raises VaultCorrupt."""
    before, body = opened[:ID_SIZE], opened[ID_SIZE:]
    fields = load_json(body, "a journal row")
    abandoned = None
    if "abandoned" in fields:
        pair = take(fields, "abandoned", list, lambda p: [type(x) for x in p] == [int, str] and is_hex(32)(p[1]))
        abandoned = (pair[0], pair[1])
    row = Row(
        seq=take(fields, "seq", int, lambda n: n == seq),
        previous=take(fields, "previous", int, lambda n: 0 <= n < seq),
        commit=take(fields, "commit", str, is_hex(16)),
        what=take(fields, "what", str),
        at=take(fields, "at", int, is_time),
        keys=tuple(take(fields, "keys", list, _are_ids)),
        total=take(fields, "total", int),
        abandoned=abandoned,
    )
    if row.previous != seq - 1 and row.abandoned is None:
        raise altered("a journal row")
    if (row.previous == 0) != (before == NO_ID):
        raise altered("a journal row")
    return before, row, body


def _are_ids(keys: list[Any]) -> bool:
    return len(keys) <= MOST_KEYS and all(type(key) is str and is_hex(16)(key) for key in keys)


def first_link(vault_id: str) -> bytes:
    """The chain hash before any row."""
    return sha256(b"keyvault/1/chain\x00", bytes.fromhex(vault_id))


def link(before: bytes, body: bytes) -> bytes:
    """The chain hash after a row."""
    return sha256(b"keyvault/1/chain\x00", before, body)


def back(open_row: Open, newest: bytes, seq: int) -> Iterator[tuple[bytes, Row, bytes]]:
    """From the newest row to the first: (blob id, row, body). Raises VaultCorrupt."""
    name = newest
    while seq:
        before, row, body = decode(open_row(name, seq), seq)
        yield name, row, body
        name, seq = before, row.previous
