from __future__ import annotations

import copy
import os
import shutil
import tempfile
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from vaults import VaultHome
from vectors.second_reader import check_anchor, read_vault

from keyvault.core.errors import AlreadyExists, InvalidInput, KeyvaultError, NotFound
from keyvault.unlock import key_file
from keyvault.vault import care, changes
from keyvault.vault.care import SlotSecret
from keyvault.vault.vault import Transaction

MEMORY = "/dev/shm"  # thousands of commits, and none of them has to outlive the power
REFS = [f"p{n}/default" for n in range(8)]
PICKS = st.integers(0, 23)  # which key a rule is about; see VaultModel.pick
# The long note makes records of some 8 KiB, so that a handful of keys splits the top page and purges fold it again.
NOTES = ["", "note", "ä" * 2048]
VALUES = st.sampled_from(["v", "other", "line\nends\r\n", "nul\0", "\U0001f511e\u0301", "x" * 3000]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30
)
DETAILS = st.fixed_dictionaries({"note": st.sampled_from(NOTES), "scopes": st.sampled_from(NOTES)})


class Known(NamedTuple):
    """A key as the model has it; a purged value is None, `current` counts from 0."""

    values: tuple[str | None, ...]
    current: int
    note: str = ""
    scopes: str = ""
    deleted: bool = False


