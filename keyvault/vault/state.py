"""One state of a vault: the head and its parts, sealed and opened."""

from typing import NamedTuple

from keyvault.crypto.primitives import random_bytes, sha256
from keyvault.vault import codec, tree
from keyvault.vault.codec import NO_ID, Header, VaultKeys, dump_json, is_hex, load_json, take


class Root(NamedTuple):
    """The sealed part of the head: everything that is believed hangs from it."""

    top: tree.Node
    journal: bytes
    chain: bytes
    seq: int
    fingerprint_key: bytes


class State(NamedTuple):
    """One state of the vault: the head's bytes, and what they mean."""

    head: bytes
    header: Header
    root: Root


def value_place(key_id: str, version_id: str) -> bytes:
    """Where a value belongs: record id and version id, so that a rename seals nothing anew."""
    return bytes.fromhex(key_id) + bytes.fromhex(version_id)


def seal_page(header: Header, keys: VaultKeys, path: bytes, page: bytes) -> tuple[bytes, bytes]:
    """A page's id and sealed bytes."""
    blob = codec.seal(codec.PAGE, keys.page, header, path, page)
    return codec.blob_id(blob), blob


def seal_row(header: Header, keys: VaultKeys, seq: int, body: bytes, before: bytes, chain: bytes) -> tuple[bytes, bytes, bytes]:
    """A journal row's id and sealed bytes, and the chain hash after it."""
    from keyvault.vault import journal

    blob = codec.seal(codec.JOURNAL, keys.journal, header, seq.to_bytes(8, "big"), before + body)
    return codec.blob_id(blob), blob, journal.link(chain, body)


def seal_head(header: Header, keys: VaultKeys, root: Root) -> bytes:
    """The head's bytes."""
    clear = codec.encode_header(header)
    body = dump_json(
        {
            "chain": root.chain.hex(),
            "fingerprint_key": root.fingerprint_key.hex(),
            "journal": root.journal.hex(),
            "seq": root.seq,
            "top": [root.top.id.hex(), root.top.size, root.top.records],
        }
    )
    return clear + codec.seal(codec.ROOT, keys.root, header, sha256(clear), body)


def open_root(header: Header, clear: bytes, keys: VaultKeys, sealed: bytes) -> Root:
    """Read what seal_head sealed. Raises VaultCorrupt."""
    fields = load_json(codec.unseal(codec.ROOT, keys.root, header, sha256(clear), sealed), "its root")
    top = take(fields, "top", list, lambda t: [type(x) for x in t] == [str, int, int] and is_hex(32)(t[0]))
    return Root(
        top=tree.Node(bytes.fromhex(top[0]), top[1], top[2]),
        journal=bytes.fromhex(take(fields, "journal", str, is_hex(32))),
        chain=bytes.fromhex(take(fields, "chain", str, is_hex(32))),
        seq=take(fields, "seq", int, lambda n: 0 < n < 2**63),
        fingerprint_key=bytes.fromhex(take(fields, "fingerprint_key", str, is_hex(32))),
    )


def first_state(header: Header, keys: VaultKeys, at: int) -> tuple[dict[bytes, bytes], bytes, Root]:
    """The blobs, head and root of a new, empty vault."""
    from keyvault.vault import journal

    changed = tree.update(lambda _: [], lambda path, page: seal_page(header, keys, path, page), None, {})
    row = journal.new_row(1, 0, "init", at, [])
    name, blob, chain = seal_row(header, keys, 1, journal.encode(row), NO_ID, journal.first_link(header.vault_id))
    root = Root(changed.top, name, chain, 1, random_bytes(32))
    return {**changed.add, name: blob}, seal_head(header, keys, root), root
