"""A fault at the n-th file call of an operation leaves the old state or the new one, and the exit code tells which is safe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from faults import states
from faults.forks import COUNT, FAULTS, KILLED, ONCE, ONWARD, Done, Fault, Forks, real_environment
from faults.states import NOWHERE, Content
from vaults import VaultHome

from keyvault.core.errors import KeyvaultError
from keyvault.store.sqlite import open_store
from keyvault.unlock import key_file, recovery
from keyvault.vault import slots
from keyvault.vault.codec import decode_header, split_head

pytestmark = pytest.mark.timeout(7200)

# What a person reads for each errno. SQLite does not tell EDQUOT from EIO, nor why a file cannot be opened, and falls back to
# reading where it cannot open for writing.
CAUSES = {
    "EIO": ("input/output error", "cannot be opened", "read-only"),
    "ENOSPC": ("no space left on device", "disk is full", "free space"),
    "EDQUOT": ("quota",),
    "EINTR": ("interrupted",),
}


def vault_only(home: VaultHome) -> Content:
    return states.content(home)


def with_new_slots(home: VaultHome) -> Content:
    """The vault, and which key files and recovery codes that lie about really open it."""
    content = states.content(home)
    if content == NOWHERE:
        return content
    store = open_store(home.path)
    header = decode_header(split_head(store.head())[0])
    store.close()

    def opens(name: str) -> bool:
        path = os.path.join(home.folder, name)
        try:
            if name == "code":
                with open(path) as file:
                    return bool(slots.unwrap(header, slots.decode_all(header), slots.RECOVERY, recovery.decode(file.read())))
            return bool(slots.unwrap(header, slots.decode_all(header), slots.KEY_FILE, key_file.read(path)))
        except (FileNotFoundError, KeyvaultError):
            return False

    return content | {"opened by": [name for name in ("key", "new-key", "code") if opens(name)]}


def with_backup(home: VaultHome) -> Content:
    content, path = states.content(home), os.path.join(home.folder, "copy.db")
    if os.path.exists(path):
        copy = states.open_backup(home, path)
        content["backup"] = states.content_of(copy)
        copy.store.close()
    return content


def with_env_file(home: VaultHome) -> Content:
    with open(os.path.join(home.folder, "out.env"), newline="") as file:
        content = states.content(home)
        # That the file holds the keys is noted in the vault where it can be; what was promised is the file.
        log = [what for what in content["log"] if what != "place"]
        return content | {"env file": file.read(), "log": log, "seq": content["seq"] - len(content["log"]) + len(log)}


def nothing(_: VaultHome) -> None:
    pass


def before_init(home: VaultHome) -> None:
    for name in os.listdir(home.folder):
        path = os.path.join(home.folder, name)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def older_backup(home: VaultHome) -> None:
    home.run("backup", "old.db")
    home.run("edit", "openai", "--value", "--stdin", stdin=b"sk-third")
    home.run("rm", "aws/work")


def env_file(home: VaultHome) -> None:
    with open(os.path.join(home.folder, "out.env"), "w") as file:
        file.write("# mine\nA=b\nOPENAI_API_KEY=old\n")


class Operation(NamedTuple):
    words: tuple[str, ...]
    stdin: bytes = b""
    prepare: Callable[[VaultHome], None] = nothing
    state: Callable[[VaultHome], Content] = vault_only
    makes: tuple[str, ...] = ()  # new files, which a crash may leave behind


OPERATIONS = {
    "add": Operation(("add", "groq/new", "--stdin", "--note", "x" * 2000), b"gsk-new"),
    "rm": Operation(("rm", "aws/work")),
    "edit": Operation(("edit", "openai", "--value", "--stdin", "--tag", "a=b"), b"sk-third"),
    "rekey": Operation(("rekey", "--yes", "--recovery-file", "code"), state=with_new_slots, makes=("code",)),
    "slot-add": Operation(("slots", "add", "key-file", "--key-file", "new-key"), state=with_new_slots, makes=("new-key",)),
    "slot-add-recovery": Operation(
        ("slots", "add", "recovery", "--recovery-file", "code"), state=with_new_slots, makes=("code",)
    ),
    "slot-remove": Operation(("slots", "remove", "recovery", "--yes")),
    "restore": Operation(("restore", "old.db", "--yes"), prepare=older_backup),
    "init": Operation(
        ("init", "--unlock", "key-file", "--recovery-file", "code"),
        prepare=before_init,
        state=with_new_slots,
        makes=("code", "key"),
    ),
    "backup": Operation(("backup", "copy.db"), state=with_backup),
    "env": Operation(("env", "--format", "dotenv", "-o", "out.env"), prepare=env_file, state=with_env_file),
}


class Stage:
    """A home that is put back as it was before each act, always at the same path."""

    def __init__(self, home: VaultHome, operation: Operation, forks: Forks) -> None:
        self.home, self.operation, self.forks = home, operation, forks
        self._template = home.folder + "-template"
        vault = states.furnish(home)
        vault.store.close()
        operation.prepare(home)
        self.old = NOWHERE if operation.prepare is before_init else operation.state(home)
        shutil.copytree(home.folder, self._template)
        self.calls = self.act(COUNT, 0).calls
        self.new = operation.state(home)
        assert self.new != self.old
        self.reset()

    def reset(self) -> None:
        shutil.rmtree(self.home.folder)
        shutil.copytree(self._template, self.home.folder)

    def act(self, fault: Fault | None, at: int) -> Done:
        done = self.forks.run(self.home, *self.operation.words, stdin=self.operation.stdin, fault=fault, at=at)
        if fault is COUNT:
            assert done.code == 0, done.told
        return done

    def strike(self, fault: Fault, at: int) -> bool:
        """One injection, and all that must hold after it. False if the operation was over before."""
        self.reset()
        done = self.act(fault, at)
        if not done.calls:
            assert done.code == 0
            return False
        about = f"{fault.name} at {done.calls[0]}: exit {done.code}\n{done.told}"
        self.check_manners(fault, done, about)
        state = self.state_after(fault, about)
        if done.code == 0:
            assert state == self.new, about
        if state == self.old:
            self.clear_what_was_left(fault, about)
            again = self.act(None, 0)
            assert again.code == 0, about + "again: " + again.told
            assert self.operation.state(self.home) == self.new, about
        elif state != NOWHERE:
            after = self.forks.run(self.home, "add", "mistral/after", "--stdin", stdin=b"value")
            assert after.code == 0, about + "after: " + after.told
            assert "mistral/after" in states.content(self.home)["keys"]
        return True

    def check_manners(self, fault: Fault, done: Done, about: str) -> None:
        assert "Traceback" not in done.told, about
        assert "internal error" not in done.told, about
        if fault.deadly and done.code == KILLED:
            return
        assert done.code in (0, 1), about
        if done.code:
            assert "keyvault: error: " in done.told, about
            errno_name = fault.name.partition("-")[0]
            assert any(cause in done.told for cause in CAUSES[errno_name]), about
        if fault.name in ("EINTR", "short") and done.calls[0].call in ("open", "write", "pwrite", "ftruncate"):
            assert done.code == 0, about
        if done.code and fault.kind == ONCE:
            left = [name for _, _, names in os.walk(self.home.folder) for name in names if name.endswith(".new")]
            assert not left or done.calls[0].call == "unlink", about

    def state_after(self, fault: Fault, about: str) -> Content:
        try:
            state = self.operation.state(self.home)
        except Exception as exc:
            raise AssertionError(about) from exc
        assert state in (self.old, self.new), (about, state)
        if "not changed" in about:
            assert state == self.old, about
        return state

    def clear_what_was_left(self, fault: Fault, about: str) -> None:
        """A crash, or a disk that takes nothing any more, may leave a file that was made for the new state.

        The program says so, and does not write over it.
        """
        there = [name for name in self.operation.makes if os.path.exists(os.path.join(self.home.folder, name))]
        if there:
            assert fault.deadly or fault.kind == ONWARD, about
            refused = self.act(None, 0)
            assert refused.code == 1, refused.told
            assert "exists" in refused.told
        for name in there:
            os.unlink(os.path.join(self.home.folder, name))


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_fault_at_any_call_leaves_the_old_state_or_the_new(
    name: str, home: VaultHome, forks: Forks, nightly: bool, record_property: Callable[[str, Any], None]
) -> None:
    stage = Stage(home, OPERATIONS[name], forks)
    points, problems = 0, []
    for kind, fault in enumerate(FAULTS):
        # The suite strikes each call with one kind of fault, in turn; the night strikes each with all.
        step, at = (1, 1) if nightly else (len(FAULTS), 1 + (kind + len(name)) % len(FAULTS))
        going_on = True
        while going_on:
            try:
                going_on = stage.strike(fault, at)
            except AssertionError as exc:
                problems.append(str(exc))
            points += going_on
            at += step
    record_property("injections", points)
    print(f"{name}: {points} injections at {len(stage.calls)} calls")
    assert not problems, "\n---\n".join([f"{len(problems)} of {points}", *problems[:20]])
    assert points >= (len(FAULTS) * len(stage.calls) * 3 // 4 if nightly else len(stage.calls) * 3 // 4)


def test_the_same_in_processes_that_are_executed(home: VaultHome, forks: Forks) -> None:
    """The fork server spares the start of Python; this shows that it hides nothing."""
    stage = Stage(home, OPERATIONS["edit"], forks)
    report = home.folder + "-report"
    points = 0
    for number, fault in enumerate(FAULTS * 3):
        stage.reset()
        at = 1 + number * len(stage.calls) // (3 * len(FAULTS))
        done = subprocess.run(
            [sys.executable, "-m", "keyvault", *stage.operation.words],
            input=stage.operation.stdin,
            env=real_environment(home, forks.shim, fault, at, report),
            capture_output=True,
            check=False,
        )
        told, state = done.stderr.decode(), states.content(home)
        assert "Traceback" not in told
        assert "internal error" not in told
        assert done.returncode in (0, 1, KILLED), told
        assert state == stage.new if done.returncode == 0 else state in (stage.old, stage.new), told
        with open(report) as file:
            points += len(file.read().splitlines())
        os.unlink(report)
    assert points == 3 * len(FAULTS)
