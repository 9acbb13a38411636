"""`scripts/bench startup`: what a call costs from start to exit, with the agent and without, and what others cost."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import agent
import clean_install
import peers
import report
from agent import Load
from clean_install import Install
from peers import PEERS, LeftOut, Tools
from report import seconds
from startup import Cost, Pair
from startup import measure as measure_pairs

_COUNTS = (1, 20, 200)
_MANY = 10_000
_NATIVE, _HOOK, _PYTHON, _COLD = (
    "native client, agent",
    "the hook's Python call, agent",
    "`keyvault-python`, agent",
    "`keyvault`, key file, no agent",
)
_WANTED = {_NATIVE: 0.35, _HOOK: 1.3, _PYTHON: 1.9, _COLD: 5.0}
Costs = dict[str, dict[int, Cost]]


def measure(*, quick: bool, command: str) -> str:
    """Make a clean install, measure it and what else is there, and tell the figures in Markdown."""
    load_before = report.load()
    folder = tempfile.mkdtemp(prefix="kvb")  # short, for the agent's socket
    homes: list[dict[str, str]] = []
    try:
        install = clean_install.make(os.path.join(folder, "install"))
        if not os.path.exists(install.keyvault + "-python"):
            raise SystemExit("keyvault-python is missing")
        costs, left_out = _costs(install, folder, homes, times=8 if quick else 40)
        asked = homes[_COUNTS.index(20)]
        most = agent.load(install, asked, folder, 1 if quick else 5, 0)
        paced = agent.load(install, asked, folder, 1 if quick else 5, agent.WANTED)
        memory = agent.peak_memory(install, _home(install, folder, _MANY, homes)[0])
        about = _about(install, folder, command, load_before)
    finally:
        for home in homes:
            subprocess.run([install.keyvault, "lock"], env=home, stderr=subprocess.DEVNULL, check=False)
        os.chdir("/")
        shutil.rmtree(folder)
    return "\n\n".join([about, _targets(costs, most, paced, memory), _table(costs), left_out])


def _home(install: Install, folder: str, count: int, homes: list[dict[str, str]]) -> tuple[dict[str, str], dict[str, str]]:
    """A vault of `count` keys with an agent; the environment that asks it, and the one that unlocks by key file."""
    place = os.path.join(folder, str(count))
    for path in (place, os.path.join(place, "run")):
        os.mkdir(path, 0o700)
    in_vault = os.path.join(os.path.dirname(os.path.abspath(__file__)), "in_vault.py")
    subprocess.run([install.python, "-I", in_vault, "make", place, str(count)], stdout=subprocess.DEVNULL, check=True)
    warm = clean_install.environment(
        HOME=place,
        XDG_RUNTIME_DIR=os.path.join(place, "run"),
        KEYVAULT_HOME=os.path.join(place, "vault"),
        KEYVAULT_STATE=os.path.join(place, "state"),
    )
    cold = warm | {"KEYVAULT_KEY_FILE": os.path.join(place, "key")}
    subprocess.run([install.keyvault, "unlock", "--for", "2h"], env=cold, stderr=subprocess.DEVNULL, check=True)
    homes.append(warm)
    return warm, cold


def _costs(install: Install, folder: str, homes: list[dict[str, str]], times: int) -> tuple[Costs, str]:
    about = "import keyvault; print(keyvault.__path__[0])"
    printed = subprocess.run([install.python, "-I", "-c", about], stdout=subprocess.PIPE, text=True, check=True).stdout
    hook = [install.python, "-I", "-S", "-E", os.path.join(printed.strip(), "call.py"), "env", "--format", "bash"]
    pairs: dict[str, dict[int, Pair]] = {}
    reasons: dict[str, str] = {}
    tools = Tools(folder)
    for count in _COUNTS:
        warm, cold = _home(install, folder, count, homes)
        words = ["env", "--format", "bash"]
        ours = {
            _NATIVE: Pair([install.keyvault, *words], warm),
            _HOOK: Pair(hook, warm),
            _PYTHON: Pair([install.keyvault + "-python", *words], warm),
            _COLD: Pair([install.keyvault, *words], cold),
        }
        if len({_printed(pair) for pair in ours.values()}) != 1 or _printed(ours[_NATIVE]).count(b"export ") != count:
            raise SystemExit(f"the ways to export {count} keys do not agree")
        for name, pair in ours.items():
            pairs.setdefault(name, {})[count] = pair
        for name, set_up in PEERS.items():
            try:
                peer = set_up(tools, count)
                peers.run(*peer.words, folder=peer.folder, **peer.environment)
            except LeftOut as exc:
                reasons.setdefault(name, str(exc))
            else:
                pairs.setdefault(name, {})[count] = Pair(peer.words, peer.environment, peer.folder)
    measure_pairs(install.python, [pair for by_count in pairs.values() for pair in by_count.values()], times)
    missing = [f"{name}: {reason}" for name, reason in reasons.items() if name not in pairs]
    told = f"Left out: {'; '.join(missing)}." if missing else "None was left out."
    if failed := sum(pair.failed for by_count in pairs.values() for pair in by_count.values()):
        told += f" Calls that got no answer in time, and were repeated: {failed}."
    return {name: {count: pair.cost for count, pair in found.items()} for name, found in pairs.items()}, told


def _printed(pair: Pair) -> bytes:
    return subprocess.run(pair.words, env=pair.environment, stdout=subprocess.PIPE, check=True).stdout


def _about(install: Install, folder: str, command: str, load_before: float) -> str:
    return (
        f"Made by `{command}` on {report.machine(folder)}; {install.versions};\n"
        f"a wheel in a clean virtual environment, its `keyvault-python` script written by pip {install.pip}.\n"
        f"Processes that wanted a core: {load_before:.1f} in the minute before, {report.load():.1f} in the last one (with the\n"
        "benchmark itself)."
    )


def _targets(costs: Costs, most: Load, paced: Load, memory: int) -> str:
    rows = [
        (f"20 keys, {name}", f"at most {limit}", f"{costs[name][20].ratio:.2f}", costs[name][20].ratio <= limit)
        for name, limit in _WANTED.items()
    ]
    others = [(found[20].ratio, name) for name, found in costs.items() if name not in _WANTED and 20 in found]
    if others:
        best, name = min(others)
        mine = costs[_NATIVE][20].ratio
        rows.append(
            (f"20 keys, native client against the fastest other, {name}", f"below {best:.2f}", f"{mine:.2f}", mine < best)
        )
    wanted = agent.WANTED
    rows += [
        (
            f"`env` of 20 keys, requests a second from {agent.CLIENTS} clients that never rest",
            f"at least {wanted:,}",
            f"{most.rate:,.0f}",
            most.rate >= wanted,
        ),
        (
            f"the slowest of a hundred, of {wanted:,} requests a second (median {seconds(paced.p50)})",
            "below 10 ms",
            seconds(paced.p99),
            paced.p99 < 0.01,
        ),
        (f"the most memory that the agent ever held, {_MANY:,} keys", "below 60 MB", f"{memory / 1e6:.1f} MB", memory < 60e6),
    ]
    table = report.table(("", "wanted", "measured", "met"), [(*texts, "yes" if met else "**no**") for *texts, met in rows])
    cores = "; ".join(
        f"at {load.rate:,.0f} requests a second it used {load.agent_cores:.2f} of a core, and the clients {load.load_cores:.2f}"
        for load in (most, paced)
    )
    return f"### Targets of a start\n\n{table}\n\nThe agent answers in one thread: {cores}."


def _table(costs: Costs) -> str:
    def cell(cost: Cost | None) -> str:
        return f"{cost.ratio:.2f} ({seconds(cost.command)})" if cost else ""

    rows = [(name, *(cell(found.get(count)) for count in _COUNTS)) for name, found in costs.items()]
    headings = ("", *(f"{count} key{'s' if count > 1 else ''}" for count in _COUNTS))
    return (
        "### Keys to the shell, as a multiple of `python -I -S -c pass`\n\n"
        + report.table(headings, rows)
        + "\n\nMedians of pairs run in turn, the bare interpreter right before each command."
    )
