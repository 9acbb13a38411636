"""Whatever happens to the bytes of a vault, it gives the right answer or a clear error, at once, and never another answer."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from faults import states
from vaults import VaultHome, add_key

from keyvault.core.errors import KeyvaultError, RolledBack, StoreFailed, UnsupportedFormat, VaultCorrupt, WrongSecret
from keyvault.store.sqlite import SqliteStore
from keyvault.vault import care, changes
from keyvault.vault.keys import ApiKey
from keyvault.vault.vault import Vault

pytestmark = pytest.mark.timeout(7200)

# What damage may be called. Not among them: "not found" (a wrong answer) and "busy" (a minute's wait).
CLEAR = (VaultCorrupt, UnsupportedFormat, WrongSecret, StoreFailed)
Answer = Any


def ask(home: VaultHome) -> list[Answer]:
    """List, get each key, and verify: each the answer, or the error."""
    vault: list[Vault] = []

    def opened() -> Vault:
        if not vault:
            vault.append(home.open())
        return vault[0]

    def tell(key: ApiKey) -> Answer:
        return key.ref, dict(key.variables), key.note, key.current, len(key.versions)

    def verify() -> Answer:
        assert isinstance(opened().store, SqliteStore)
        opened().store.check_integrity()  # type: ignore[attr-defined]
        return care.verify(opened())

    questions: list[Callable[[], Answer]] = [
        lambda: [tell(key) for key in opened().all_keys()],
        lambda: opened().open_key("openai/default")[1],
        lambda: opened().open_key("aws/work")[1],
        lambda: opened().find("no/such"),
        lambda: len(opened().log()),
        verify,
    ]
    answers: list[Answer] = []
    start = time.process_time()
    for question in questions:
        try:
            answers.append(question())
        except KeyvaultError as exc:
            assert isinstance(exc, CLEAR), repr(exc)
            answers.append(exc)
    assert time.process_time() - start < 1
    if vault:
        vault[0].store.close()
    return answers


class Victim:
    """A vault whose file is damaged again and again."""

    def __init__(self, home: VaultHome) -> None:
        self.home = home
        with open(home.path, "rb") as file:
            self.whole = file.read()
        self.before = sorted(os.listdir(home.home))
        self.right = ask(home)
        assert not any(isinstance(answer, KeyvaultError) for answer in self.right)
        self.tally: Counter[str] = Counter()

    def put(self, data: bytes) -> None:
        with open(self.home.path, "wb") as file:
            file.write(data)
        for name in set(os.listdir(self.home.home)) - set(self.before):
            os.unlink(os.path.join(self.home.home, name))
        with open(self.home.path + "-journal", "wb"):
            pass

    def examine(self, about: str) -> list[Answer]:
        answers = ask(self.home)
        for answer, right in zip(answers, self.right, strict=True):
            assert isinstance(answer, KeyvaultError) or answer == right, (about, answer, right)
        error = next((answer for answer in answers if isinstance(answer, KeyvaultError)), None)
        self.tally[type(error).__name__] += 1
        return answers


@pytest.fixture
def victim(home: VaultHome) -> Victim:
    states.furnish(home).store.close()
    return Victim(home)


def offsets_of(whole: bytes, home: VaultHome) -> set[int]:
    """The offsets of the head row's bytes and of the first SQLite page."""
    db = sqlite3.connect(home.path)
    head = db.execute("SELECT bytes FROM head").fetchone()[0]
    db.close()
    # A long row lies in parts; each of them is found by its first bytes.
    found: set[int] = set(range(4096))
    for start in range(0, len(head) - 64, 64):
        at = whole.find(head[start : start + 64])
        found |= set(range(at, at + 64)) if at >= 0 else set()
    assert len(found) > 4096 + len(head) // 2
    return found


def sample(everything: range, some: set[int], count: int, *, whole: bool, step: int = 1) -> Iterator[int]:
    """All of it at night; else `some` of interest, each `step`-th, and `count` at random."""
    if whole:
        yield from everything
    else:
        yield from sorted({*sorted(some)[::step], *random.sample(everything, min(count, len(everything)))})


def test_a_flipped_bit_gives_the_right_answer_or_a_clear_error(victim: Victim, nightly: bool) -> None:
    chance = random.Random()
    places = sample(range(len(victim.whole)), offsets_of(victim.whole, victim.home), 400, whole=nightly, step=3)
    for offset in places:
        damaged = bytearray(victim.whole)
        damaged[offset] ^= 1 << chance.randrange(8)
        victim.put(bytes(damaged))
        victim.examine(f"bit at {offset}: {victim.whole[offset]:02x} -> {damaged[offset]:02x}")
    count = victim.tally.total()
    print(f"{count} of {len(victim.whole)} offsets: {dict(victim.tally)}")
    assert victim.tally["VaultCorrupt"] > count // 5


def test_a_file_cut_short_gives_a_clear_error(victim: Victim, nightly: bool) -> None:
    pages = {n + d for n in range(0, len(victim.whole), 512) for d in (-1, 0, 1) if 0 <= n + d < len(victim.whole)}
    for length in sample(range(len(victim.whole)), pages, 300, whole=nightly):
        victim.put(victim.whole[:length])
        victim.examine(f"cut at {length}")
    count = victim.tally.total()
    # The tail of an overflow page or of a free page holds nothing, so its loss changes nothing.
    assert victim.tally["NoneType"] < count // 4
    print(f"{count} of {len(victim.whole)} lengths: {dict(victim.tally)}")