class VaultModel(RuleBasedStateMachine):
    """A vault against a dictionary: every change gives the same keys, or the same refusal and no change."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.home = VaultHome(self.folder)
        self.model: dict[str, Known] = {}
        self.purged = self.commits = self.steps = 0
        self.clock = 1_790_000_000

    @initialize(full=st.booleans())
    def create(self, full: bool) -> None:
        self.vault = self.home.create()
        self.commits = 1
        if full:
            self.add_many(REFS[:6], "first")
            for number in range(6):
                self.edit(number, {}, "second")

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            self.check_all()
            self.vault.store.close()
        shutil.rmtree(self.folder)

    # -- one change, in both

    def change(self, what: str, act: object, refused: type[KeyvaultError] | None) -> None:
        """Do `act` in a transaction; `refused` is the error that the model expects, and then nothing may have changed."""
        self.clock += 1
        if refused is None:
            with self.vault.transaction(what) as tx:
                act(tx)  # type: ignore[operator]
            self.commits += 1
            return
        before = (self.vault.store.head(), self.vault.store.ids())
        with pytest.raises(refused), self.vault.transaction(what) as tx:
            act(tx)  # type: ignore[operator]
        assert (self.vault.store.head(), self.vault.store.ids()) == before

    def pick(self, number: int, *, deleted: bool = False) -> str:
        """A name: five times of six a live key's (or a removed one's), if there is one."""
        fitting = sorted(ref for ref, known in self.model.items() if known.deleted == deleted)
        return fitting[number % len(fitting)] if fitting and number < 20 else REFS[number % len(REFS)]

    def live(self, ref: str) -> Known | None:
        known = self.model.get(ref)
        return known if known and not known.deleted else None

    @rule(pick=PICKS, value=VALUES, details=DETAILS)
    def add(self, pick: int, value: str, details: dict[str, str]) -> None:
        ref = REFS[pick % len(REFS)]

        def act(tx: Transaction) -> None:
            changes.add(tx, ref, {"": value}, {"variables": {"V": ""}, **details}, self.clock)  # type: ignore[typeddict-item]

        self.change("add", act, AlreadyExists if self.live(ref) else None)
        if not self.live(ref):
            values = (*(self.model[ref].values if ref in self.model else ()), value)
            self.model[ref] = Known(values, len(values) - 1, details["note"], details["scopes"])

    @rule(refs=st.lists(st.sampled_from(REFS), min_size=2, max_size=6, unique=True), value=VALUES)
    def add_many(self, refs: list[str], value: str) -> None:
        """All or none, in one commit."""

        def act(tx: Transaction) -> None:
            for ref in refs:
                changes.add(
                    tx, ref, {"": value + ref}, {"variables": {"V": ""}, "note": NOTES[2], "scopes": NOTES[2]}, self.clock
                )

        taken = any(self.live(ref) for ref in refs)
        self.change("import", act, AlreadyExists if taken else None)
        if not taken:
            for ref in refs:
                values = (*(self.model[ref].values if ref in self.model else ()), value + ref)
                self.model[ref] = Known(values, len(values) - 1, NOTES[2], NOTES[2])

    @rule(pick=PICKS, details=DETAILS, value=st.none() | VALUES)
    def edit(self, pick: int, details: dict[str, str], value: str | None) -> None:
        ref = self.pick(pick)

        def act(tx: Transaction) -> None:
            values = None if value is None else {"": value}
            changes.edit(tx, ref, details, self.clock, values)  # type: ignore[arg-type]

        known = self.live(ref)
        self.change("edit", act, None if known else NotFound)
        if known:
            known = known._replace(**details)  # type: ignore[arg-type]
            if value is not None:
                known = known._replace(values=(*known.values, value), current=len(known.values))
            self.model[ref] = known

    @rule(pick=PICKS)
    def edit_with_what_cannot_be_kept(self, pick: int) -> None:
        ref = self.pick(pick)

        def act(tx: Transaction) -> None:
            changes.edit(tx, ref, {}, self.clock, {"": "\ud800"})

        self.change("edit", act, InvalidInput if self.live(ref) else NotFound)

    @rule(pick=PICKS, other=st.sampled_from(REFS))
    def rename(self, pick: int, other: str) -> None:
        ref = self.pick(pick)

        def act(tx: Transaction) -> None:
            changes.rename(tx, ref, other, self.clock)

        known = self.live(ref)
        refused = NotFound if not known else AlreadyExists if other in self.model else None
        self.change("rename", act, refused)
        if known and refused is None:
            self.model[other] = self.model.pop(ref)

    @rule(pick=PICKS)
    def remove(self, pick: int) -> None:
        ref = self.pick(pick)
        known = self.live(ref)
        self.change("rm", lambda tx: changes.remove(tx, ref, self.clock), None if known else NotFound)
        if known:
            self.model[ref] = known._replace(deleted=True)

    @rule(pick=PICKS)
    def bring_back(self, pick: int) -> None:
        ref = self.pick(pick, deleted=True)
        refused = NotFound if ref not in self.model else AlreadyExists if self.live(ref) else None
        self.change("restore-key", lambda tx: changes.bring_back(tx, ref, self.clock), refused)
        if refused is None:
            self.model[ref] = self.model[ref]._replace(deleted=False)

    @rule(pick=PICKS, number=st.none() | st.integers(0, 4))
    def roll_back(self, pick: int, number: int | None) -> None:
        ref = self.pick(pick)
        known, at = self.live(ref), 0
        refused: type[KeyvaultError] | None = None
        if not known:
            refused = NotFound
        elif number is None:
            earlier = [n for n in range(known.current) if known.values[n] is not None]
            at, refused = (earlier[-1], None) if earlier else (0, NotFound)
        else:
            at = number - 1
            there = 0 <= at < len(known.values) and known.values[at] is not None
            refused = NotFound if not there else AlreadyExists if at == known.current else None
        self.change("rollback", lambda tx: changes.roll_back(tx, ref, number, self.clock), refused)
        if known and refused is None:
            self.model[ref] = known._replace(current=at)

    @rule(pick=PICKS)
    def purge(self, pick: int) -> None:
        ref = self.pick(pick, deleted=True)
        refused = NotFound if ref not in self.model else AlreadyExists if self.live(ref) else None
        self.change("purge", lambda tx: changes.purge(tx, ref, self.clock), refused)
        if refused is None:
            del self.model[ref]
            self.purged += 1

    @rule(pick=PICKS)
    def purge_versions(self, pick: int) -> None:
        ref = self.pick(pick)
        known = self.model.get(ref)
        self.change("purge", lambda tx: changes.purge(tx, ref, self.clock, versions_only=True), None if known else NotFound)
        if known:
            values = tuple(value if n == known.current else None for n, value in enumerate(known.values))
            self.model[ref] = known._replace(values=values)

    @rule()
    def rekey(self) -> None:
        care.rekey(self.vault, lambda _: [SlotSecret("key-file", key_file.read(self.home.key_file))])
        self.commits += 1

    @rule()
    def reopen(self) -> None:
        self.vault.store.close()
        self.vault = self.home.open()
        assert self.vault.notices == []

    @rule(pick=PICKS, value=VALUES)
    def change_from_a_second_handle(self, pick: int, value: str) -> None:
        """The first handle sees it with its next read."""
        ref = REFS[pick % len(REFS)]
        first, self.vault = self.vault, self.home.open()
        before = copy.copy(self.model)
        self.add(pick, value, {"note": "", "scopes": ""})
        if before != self.model:
            assert first.open_key(ref)[1] == {"": value}
        self.vault.store.close()
        self.vault = first

    # -- what must hold

    @invariant()
    def the_names_are_those(self) -> None:
        if not hasattr(self, "vault"):
            return
        assert [key.ref for key in self.vault.all_keys()] == sorted(ref for ref in self.model if self.live(ref))
        self.steps += 1
        if self.steps % 5 == 0:
            self.check_all()

    def check_all(self) -> None:
        """Every key and value by name, the whole by verify, and all of it once more through the second reader."""
        for ref in REFS:
            self.check_key(ref)
        values = sum(value is not None for known in self.model.values() for value in known.values)
        live = sum(1 for ref in self.model if self.live(ref))
        assert care.verify(self.vault) == (live, len(self.model) - live, values, self.commits)
        with open(self.home.key_file) as file:
            reading = read_vault(self.home.path, "key-file", file.read())
        assert check_anchor(reading, self.home.state, self.home.path) == "same"
        assert len(reading.purged) == self.purged
        assert [row["seq"] for row in reading.journal] == list(range(1, self.commits + 1))
        found: dict[str, Known] = {}
        for ref, record in reading.records.items():
            ids = [version[0] for version in record["versions"]]
            kept = tuple(reading.values.get((record["id"], version), {}).get("") for version in ids)
            more = (record.get("note", ""), record.get("scopes", ""), "deleted" in record)
            found[ref] = Known(kept, ids.index(record["current"]), *more)
        assert found == self.model

    def check_key(self, ref: str) -> None:
        known = self.live(ref)
        if not known:
            assert (self.vault.find(ref) is None) == (ref not in self.model)
            with pytest.raises(NotFound):
                self.vault.open_key(ref)
            return
        key, values = self.vault.open_key(ref)
        assert values == {"": known.values[known.current]}
        assert (key.note, key.scopes) == (known.note, known.scopes)
        for number, value in enumerate(known.values, 1):
            if value is not None:
                assert self.vault.open_key(ref, number)[1] == {"": value}


VaultModel.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestVaultModel = VaultModel.TestCase
