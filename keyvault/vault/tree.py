"""The tree of records: radix 16 on HMAC(ref), in content-addressed pages.

A node is a leaf exactly when its records take at most LEAF_LIMIT bytes, so one set of records has one shape. A parent names
its child by hash, size and count; the head names the top; so a page that is believed was written by the owner, for this place.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from keyvault.vault.codec import ID_SIZE, NO_ID, altered

LEAF_LIMIT = 32 * 1024
TAG_SIZE = 32
_FRAME = TAG_SIZE + 2
_CHILD = ID_SIZE + 8  # a Node in a branch page: id, size, records
_DEEPEST = 2 * TAG_SIZE
_AT_ONCE = 32  # pages: 1 MiB

Fetch = Callable[[list[tuple[bytes, bytes]]], list[bytes]]  # (id, path) pairs -> opened pages, in order
Seal = Callable[[bytes, bytes], tuple[bytes, bytes]]  # (path, page) -> (id, sealed bytes)


class Node(NamedTuple):
    """A page as its parent knows it: blob id, bytes of framed records below it, number of records below it."""

    id: bytes
    size: int
    records: int


NOTHING = Node(NO_ID, 0, 0)


def remembering(fetch: Fetch) -> Fetch:
    """The same, for many lookups in one state: each page is fetched and opened once."""
    known: dict[tuple[bytes, bytes], bytes] = {}

    def once(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        missing = [page for page in wanted if page not in known]
        known.update(zip(missing, fetch(missing) if missing else [], strict=True))
        return [known[page] for page in wanted]

    return once


def lookup(fetch: Fetch, top: Node, tag: bytes) -> bytes | None:
    """The record filed under `tag`, or None, which is as well authenticated as a record."""
    node, path = top, b""
    while True:
        page = _page(fetch, node, path)
        if page[:1] == b"L":
            return next((record for found, record in records_of(page, node, path) if found == tag), None)
        children = _children(page, node, path)
        path += bytes([_nibble(tag, len(path))])
        node = children[path[-1]]
        if node == NOTHING:
            return None


def walk(fetch: Fetch, top: Node) -> Iterator[tuple[bytes, bytes]]:
    """All (tag, record) pairs, level by level. Many pages are fetched together."""
    for node, path, page in pages(fetch, top):
        yield from records_of(page, node, path)


def pages(fetch: Fetch, top: Node, path: bytes = b"") -> Iterator[tuple[Node, bytes, bytes]]:
    """All (node, path, opened page) at and below `top`, which lies at `path`; parents first."""
    level = [(top, path)]
    while level:
        below: list[tuple[Node, bytes]] = []
        for (node, where), page in _opened(fetch, level):
            yield node, where, page
            if page[:1] == b"B":
                children = enumerate(_children(page, node, where))
                below += [(child, where + bytes([n])) for n, child in children if child != NOTHING]
            elif page[:1] != b"L":
                raise altered("a page")
        level = below


def _opened(fetch: Fetch, wanted: list[tuple[Node, bytes]]) -> Iterator[tuple[tuple[Node, bytes], bytes]]:
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        yield from zip(part, fetch([(node.id, where) for node, where in part]), strict=True)


class Update(NamedTuple):
    """A new top, the pages to add, and the ids of pages that it no longer needs."""

    top: Node
    add: dict[bytes, bytes]
    drop: set[bytes]


def update(fetch: Fetch, seal: Seal, top: Node | None, changes: Mapping[bytes, bytes | None]) -> Update:
    """Put (bytes) or remove (None) records by tag. `top` None starts an empty tree."""
    plan = _Plan(fetch)
    changed = plan.change(top or NOTHING, b"", changes)
    add: dict[bytes, bytes] = {}

    def write(item: Node | _Leaf | _Branch, path: bytes) -> Node:
        if isinstance(item, Node):
            return item
        if isinstance(item, dict):
            if not item and path:
                return NOTHING
            framed = b"".join(tag + len(r).to_bytes(2, "big") + r for tag, r in sorted(item.items()))
            page, size, count = b"L" + len(item).to_bytes(4, "big") + framed, len(framed), len(item)
        else:
            children = [write(child, path + bytes([n])) for n, child in enumerate(item)]
            page = b"B" + b"".join(c.id + c.size.to_bytes(4, "big") + c.records.to_bytes(4, "big") for c in children)
            size, count = sum(c.size for c in children), sum(c.records for c in children)
        name, sealed = seal(path, page)
        add[name] = sealed
        return Node(name, size, count)

    return Update(write(changed, b""), add, plan.replaced)


_Leaf = dict[bytes, bytes]
if TYPE_CHECKING:
    _Branch = list[Node | "_Leaf" | "_Branch"]
else:  # not in quotes: see keyvault.vault.keys
    _Branch = list


class _Plan:
    """The changed part of a tree, in memory, before anything is sealed."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.replaced: set[bytes] = set()

    def change(self, item: Node, path: bytes, wanted: Mapping[bytes, bytes | None]) -> _Leaf | _Branch:
        if item == NOTHING:
            return self._shape({tag: record for tag, record in wanted.items() if record is not None}, path)
        page = _page(self._fetch, item, path)
        self.replaced.add(item.id)
        if page[:1] == b"L":
            records = dict(records_of(page, item, path))
            for tag, record in wanted.items():
                records.pop(tag, None)
                if record is not None:
                    records[tag] = record
            return self._shape(records, path)
        known = _children(page, item, path)
        parts = _split(wanted, len(path))
        children: _Branch = [
            self.change(child, path + bytes([n]), part) if part else child
            for n, (child, part) in enumerate(zip(known, parts, strict=True))
        ]
        if _size(children) <= LEAF_LIMIT:
            return self._gather(children, path)
        return children

    def _shape(self, records: _Leaf, path: bytes) -> _Leaf | _Branch:
        if _size(records) <= LEAF_LIMIT:
            return records
        return [self._shape(part, path + bytes([n])) for n, part in enumerate(_split(records, len(path)))]

    def _gather(self, item: Node | _Leaf | _Branch, path: bytes) -> _Leaf:
        """All records of a branch that has shrunk to a leaf."""
        if isinstance(item, dict):
            return item
        records: _Leaf = {}
        if isinstance(item, list):
            for n, child in enumerate(item):
                records |= self._gather(child, path + bytes([n]))
        elif item != NOTHING:
            for node, where, page in pages(self._fetch, item, path):
                self.replaced.add(node.id)
                records.update(records_of(page, node, where))
        return records


