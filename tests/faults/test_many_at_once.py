"""Many processes on one vault: none waits for ever, none loses a change, none reads an old value after a newer one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest
from faults import states
from faults.forks import Forks
from faults.pipes import Pipe
from vaults import VaultHome, add_key

from keyvault.vault import care, changes

pytestmark = pytest.mark.timeout(1200)

PROCESSES, TIMES, READERS = 50, 20, 3


def test_fifty_processes_lose_no_increment_and_readers_never_fail(
    home: VaultHome, forks: Forks, record_property: Callable[[str, Any], None]
) -> None:
    vault = home.create()
    add_key(vault, "w/counter", "value")
    with vault.transaction("edit") as tx:
        changes.edit(tx, "w/counter", {"note": "0"}, 1_790_000_000)
    pipe, read_pipe = Pipe(home.folder), Pipe(home.folder, "readers")
    readers = [forks.start(home, home.folder, read_pipe.path, call="faults.workers:read_on") for _ in range(READERS)]
    writers = [forks.start(home, home.folder, pipe.path, TIMES, call="faults.workers:increment") for _ in range(PROCESSES)]
    for job in writers:
        ended = job.wait(300)
        assert ended.code == 0, ended.told
    with open(os.path.join(home.folder, "stop"), "w"):
        pass
    for job in readers:
        ended = job.wait(60)
        assert ended.code == 0, ended.told
    assert vault.get("w/counter").note == str(PROCESSES * TIMES)
    care.verify(vault)
    waits = [float(line) for line in pipe.drain()]
    rounds = sum(int(line) for line in read_pipe.drain())
    record_property("worst wait", max(waits))
    print(f"worst wait {max(waits):.3f} s, {rounds} readers' rounds")
    assert len(waits) == PROCESSES
    assert rounds > 0
    assert max(waits) < 30


def test_mixed_work_shows_no_stale_value_after_an_acknowledged_write(home: VaultHome, forks: Forks, nightly: bool) -> None:
    vault = home.create()
    for number in range(3):
        add_key(vault, f"w/k{number}", "0")
    seconds = 60.0 if nightly else 6.0
    logs = [os.path.join(home.folder, f"log{number}") for number in range(8)]
    jobs = [
        forks.start(home, home.folder, log, number, seconds, call="faults.workers:mixed") for number, log in enumerate(logs)
    ]
    for job in jobs:
        ended = job.wait(seconds + 120)
        assert ended.code == 0, ended.told
    entries = []
    for log in logs:
        with open(log) as file:
            entries += json.load(file)
    kinds = {entry[0] for entry in entries}
    assert {"get", "put", "rekey", "passwd", "slot-add"} <= kinds
    for ref in ("w/k0", "w/k1", "w/k2"):
        writes = sorted((value, start, end) for act, of, value, start, end in entries if act == "put" and of == ref)
        assert [value for value, _, _ in writes] == list(range(1, len(writes) + 1)), "a write was lost or done twice"
        assert int(vault.open_key(ref)[1][""]) == len(writes)
        for act, of, value, start, end in entries:
            if act == "get" and of == ref:
                assert value >= max((v for v, _, ended in writes if ended < start), default=0), "an old value was read"
                assert value <= max((v for v, begun, _ in writes if begun < end), default=0), "a value from the future"
    care.verify(vault)
    states.content(home)
    print(f"{len(entries)} acts, {sum(1 for e in entries if e[0] == 'rekey')} rekeys")