def test_zeroed_sectors_and_swapped_pages_are_noticed(victim: Victim) -> None:
    for start in range(0, len(victim.whole), 512):
        zeroed = victim.whole[:start] + bytes(512) + victim.whole[start + 512 :]
        victim.put(zeroed)
        answers = victim.examine(f"zeros at {start}")
        assert zeroed == victim.whole or isinstance(answers[-1], KeyvaultError) or answers == victim.right
    size = int.from_bytes(victim.whole[16:18], "big")
    pages = [victim.whole[at : at + size] for at in range(0, len(victim.whole), size)]
    swaps = 0
    for one, other in itertools.combinations(range(len(pages)), 2):
        swapped = pages.copy()
        swapped[one], swapped[other] = pages[other], pages[one]
        victim.put(b"".join(swapped))
        victim.examine(f"pages {one} and {other}")
        swaps += 1
    print(f"{len(victim.whole) // 512} sectors, {swaps} swaps of pages: {dict(victim.tally)}")
    assert swaps > 10


# -- rows


def rows_of(home: VaultHome) -> dict[bytes, bytes]:
    db = sqlite3.connect(home.path)
    found = dict(db.execute("SELECT id, bytes FROM blob").fetchall())
    db.close()
    return found


def change_rows(home: VaultHome, *statements: tuple[str, tuple[bytes, ...]]) -> None:
    db = sqlite3.connect(home.path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    for sql, values in statements:
        db.execute(sql, values)
    db.close()


SET = "UPDATE blob SET bytes = ? WHERE id = ?"
DROP = "DELETE FROM blob WHERE id = ?"
ADD = "INSERT INTO blob (id, bytes) VALUES (?, ?)"
HEAD = "UPDATE head SET bytes = ?"


def must_be_noticed(victim: Victim, about: str) -> None:
    answers = victim.examine(about)
    assert isinstance(answers[-1], VaultCorrupt), about


@pytest.fixture
def broad(home: VaultHome) -> Victim:
    """A vault with branch pages: more than 32 KiB of records."""
    vault = states.furnish(home)
    with vault.transaction("add") as tx:
        for number in range(40):
            changes.add(tx, f"w/k{number}", {"": f"v{number}"}, {"variables": {}, "note": "x" * 1800}, 1_790_000_000)
    vault.store.close()
    return Victim(home)


@pytest.mark.parametrize("kind", ["small", "broad"])
def test_rows_swapped_or_dropped_are_noticed(kind: str, nightly: bool, request: pytest.FixtureRequest) -> None:
    victim: Victim = request.getfixturevalue("victim" if kind == "small" else "broad")
    rows = rows_of(victim.home)
    pairs = list(itertools.combinations(rows, 2))
    if kind == "broad" and not nightly:
        pairs = random.sample(pairs, 150)
    for one, other in pairs:
        victim.put(victim.whole)
        change_rows(victim.home, (SET, (rows[other], one)), (SET, (rows[one], other)))
        must_be_noticed(victim, "swapped")
    for name in rows:
        victim.put(victim.whole)
        change_rows(victim.home, (DROP, (name,)))
        must_be_noticed(victim, "dropped")
    victim.put(victim.whole)
    change_rows(victim.home, ("DELETE FROM head", ()))
    must_be_noticed(victim, "no head")
    print(f"{kind}: {len(pairs)} swaps, {len(rows)} drops: {dict(victim.tally)}")


def test_rows_replayed_from_older_states_are_noticed(home: VaultHome, nightly: bool) -> None:
    vault = states.furnish(home)
    heads, old = [vault.store.head()], rows_of(home)
    for number in range(6):
        add_key(vault, f"w/k{number}", f"v{number}")
        with vault.transaction("edit") as tx:
            changes.edit(tx, "openai/default", {"note": str(number)}, 1_790_000_000, {"": f"sk-{number}"})
        old |= rows_of(home)
        heads.append(vault.store.head())
    with vault.transaction("purge") as tx:
        changes.purge(tx, "openai/default", 1_790_000_000, versions_only=True)
    care.rekey(vault, lambda _: [states.read_secret(home)])
    old |= rows_of(home)
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {"note": "last"}, 1_790_000_000)
    vault.store.close()
    victim = Victim(home)
    present = rows_of(home)
    gone = {name: content for name, content in old.items() if name not in present}
    assert len(gone) > 20
    pairs = [(name, content) for name in present for content in gone.values()]
    if not nightly:
        pairs = random.sample(pairs, 200)
    for name, content in pairs:
        victim.put(victim.whole)
        change_rows(home, (SET, (content, name)))
        must_be_noticed(victim, "old content under a present name")
    for name, content in gone.items():
        victim.put(victim.whole)
        change_rows(home, (ADD, (name, content)))
        must_be_noticed(victim, "an old row beside the present ones")
    for head in heads:
        victim.put(victim.whole)
        change_rows(home, (HEAD, (head,)))
        must_be_noticed(victim, "an old head over present rows")
        victim.put(victim.whole)
        change_rows(home, (HEAD, (head,)), *((ADD, (name, content)) for name, content in gone.items()))
        answers = victim.examine("an old head with all rows that ever were")
        assert isinstance(answers[0], RolledBack), answers
    print(f"{len(pairs)} replays, {len(gone)} additions, {len(heads)} heads: {dict(victim.tally)}")