def _size(item: Node | _Leaf | _Branch) -> int:
    if isinstance(item, Node):
        return item.size
    if isinstance(item, dict):
        return sum(_FRAME + len(record) for record in item.values())
    return sum(_size(child) for child in item)


R = TypeVar("R")


def _split(records: Mapping[bytes, R], depth: int) -> list[dict[bytes, R]]:
    parts: list[dict[bytes, R]] = [{} for _ in range(16)]
    for tag, record in records.items():
        parts[_nibble(tag, depth)][tag] = record
    return parts


def _nibble(tag: bytes, depth: int) -> int:
    return tag[depth // 2] & 15 if depth % 2 else tag[depth // 2] >> 4


def _page(fetch: Fetch, node: Node, path: bytes) -> bytes:
    page = fetch([(node.id, path)])[0]
    if page[:1] not in (b"L", b"B"):
        raise altered("a page")
    return page


def _children(page: bytes, node: Node, path: bytes) -> list[Node]:
    if len(page) != 1 + 16 * _CHILD or len(path) >= _DEEPEST:
        raise altered("a branch page")
    children = [_child(page[at : at + _CHILD]) for at in range(1, len(page), _CHILD)]
    size, count = sum(child.size for child in children), sum(child.records for child in children)
    empty = any(not child.records and child != NOTHING for child in children)
    if (size, count) != (node.size, node.records) or size <= LEAF_LIMIT or empty:
        raise altered("a branch page")
    return children


def _child(packed: bytes) -> Node:
    size, records = packed[ID_SIZE : ID_SIZE + 4], packed[ID_SIZE + 4 :]
    return Node(packed[:ID_SIZE], int.from_bytes(size, "big"), int.from_bytes(records, "big"))


def records_of(page: bytes, node: Node, path: bytes) -> list[tuple[bytes, bytes]]:
    """The (tag, record) pairs of an opened leaf, in order; nothing for a branch. Raises VaultCorrupt."""
    if page[:1] == b"B":
        return []
    if len(page) - 5 != node.size or node.size > LEAF_LIMIT or int.from_bytes(page[1:5], "big") != node.records:
        raise altered("a leaf page")
    records, at, last = [], 5, b""
    while at < len(page):
        tag, end = page[at : at + TAG_SIZE], at + _FRAME + int.from_bytes(page[at + TAG_SIZE : at + _FRAME], "big")
        if tag <= last:
            raise altered("a leaf page")
        records.append((tag, page[at + _FRAME : end]))
        at, last = end, tag
    outer = records[:1] + records[-1:]  # sorted, so these two answer for all between them
    if at != len(page) or len(records) != node.records or any(not _is_below(tag, path) for tag, _ in outer):
        raise altered("a leaf page")
    return records


def _is_below(tag: bytes, path: bytes) -> bool:
    return all(_nibble(tag, n) == step for n, step in enumerate(path))
