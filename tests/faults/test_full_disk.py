"""A full disk: a clear error, the old state, and on it goes once there is room."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator

import pytest
from agents import AgentHome
from faults import states
from faults.forks import Forks
from faults.pipes import Pipe
from vaults import VaultHome, add_key

SIZE = 1024 * 1024


class Disk:
    """A small file system: a tmpfs for root, else a limit on the size of files."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.mounted = (
            os.geteuid() == 0
            and not subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", folder], capture_output=True, check=False
            ).returncode
        )
        self._filler = os.path.join(folder, "filler")
        self.limits: dict[str, int] = {}

    def fill(self, but: int = 0) -> None:
        """Leave no room, or `but` bytes."""
        if not self.mounted:
            self.limits = {"FSIZE": max(but, 2048)}  # of which nothing is made here but messages, which go to files too
            return
        try:
            with open(self._filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
        except OSError:
            pass
        if but:
            os.truncate(self._filler, max(0, os.path.getsize(self._filler) - but))

    def free(self) -> None:
        """Make room again."""
        self.limits = {}
        if self.mounted:
            os.unlink(self._filler)

    def leave(self) -> None:
        """Take it away."""
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    folder = tempfile.mkdtemp(prefix="keyvault-disk-")
    made = Disk(folder)
    yield made
    made.leave()
    resource.getrlimit(resource.RLIMIT_FSIZE)
    subprocess.run(["rm", "-rf", folder], check=True)


WORDS = {
    "add": (("add", "groq/new", "--stdin", "--note", "x" * 2000), b"g" * 60_000),
    "rekey": (("rekey", "--yes", "--no-recovery"), b""),
    "restore": (("restore", "/dev/null", "--yes"), b""),
    "env": (("env", "--format", "dotenv", "-o", "out.env"), b""),
}


@pytest.mark.parametrize("room", [0, 8192, 32768, 131072])
@pytest.mark.parametrize("name", WORDS)
def test_a_full_disk_is_told_and_changes_nothing(name: str, room: int, disk: Disk, forks: Forks, scratch: str) -> None:
    home = VaultHome(os.path.join(disk.folder, "home"))
    os.mkdir(home.folder, 0o700)
    vault = states.furnish(home)
    add_key(vault, "big/one", "x" * 60_000)
    add_key(vault, "big/two", "x" * 60_000)
    vault.store.close()
    words, stdin = WORDS[name]
    if name == "restore":
        backup = os.path.join(scratch, "old.db")
        home.run("backup", backup)
        home.run("rm", "aws/work")
        words = ("restore", backup, "--yes")
    before = states.content(home)
    disk.fill(room)
    done = forks.run(home, *words, stdin=stdin, limits=disk.limits)
    told = done.told
    assert "Traceback" not in told
    assert "internal error" not in told
    if done.code:
        assert done.code == 1, told
        assert "no space left" in told or "too large" in told or "free space" in told, told
        assert states.content(home) == before
        assert not os.path.exists(os.path.join(home.folder, "out.env"))
        assert forks.run(home, "get", "openai", "--reveal", limits=disk.limits).out == b"sk-second"
        assert forks.run(home, "list", limits=disk.limits).code == 0
        assert forks.run(home, "verify", limits=disk.limits).code == 0, "reading needs no room"
        copy = os.path.join(scratch, "copy.db")
        if disk.mounted:
            saved = forks.run(home, "backup", copy, limits=disk.limits)
            assert saved.code == 0, "a backup onto another disk needs no room here: " + saved.told
    else:
        assert room, "it cannot have been done"
    disk.free()
    if done.code:
        again = forks.run(home, *words, stdin=stdin)
        assert again.code == 0, again.told
    states.content(home)


def test_a_long_lived_vault_goes_on_after_the_disk_was_full(disk: Disk, forks: Forks) -> None:
    if not disk.mounted:
        pytest.skip("without root no disk can be filled under a running process")
    home = VaultHome(os.path.join(disk.folder, "home"))
    os.mkdir(home.folder, 0o700)
    states.furnish(home).store.close()
    pipe, go = Pipe(disk.folder), os.path.join(home.folder, "go")
    os.mkfifo(go, 0o600)
    job = forks.start(home, home.folder, pipe.path, call="faults.workers:keep_writing")
    assert pipe.line() == "ready"
    with open(go, "wb", buffering=0) as orders:
        for fill, order, answer in (
            (False, b"small\n", "done"),
            (True, b"big\n", "StoreFailed"),
            (True, b"read\n", "done"),
            (True, b"big\n", "StoreFailed"),
            (False, b"small\n", "done"),
            (False, b"read\n", "done"),
        ):
            full = os.path.exists(os.path.join(disk.folder, "filler"))
            if fill and not full:
                disk.fill()
            elif full and not fill:
                disk.free()
            orders.write(order)
            said = pipe.line()
            assert said.startswith(answer), said
    assert job.wait().code == 0
    assert {"small/s1", "small/s5"} <= set(states.content(home)["keys"])
    pipe.close()


def test_an_agent_begins_and_answers_on_a_full_disk(disk: Disk) -> None:
    if not disk.mounted:
        pytest.skip("without root no disk can be filled under a running process")
    home = AgentHome(os.path.join(disk.folder, "home"))
    os.mkdir(home.folder, 0o700)
    vault = home.create()
    add_key(vault, "openai/default", "sk-1", "OPENAI_API_KEY")
    vault.store.close()
    expected = home.cold("env", "--format", "bash").stdout
    disk.fill()
    home.start_agent()
    try:
        for _ in range(3):
            assert home.run("env", "--format", "bash").stdout == expected
        assert home.served == 3
    finally:
        home.run("lock")
    assert home.status() == {}
