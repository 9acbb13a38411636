"""Writers that are killed at any moment lose nothing that they had acknowledged."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from faults.forks import Forks, Job
from faults.pipes import Pipe
from vaults import VaultHome, add_key

from keyvault.store.sqlite import SqliteStore
from keyvault.vault import care

pytestmark = pytest.mark.timeout(7200)

KILLS, KILLS_AT_NIGHT = 200, 10_000
ROUNDS_A_VAULT = 5
WRITERS = {"api0": "write_by_api", "api1": "write_by_api", "api2": "write_by_api", "command": "write_by_commands"}


class Writers:
    """Four writers on one vault, and what each has said."""

    def __init__(self, home: VaultHome, forks: Forks, pipe: Pipe) -> None:
        self.home, self.forks, self.pipe = home, forks, pipe
        self.done = dict.fromkeys(WRITERS, 0)
        self.started = dict.fromkeys(WRITERS, 0)
        self.jobs: dict[str, Job] = {}
        vault = home.create()
        for name in WRITERS:
            add_key(vault, f"w/{name}", "v0")
        vault.store.close()

    def start(self, name: str) -> None:
        self.jobs[name] = self.forks.start(
            self.home, self.home.folder, self.pipe.path, name, self.started[name] + 1, call=f"faults.workers:{WRITERS[name]}"
        )

    def kill(self, name: str) -> None:
        self.jobs[name].kill(signal.SIGKILL)
        ended = self.jobs.pop(name).wait()
        assert ended.code == -signal.SIGKILL, ended.told

    def listen(self) -> None:
        for line in self.pipe.drain():
            name, what, number = line.split(" ")[:3]
            assert what in ("start", "done"), line
            told = self.started if what == "start" else self.done
            told[name] = int(number)

    def check(self) -> None:
        """After a kill, while the others write on: what was acknowledged is there, and the anchor does not lead."""
        self.listen()
        acknowledged = dict(self.done)
        with_anchor = self.home.anchors
        looking = self.home.open(believe_store=True)
        anchor = with_anchor.read(looking.header.vault_id)
        assert anchor
        vault = self.home.open()
        looking.store.close()
        assert anchor.seq <= vault.root.seq
        for name in WRITERS:
            key, values = vault.open_key(f"w/{name}")
            number = int(values[""][1:])
            assert number >= acknowledged[name], f"{name}: {acknowledged[name]} was acknowledged, and {number} is there"
            self.listen()
            assert number <= self.started[name], f"{name}: {number} is there and was never begun"
            assert len(key.versions) <= number + 1
        vault.store.close()

    def check_at_rest(self) -> None:
        """When all are dead: also every byte, and the history of each key without gaps but for writes that were cut off."""
        self.check()
        vault = self.home.open()
        assert isinstance(vault.store, SqliteStore)
        vault.store.check_integrity()
        care.verify(vault)
        for key in vault.all_keys():
            numbers = [int(vault.values(key, version)[""][1:]) for version in key.versions if version.blob]
            assert numbers == sorted(set(numbers))
        rows = vault.log()
        assert [row.seq for row in rows] == list(range(len(rows), 0, -1))
        vault.store.close()


def test_killed_writers_lose_no_acknowledged_write(
    scratch: str, forks: Forks, nightly: bool, record_property: Callable[[str, Any], None]
) -> None:
    chance, kills, acknowledged = random.Random(), 0, 0
    wanted = KILLS_AT_NIGHT if nightly else KILLS
    while kills < wanted:
        folder = os.path.join(scratch, f"home{kills}")
        os.mkdir(folder, 0o700)
        pipe = Pipe(folder)
        writers = Writers(VaultHome(folder), forks, pipe)
        for _ in range(ROUNDS_A_VAULT):
            if kills >= wanted:
                break
            start = time.monotonic()
            moments = sorted((chance.uniform(0.02, 0.25), name) for name in WRITERS)
            for name in WRITERS:
                writers.start(name)
            for moment, name in moments:
                time.sleep(max(0.0, start + moment - time.monotonic()))
                writers.kill(name)
                kills += 1
                writers.check()
            writers.check_at_rest()
        acknowledged += sum(writers.done.values())
        pipe.close()
        shutil.rmtree(folder)
    record_property("kills", kills)
    print(f"{kills} kills, {acknowledged} acknowledged writes")
    assert kills >= wanted
    assert acknowledged > kills, "the writers hardly wrote"
