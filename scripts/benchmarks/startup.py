"""How long a command takes from start to exit, as a multiple of a bare interpreter."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple


class Cost(NamedTuple):
    """Medians over pairs of runs: a bare interpreter, then the command. Processor time is less disturbed by neighbours."""

    ratio: float
    cpu_ratio: float
    command: float
    bare: float


class Failed(Exception):
    """A command ended with an error, such as that of an agent which could not answer in time on a busy machine."""


class Pair:
    """A command, and its cost so far."""

    def __init__(self, words: Sequence[str], environment: dict[str, str], folder: str = "/") -> None:
        self.words = words
        self.environment = environment
        self.folder = folder
        self._runs: list[tuple[float, float, float, float]] = []
        self.failed = 0  # calls that are not counted

    def run(self, bare: Sequence[str], *, count: bool = True) -> None:
        """One more pair of runs; without `count` it only warms the caches."""
        os.chdir(self.folder)
        try:
            times = (*spawn(bare, self.environment), *spawn(self.words, self.environment))
        except Failed as exc:
            self.failed += 1
            if self.failed > len(self._runs) + 3:
                raise SystemExit(f"fails again and again while it is measured: {exc}") from exc
            return self.run(bare, count=count)
        if count:
            self._runs.append(times)
        return None

    @property
    def cost(self) -> Cost:
        """The medians."""
        return Cost(
            statistics.median(command / bare for bare, _, command, _ in self._runs),
            statistics.median(cpu / bare_cpu for _, bare_cpu, _, cpu in self._runs),
            statistics.median(command for _, _, command, _ in self._runs),
            statistics.median(bare for bare, _, _, _ in self._runs),
        )


def measure(python: str, pairs: Sequence[Pair], times: int) -> None:
    """Run all pairs in turn, `times` times, so that a busy moment falls on all of them."""
    bare = [python, "-I", "-S", "-c", "pass"]
    for pair in pairs:
        pair.run(bare, count=False)
    for _ in range(times):
        for pair in pairs:
            pair.run(bare)


_QUIET = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
]


def spawn(words: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Elapsed and processor seconds of one run."""
    start = time.perf_counter()
    child = os.posix_spawn(words[0], list(words), environment, file_actions=_QUIET)
    _, status, used = os.wait4(child, 0)
    elapsed = time.perf_counter() - start
    if status:
        raise Failed(" ".join(words))
    return elapsed, used.ru_utime + used.ru_stime
