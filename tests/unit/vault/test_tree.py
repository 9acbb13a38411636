from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.core.errors import VaultCorrupt
from keyvault.vault import tree
from keyvault.vault.tree import LEAF_LIMIT, NOTHING, Node

FRAME = 34


class Pages:
    """A tree whose pages are kept by (path, page) instead of being sealed: equal pages have equal ids."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, tuple[bytes, bytes]] = {}
        self.top: Node | None = None
        self.fetched = 0

    def seal(self, path: bytes, page: bytes) -> tuple[bytes, bytes]:
        name = hashlib.sha256(path + b"|" + page).digest()
        self.blobs[name] = (path, page)
        return name, page

    def fetch(self, wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        self.fetched += len(wanted)
        assert all(self.blobs[name][0] == path for name, path in wanted), "a page is asked for at its own path"
        return [self.blobs[name][1] for name, path in wanted]

    def change(self, changes: Mapping[bytes, bytes | None]) -> None:
        before = set(self.blobs)
        update = tree.update(self.fetch, self.seal, self.top, changes)
        assert update.drop <= before
        for name in update.drop - set(update.add):
            del self.blobs[name]
        self.top = update.top

    def content(self) -> set[tuple[bytes, bytes]]:
        """All that the store would hold; pages that nothing refers to would show here."""
        return set(self.blobs.values())

    def records(self) -> dict[bytes, bytes]:
        assert self.top
        return dict(tree.walk(self.fetch, self.top))

    def depth(self) -> int:
        return max(len(path) for path, _ in self.blobs.values())


def tag(n: int) -> bytes:
    return hashlib.sha256(b"%d" % n).digest()


def planted(records: Mapping[bytes, bytes | None]) -> Pages:
    pages = Pages()
    pages.change(records)
    return pages


TAGS = st.integers(0, 40).map(tag)
# Small, large, and exactly as large as a half or a quarter of a leaf.
RECORDS = st.sampled_from(
    [b"", b"x", b"y" * 200, b"z" * 5_000, b"h" * (LEAF_LIMIT // 2 - FRAME), b"q" * (LEAF_LIMIT // 4 - FRAME)]
)
STEPS = st.lists(st.dictionaries(TAGS, st.none() | RECORDS, max_size=8), max_size=8)


@settings(max_examples=150)
@given(steps=STEPS)
def test_the_shape_depends_on_the_records_and_not_on_their_history(steps: list[dict[bytes, bytes | None]]) -> None:
    pages, model = planted({}), dict[bytes, bytes]()
    for step in steps:
        pages.change(step)
        for name, record in step.items():
            model.pop(name, None)
            if record is not None:
                model[name] = record
        assert pages.records() == model
        assert pages.content() == planted(model).content()
    one_by_one = planted({})
    for name in reversed(list(model)):
        one_by_one.change({name: model[name]})
    assert one_by_one.content() == pages.content()
    assert one_by_one.top == pages.top


@given(steps=STEPS)
def test_every_record_is_found_and_no_other(steps: list[dict[bytes, bytes | None]]) -> None:
    pages = planted({})
    for step in steps:
        pages.change(step)
    found = pages.records()
    assert pages.top
    for n in range(45):
        assert tree.lookup(pages.fetch, pages.top, tag(n)) == found.get(tag(n))
    assert (pages.top.records, pages.top.size) == (len(found), sum(FRAME + len(record) for record in found.values()))


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_leaf_splits_at_its_limit_and_not_before(over: int) -> None:
    count = 4
    records = {tag(n): b"r" * (LEAF_LIMIT // count - FRAME) for n in range(count)}
    records[tag(0)] += b"r" * over if over > 0 else b""
    if over < 0:
        records[tag(0)] = records[tag(0)][:over]
    pages = planted(records)
    assert pages.top
    assert pages.top.size == LEAF_LIMIT + over
    assert (pages.depth() == 0) == (over <= 0)
    assert pages.records() == records


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_branch_collapses_at_the_limit_at_which_a_leaf_splits(over: int) -> None:
    records = {tag(n): b"r" * (LEAF_LIMIT // 4 - FRAME) for n in range(4)}
    pages = planted(records | {tag(0): records[tag(0)] + b"rr"})
    assert pages.depth() > 0
    records[tag(0)] = records[tag(0)][:-1] if over < 0 else records[tag(0)] + b"r" * over
    pages.change({tag(0): records[tag(0)]})
    assert pages.top
    assert pages.top.size == LEAF_LIMIT + over
    assert pages.content() == planted(records).content()


def test_a_branch_collapses_when_its_records_fit_again() -> None:
    records = {tag(n): b"r" * 1000 for n in range(32)}
    pages = planted(records)
    assert pages.depth() == 1
    pages.change({tag(0): b"", tag(1): None})
    assert pages.depth() == 0
    assert len(pages.blobs) == 1
    pages.change({tag(0): b"r" * 1000, tag(1): b"r" * 1000})
    assert pages.content() == planted(records).content()


def test_a_removal_of_everything_leaves_one_empty_leaf() -> None:
    pages = planted({tag(n): b"r" * 3000 for n in range(60)})
    pages.change({tag(n): None for n in range(60)})
    assert pages.content() == {(b"", b"L\0\0\0\0")}
    assert pages.content() == planted({}).content()


def test_three_levels_grow_and_shrink_page_by_page() -> None:
    names = list(range(700))
    records = {tag(n): b"r" * 1500 for n in names}
    pages = planted(records)
    assert pages.depth() == 2
    random.Random(1).shuffle(names)
    for at in range(0, 700, 35):
        pages.change({tag(n): None for n in names[at : at + 35]})
        kept = {tag(n): records[tag(n)] for n in names[at + 35 :]}
        assert pages.content() == planted(kept).content()
    assert pages.depth() == 0


def test_a_tag_is_gone_down_by_half_a_byte_a_level() -> None:
    tag = bytes.fromhex("0123456789abcdef" * 4)
    assert "".join(f"{tree._nibble(tag, depth):x}" for depth in range(64)) == tag.hex()


def test_tags_that_share_a_long_beginning_make_a_narrow_deep_tree() -> None:
    records = {bytes(20) + tag(n)[:12]: b"r" * 9000 for n in range(6)}
    pages = planted(records)
    assert pages.depth() > 40
    assert pages.records() == records
    first = min(records)
    assert tree.lookup(pages.fetch, pages.top or NOTHING, first) == records[first]
    for name in sorted(records)[2:]:
        pages.change({name: None})
    assert pages.depth() == 0


def test_a_large_tree_is_walked_a_mebibyte_at_a_time_and_whole() -> None:
    records = {tag(n): b"r" * 1000 for n in range(4000)}
    pages = planted(records)
    asked: list[int] = []

    def fetch(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        asked.append(len(wanted))
        return pages.fetch(wanted)

    assert dict(tree.walk(fetch, pages.top or NOTHING)) == records
    assert max(asked) * LEAF_LIMIT == 1024 * 1024
    assert sum(asked) == len(pages.blobs)


def test_one_read_costs_one_page_a_level_however_many_records() -> None:
    costs = []
    for count in (100, 1000, 4000):
        pages = planted({tag(n): b"r" * 300 for n in range(count)})
        pages.fetched = 0
        assert tree.lookup(pages.fetch, pages.top or NOTHING, tag(5)) == b"r" * 300
        costs.append(pages.fetched)
    assert costs == [2, 2, 3]


def test_one_change_rewrites_one_path() -> None:
    pages = planted({tag(n): b"r" * 300 for n in range(4000)})
    update = tree.update(pages.fetch, pages.seal, pages.top, {tag(7): b"other"})
    assert len(update.add) == len(update.drop) == 3


# -- pages that are not what their parent says


def leaf(*records: tuple[bytes, bytes]) -> bytes:
    framed = b"".join(name + len(record).to_bytes(2, "big") + record for name, record in records)
    return b"L" + len(records).to_bytes(4, "big") + framed


A, B = (b"\x10" * 32, b"one"), (b"\x20" * 32, b"two")
NODE = Node(b"i" * 32, 2 * (FRAME + 3), 2)


def test_a_good_leaf_is_read() -> None:
    assert tree.records_of(leaf(A, B), NODE, b"") == [A, B]


@pytest.mark.parametrize(
    ("page", "node", "path"),
    [
        (leaf(B, A), NODE, b""),
        (leaf(A, A), NODE, b""),
        (leaf(A), NODE, b""),
        (leaf(A, B) + b"\0", NODE, b""),
        (leaf(A, B)[:-1], NODE, b""),
        (leaf(A, B)[:-1], NODE._replace(size=NODE.size - 1), b""),
        (leaf(A, B), NODE._replace(records=3), b""),
        (leaf(A, B), NODE._replace(size=NODE.size + 1), b""),
        (b"L\0\0\0\x03" + leaf(A, B)[5:], NODE._replace(records=3), b""),
        (leaf(A, B), NODE, b"\x01"),
        (leaf(A, B), NODE, b"\x02"),
        (leaf(A, (A[0][:1] + B[0][1:], b"two")), NODE, b"\x01\x01"),
        (b"", NODE, b""),
        (b"L", NODE._replace(size=-4, records=0), b""),
        (leaf((A[0], b"x" * LEAF_LIMIT)), Node(b"i" * 32, FRAME + LEAF_LIMIT, 1), b""),
    ],
)
def test_a_leaf_that_disagrees_is_refused(page: bytes, node: Node, path: bytes) -> None:
    with pytest.raises(VaultCorrupt):
        tree.records_of(page, node, path)


def branch(*children: Node) -> bytes:
    padded = [*children, *[NOTHING] * (16 - len(children))]
    return b"B" + b"".join(child.id + child.size.to_bytes(4, "big") + child.records.to_bytes(4, "big") for child in padded)


BIG = Node(b"i" * 32, 40_000, 9)
CHILDREN = (Node(b"a" * 32, 20_000, 5), Node(b"b" * 32, 20_000, 4))


@pytest.mark.parametrize(
    ("page", "node"),
    [
        (branch(*CHILDREN), BIG._replace(size=40_001)),
        (branch(*CHILDREN), BIG._replace(records=8)),
        (branch(*CHILDREN)[:-1], BIG),
        (branch(*CHILDREN) + b"\0", BIG),
        (branch(*CHILDREN)[:1], BIG),
        (branch(Node(b"a" * 32, 100, 2)), Node(b"i" * 32, 100, 2)),
        (branch(*CHILDREN, Node(b"c" * 32, 0, 0)), BIG),
        (b"X" + branch(*CHILDREN)[1:], BIG),
        (b"", BIG),
    ],
)
def test_a_branch_that_disagrees_is_refused_by_every_way_in(page: bytes, node: Node) -> None:
    def fetch(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        assert wanted == [(node.id, b"")], "nothing below it is asked for"
        return [page]

    with pytest.raises(VaultCorrupt):
        tree.lookup(fetch, node, bytes(32))
    with pytest.raises(VaultCorrupt):
        list(tree.walk(fetch, node))
    with pytest.raises(VaultCorrupt):
        tree.update(fetch, lambda path, page: (b"", b""), node, {bytes(32): b"x"})


def test_a_tree_that_never_ends_is_refused() -> None:
    same = Node(b"a" * 32, 40_000, 9)

    def fetch(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        return [branch(same)] * len(wanted)

    with pytest.raises(VaultCorrupt):
        tree.lookup(fetch, same, bytes(32))
    with pytest.raises(VaultCorrupt):
        list(tree.walk(fetch, same))
