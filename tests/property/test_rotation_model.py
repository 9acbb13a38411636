"""The workflow against a simple model: any order of steps, faults, crashes and clock settings, and never without a key."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from vaults import VaultHome, add_key

from keyvault.core.errors import AlreadyExists, KeyvaultError
from keyvault.core.secret import Secret
from keyvault.liveness.check import Result as Heard
from keyvault.liveness.requests import Subject
from keyvault.rotation import context, journal
from keyvault.rotation.context import Options
from keyvault.rotation.schemes.base import API, Job, Made, Refused, Unclear
from keyvault.rotation.workflow import Workflow
from keyvault.vault import care, changes
from keyvault.vault.vault import Vault

DAY = 86_400
REF = "acme/default"
FAULTS = st.sampled_from(["", "", "", "before", "after", "refuse"])


class Crash(BaseException):
    """The process ended here."""


class MemoryVendor:
    """Keys by id: [value, name, alive]. Each request may fail before or after it acts."""

    name, makes, revokes, by, proven, lists, settle = "memory", API, API, "self", True, True, 0

    def __init__(self) -> None:
        self.keys: dict[str, list[Any]] = {"first": ["value-first", "by hand", True]}
        self.fault = ""
        self.on_delete: Callable[[], None] = lambda: None

    def alive(self, value: str) -> bool:
        return any(key[0] == value and key[2] for key in self.keys.values())

    def _do(self, action: Callable[[], Any]) -> Any:
        fault, self.fault = self.fault, ""
        if fault == "before":
            raise Unclear("no answer")
        if fault == "refuse":
            raise Refused("no")
        done = action()
        if fault == "after":
            raise Unclear("the answer was lost")
        return done

    def old_id(self, job: Job) -> str:
        return next((i for i, key in self.keys.items() if key[0] == job.old.value.reveal()), "")

    def can_delete(self, vendor_id: str) -> bool:
        return bool(vendor_id)

    def create(self, job: Job) -> Made:
        def make() -> Made:
            key_id = secrets.token_hex(4)
            self.keys[key_id] = [f"value-{key_id}", job.name, True]
            return Made(Secret(f"value-{key_id}"), {}, key_id, None)

        made: Made = self._do(make)
        return made

    def strays(self, job: Job, keep: str) -> list[str]:
        return [i for i, key in self.keys.items() if key[2] and key[1] == job.name and i != keep]

    def delete(self, job: Job, vendor_id: str) -> None:
        self.on_delete()
        self._do(lambda: self.keys[vendor_id].__setitem__(2, False))


class Nobody:
    """Nobody is there."""

    def tell(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def pause(self, seconds: float) -> None: ...

    def new_value(self, provider: object, ref: str) -> str:
        raise AssertionError

    def new_part(self, ref: str, field: str) -> str:
        raise AssertionError

    def revoked_by_hand(self, provider: object, ref: str) -> bool:
        return False

    def agree(self, question: str, *, grave: bool) -> bool:
        return False


class Rotating(RuleBasedStateMachine):
    """One key at one vendor."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="keyvault-model-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.home = VaultHome(self.folder)
        self.vault = self.home.create()
        self.vendor = MemoryVendor()
        self.now, self.boot, self.up = 1_790_000_000, "boot", 1000
        self.real = self.now
        self.crash_in = 0
        self.patches = [
            patch.object(context, "scheme_for", lambda *_, **__: self.vendor),
            patch.object(context.check, "check", self._check),
            patch.object(context.Context, "provider", lambda *_: context.catalogue.load("openai")),
            patch("keyvault.core.clock.now", lambda: self.now),
            patch("keyvault.core.clock.uptime", lambda: (self.boot, self.up)),
            patch.object(Vault, "write", self._writing(Vault.write)),
        ]
        for one in self.patches:
            one.start()
        add_key(self.vault, REF, "value-first", "ACME")
        self.seen = {"value-first"}
        self.promoted: dict[tuple[str, str], int] = {}
        self.vendor.on_delete = self._no_grace_is_cut_short

    def teardown(self) -> None:
        self.end()
        for one in self.patches:
            one.stop()
        care.verify(self.vault)
        self.vault.store.close()
        shutil.rmtree(self.folder)

    def _check(self, subjects: list[Subject], **_: object) -> list[Heard]:
        alive = self.vendor.alive(subjects[0].value.reveal())
        return [Heard(REF, "valid" if alive else "invalid", 200 if alive else 401, "", "")]

    def _writing(self, write: Callable[..., None]) -> Callable[..., None]:
        def writing(*given: Any) -> None:
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash
            write(*given)
            self.crash_in -= 1
            if self.crash_in == 0:
                raise Crash

        return writing

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (KeyvaultError, Crash):
            pass
        finally:
            self.crash_in = 0
            self.vendor.fault = ""
        self.vault.store.close()
        self.vault = self.home.open()  # the next process

    def _flow(self) -> Workflow:
        return Workflow(self.vault, REF, Nobody(), Options(self.home.state))

    @property
    def key(self) -> Any:
        return self.vault.get(REF)

    @rule(fault=FAULTS, crash=st.integers(0, 14), grace=st.sampled_from([0, DAY]), leaked=st.booleans())
    def rotate(self, fault: str, crash: int, grace: int, leaked: bool) -> None:
        under_way = self.key.rotation is not None

        def action() -> None:
            journal.begin(self.vault, REF, "memory", self.now, grace=grace, leaked=leaked)
            assert not under_way
            self.crash_in, self.vendor.fault = crash, fault
            self._flow().run()

        self._try(action)

    @rule(fault=FAULTS, crash=st.integers(0, 14))
    def resume(self, fault: str, crash: int) -> None:
        self.crash_in, self.vendor.fault = crash, fault
        self._try(self._flow().run)

    @precondition(lambda self: self.key.rotation is not None)
    @rule(fault=FAULTS, crash=st.integers(0, 8))
    def abort(self, fault: str, crash: int) -> None:
        current = self.key.current
        self.crash_in, self.vendor.fault = crash, fault
        self._try(self._flow().abort)
        assert self.key.current == current

    @precondition(lambda self: self.key.rotation is not None)
    @rule(fault=FAULTS, crash=st.integers(0, 8))
    def rollback(self, fault: str, crash: int) -> None:
        self.crash_in, self.vendor.fault = crash, fault
        self._try(self._flow().rollback)

    @rule(seconds=st.sampled_from([600, DAY // 2, DAY + 1]))
    def time_passes(self, seconds: int) -> None:
        self.now, self.up, self.real = self.now + seconds, self.up + seconds, self.real + seconds

    @rule(seconds=st.sampled_from([-400 * DAY, -DAY, DAY, 400 * DAY]))
    def the_clock_is_set(self, seconds: int) -> None:
        self.now = max(1_000_000_000, self.now + seconds)

    @rule()
    def values_are_left_alone_while_it_goes_on(self) -> None:
        if self.key.rotation:
            for change in (
                lambda tx: changes.edit(tx, REF, {}, self.now, {"": "mine"}),
                lambda tx: changes.remove(tx, REF, self.now),
                lambda tx: changes.roll_back(tx, REF, None, self.now),
                lambda tx: changes.purge(tx, REF, self.now, versions_only=True),
            ):
                try:
                    with self.vault.transaction("edit") as tx:
                        change(tx)
                    raise AssertionError("it was changed")
                except AlreadyExists:
                    pass

    @invariant()
    def the_current_value_works(self) -> None:
        _, values = self.vault.open_key(REF)
        assert self.vendor.alive(values[""])
        self.seen.add(values[""])

    @invariant()
    def nothing_is_lost_and_nothing_is_left(self) -> None:
        key = self.key
        known = {self.vault.values(key, version)[""] for version in key.versions if version.blob}
        assert self.seen <= known, "a value that was in use is not in the history"
        live = [k for k in self.vendor.keys.values() if k[2]]
        if key.rotation is None:
            assert [k[0] for k in live] == [self.vault.values(key)[""]]
        else:
            strays = [k for k in live if k[0] not in known]
            assert all(k[1] == key.rotation.name for k in strays)
            assert len(strays) <= 1

    @invariant()
    def the_promotion_is_noted(self) -> None:
        rotation = self.key.rotation
        if rotation and rotation.promoted and self._stamp() not in self.promoted:
            self.promoted[self._stamp()] = self.real

    def _stamp(self) -> tuple[str, str]:
        rotation = self.key.rotation
        return rotation.id, rotation.new

    def _no_grace_is_cut_short(self) -> None:
        rotation = self.key.rotation
        if rotation and rotation.step == "revoking" and not rotation.leaked:
            assert self.real - self.promoted.get(self._stamp(), self.real) >= rotation.grace

    def end(self) -> None:
        """What is under way can always be brought to an end."""
        for _ in range(3):
            self._try(self._flow().run)
            self.the_promotion_is_noted()
            self.now, self.up, self.real = self.now + DAY, self.up + DAY, self.real + DAY
        assert self.key.rotation is None
        self.the_current_value_works()
        self.nothing_is_lost_and_nothing_is_left()


TestRotating = Rotating.TestCase
TestRotating.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
