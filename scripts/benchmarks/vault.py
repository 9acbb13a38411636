"""`scripts/bench vault`: what reading, writing, listing, importing and verifying cost, how that grows, and start-up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import Any, NamedTuple

import clean_install
import report
from clean_install import Install
from report import seconds, size
from startup import Pair, spawn
from startup import measure as measure_pairs

_IN_VAULT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "in_vault.py")
_SIZES = (100, 1_000, 10_000, 100_000)
_MANY = 10_000  # the size of the targets for listing and importing
_ENV_KEYS = 20


class _Command(NamedTuple):
    """What whole commands cost on a vault of _MANY keys: (elapsed, processor) seconds."""

    listing: tuple[float, float]
    importing: tuple[float, float]


def measure(*, quick: bool, command: str) -> str:
    """Make a clean install, measure it, and tell the figures in Markdown."""
    sizes = _SIZES[:3] if quick else _SIZES
    load_before = report.load()
    times = 60 if quick else 600
    folder = tempfile.mkdtemp(prefix="keyvault-bench-")
    try:
        install = clean_install.make(os.path.join(folder, "install"))
        start_up = _start_up(install, os.path.join(folder, "start-up"), times=15 if quick else 100)
        figures = {n: _figures(install, os.path.join(folder, str(n)), n, times) for n in sizes}
        for n, more in _task(install, "one_key", times, *(os.path.join(folder, str(n)) for n in sizes)).items():
            figures[int(n)] |= more
        commands = _commands(install, os.path.join(folder, str(_MANY)), os.path.join(folder, "imported"))
        about = _about(install, folder, command, load_before)
    finally:
        shutil.rmtree(folder)
    parts = [about, _targets(figures, start_up, commands), _start_up_table(start_up), _growth_table(figures)]
    return "\n\n".join(parts)


def _task(install: Install, task: str, *arguments: object) -> Any:
    done = subprocess.run(
        [install.python, "-I", _IN_VAULT, task, *map(str, arguments)],
        stdout=subprocess.PIPE,
        env=clean_install.environment(),
        check=True,
    )
    return json.loads(done.stdout)


def _figures(install: Install, folder: str, count: int, times: int) -> dict[str, Any]:
    os.mkdir(folder)
    figures: dict[str, Any] = _task(install, "measure", folder, count, times)
    peaks = sorted(_task(install, "peak", folder, number * count // 5) for number in range(5))
    return {**figures, "peak": peaks[2]}


def _environment(folder: str) -> dict[str, str]:
    """Where the commands find the vault that in_vault.py made."""
    return clean_install.environment(
        KEYVAULT_HOME=os.path.join(folder, "vault"),
        KEYVAULT_STATE=os.path.join(folder, "state"),
        KEYVAULT_KEY_FILE=os.path.join(folder, "key"),
    )


def _start_up(install: Install, folder: str, times: int) -> dict[str, Pair]:
    os.mkdir(folder)
    _task(install, "make", folder, _ENV_KEYS)
    environment = _environment(folder)
    exported = subprocess.run(
        [install.keyvault, "env", "--format", "bash"], env=environment, stdout=subprocess.PIPE, check=True, text=True
    ).stdout
    if exported.count("export ") != _ENV_KEYS:
        raise SystemExit(f"env should export {_ENV_KEYS} keys")
    pairs = {words: Pair([install.keyvault, *words.split()], environment) for words in ("--version", "env", "list")}
    measure_pairs(install.python, list(pairs.values()), times)
    return pairs


def _commands(install: Install, filled: str, empty: str) -> _Command:
    """`list` on the large vault, and `import` of as many keys into an empty one."""
    os.mkdir(empty)
    _task(install, "make", empty, 0)
    source = os.path.join(empty, "many.env")
    with open(source, "w", encoding="ascii") as file:
        file.writelines(f"SERVICE_{n}_API_KEY=sk-{n:048d}\n" for n in range(_MANY))
    listing = sorted(spawn([install.keyvault, "list"], _environment(filled)) for _ in range(5))[2]
    return _Command(listing, spawn([install.keyvault, "import", source, "--yes"], _environment(empty)))


def _about(install: Install, folder: str, command: str, load_before: float) -> str:
    return (
        f"Made by `{command}` on {report.machine(folder)}; {install.versions};\n"
        f"a wheel in a clean virtual environment, its `keyvault-python` script written by pip {install.pip}.\n"
        f"Processes that wanted a core: {load_before:.1f} in the minute before, {report.load():.1f} in the last one (with the\n"
        "benchmark itself). Where that is more than there are cores, elapsed times are too long, and CPU times and the\n"
        "ratios of runs in turn are the ones to trust."
    )


def _targets(figures: dict[int, dict[str, Any]], start_up: dict[str, Pair], commands: _Command) -> str:
    smallest, largest = min(figures), max(figures)
    growth = figures[largest]["read"]["elapsed"] / figures[smallest]["read"]["elapsed"]
    peaks = [f["peak"] for f in figures.values()]
    spread = max(peaks) / min(peaks)
    env, many = start_up["env"].cost, figures[_MANY]
    rows = [
        (f"verified read, {largest:,} keys against {smallest}", "2", f"{growth:.2f}", growth <= 2),
        (f"`env` of {_ENV_KEYS} keys, key file, no agent, against bare Python", "6", f"{env.ratio:.2f}", env.ratio <= 6),
        _limit(f"listing {_MANY:,} keys", 0.3, many["list"]["elapsed"], many["list"]["cpu"]),
        _limit(f"importing {_MANY:,} keys", 10, many["import"]["elapsed"], many["import"]["cpu"]),
        _limit(f"importing {_MANY:,} keys, `keyvault import` as a whole", 10, *commands.importing),
        ("peak memory of a single read, largest against smallest", "1.1", f"{spread:.2f}", spread <= 1.1),
    ]
    lines = report.table(
        ("wanted", "at most", "measured", "met"), [(*texts, "yes" if met else "**no**") for *texts, met in rows]
    )
    listing = (
        f"`keyvault list` as a whole, {_MANY:,} keys: {seconds(commands.listing[0])} (CPU {seconds(commands.listing[1])})."
    )
    return f"### Targets\n\n{lines}\n\n{listing}"


def _limit(what: str, limit: float, elapsed: float, cpu: float) -> tuple[str, str, str, bool]:
    return what, f"{limit} s", f"{seconds(elapsed)} (CPU {seconds(cpu)})", elapsed <= limit


def _start_up_table(pairs: dict[str, Pair]) -> str:
    rows = []
    for words, pair in pairs.items():
        cost = pair.cost
        rows.append(
            (f"`keyvault {words}`", f"{cost.ratio:.2f}", f"{cost.cpu_ratio:.2f}", seconds(cost.command), seconds(cost.bare))
        )
    return (
        f"### Start-up, {_ENV_KEYS} keys, against `python -I -S -c pass`\n\n"
        + report.table(("command", "ratio", "ratio of CPU time", "elapsed", "bare Python"), rows)
        + "\n\nMedians of pairs run in turn, the bare interpreter right before each command."
    )


def _growth_table(figures: dict[int, dict[str, Any]]) -> str:
    """Costs as multiples of those of the smallest vault: as they are, or a key where all keys are touched."""
    smallest = min(figures)

    def cell(count: int, what: str, *, a_key: bool) -> str:
        now, first = (f[what]["elapsed"] if isinstance(f[what], dict) else f[what] for f in (figures[count], figures[smallest]))
        ratio = now / first * (smallest / count if a_key else 1)
        return f"{ratio:.2f} ({seconds(now) if isinstance(figures[count][what], dict) else size(now)})"

    def rows(names: dict[str, str], *, a_key: bool) -> list[list[str]]:
        return [[title, *(cell(count, what, a_key=a_key) for count in figures)] for what, title in names.items()]

    headings = ("", *(f"{count:,} keys" for count in figures))
    one = {"read": "verified read", "write": "durable write", "open": "open the vault", "peak": "peak memory of a single read"}
    every = {"list": "list", "import": "bulk import", "verify": "full verify", "size": "file size"}
    return (
        f"### One key, as a multiple of the cost at {smallest} keys\n\n{report.table(headings, rows(one, a_key=False))}\n\n"
        f"### All keys, as a multiple of the cost a key at {smallest} keys\n\n{report.table(headings, rows(every, a_key=True))}"
    )
