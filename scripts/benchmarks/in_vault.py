"""Runs inside the clean environment, on vaults of its own making. `in_vault.py TASK ARGUMENTS...` prints JSON."""

from __future__ import annotations

import functools
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests"))

from vaults import VaultHome

from keyvault.vault import care, changes
from keyvault.vault.vault import Vault

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_random = random.Random(2)  # the same vaults every time; nothing here is a secret


def value() -> str:
    """A made-up key of the usual length."""
    return "sk-" + "".join(_random.choices(_LETTERS, k=48))


def ref(number: int) -> str:
    """Fifty vendors share the keys; below twenty, each has one, so that `env` exports them all."""
    return f"vendor{number % 50}/key-{number}"


def seconds(action: Callable[[], object], times: int = 1) -> dict[str, float]:
    """Median elapsed and processor seconds of one call."""
    elapsed, cpu = [], []
    for _ in range(times):
        start, cpu_start = time.perf_counter(), time.process_time()
        action()
        elapsed.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    return {"elapsed": statistics.median(elapsed), "cpu": statistics.median(cpu)}


def fill(vault: Vault, count: int) -> None:
    """Put `count` keys in, in one commit, as an import does."""
    with vault.transaction("import") as tx:
        for number in range(count):
            changes.add(tx, ref(number), {"": value()}, {"variables": {f"KEY_{number}": ""}}, 1_790_000_000)


def make(folder: str, count: str) -> None:
    """A vault with so many keys; nothing is measured."""
    fill(VaultHome(folder).create(), int(count))


def measure(folder: str, count: str, repeat: str) -> dict[str, object]:
    """A new vault of `count` keys, and what it costs to use."""
    home, keys, times = VaultHome(folder), int(count), int(repeat)
    vault = home.create()
    figures: dict[str, object] = {"import": seconds(lambda: fill(vault, keys))}
    vault.store.close()
    figures["size"] = os.path.getsize(home.path)
    figures["open"] = seconds(home.open, max(3, times // 30))
    vault = home.open()
    figures["list"] = seconds(vault.all_keys, 3 if keys > 10_000 else 7)
    figures["verify"] = seconds(lambda: care.verify(vault))
    return figures


def one_key(times: str, *folders: str) -> dict[str, dict[str, dict[str, float]]]:
    """Read and write one key of each vault in turn, so that a busy moment falls on all of them."""
    vaults = {os.path.basename(folder): VaultHome(folder).open() for folder in folders}

    def read(count: str, vault: Vault) -> None:
        vault.open_key(ref(_random.randrange(int(count))))

    def write(count: str, vault: Vault) -> None:
        with vault.transaction("edit") as tx:
            changes.edit(tx, ref(_random.randrange(int(count))), {}, 1_790_000_001, {"": value()})

    # the first quarter fills the disk's cache, as in a program that has been running for a while
    in_turn(read, vaults, int(times) // 4)
    reads = in_turn(read, vaults, int(times))
    writes = in_turn(write, vaults, int(times) // 10)
    return {count: {"read": reads[count], "write": writes[count]} for count in vaults}


def in_turn(action: Callable[[str, Vault], None], vaults: dict[str, Vault], times: int) -> dict[str, dict[str, float]]:
    """Medians of so many rounds through all vaults."""
    taken: dict[str, list[dict[str, float]]] = {count: [] for count in vaults}
    for _ in range(times):
        for count, vault in vaults.items():
            taken[count].append(seconds(functools.partial(action, count, vault)))
    return {
        count: {what: statistics.median(one[what] for one in runs) for what in ("elapsed", "cpu")}
        for count, runs in taken.items()
    }


def peak(folder: str, number: str) -> int:
    """The most memory that this process ever held, in bytes, when it has opened the vault and one key."""
    VaultHome(folder).open().open_key(ref(int(number)))
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # ru_maxrss would count the parent's memory before exec
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except FileNotFoundError:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


TASKS: dict[str, Callable[..., object]] = {"make": make, "measure": measure, "one_key": one_key, "peak": peak}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
