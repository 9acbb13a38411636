"""`scripts/bench hook`: what a prompt costs with keyvault's hook, against an empty one and against direnv."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile

import clean_install
import report
from clean_install import Install
from report import seconds

_VARIABLES = [f"BENCH_{number}_API_KEY" for number in range(5)]
_SHELLS = ("bash", "zsh", "fish")
_START = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}
_LOOP = {
    "fish": "date +%s%N\nfor i in (seq {times})\n{body}\nend\ndate +%s%N\n",
    "": "date +%s%N\nfor i in $(seq {times}); do\n{body}\ndone\ndate +%s%N\n",
}
_EMPTY = {"fish": "function prompt_hook; return $status; end\n", "": "prompt_hook() { return $?; }\n"}
_DIRENV = {"fish": "__direnv_export_eval", "": "_direnv_hook"}

# What is measured -> the tool, and the folders that are entered in turn, a prompt after each.
_CASES = {
    "empty hook, same folder": ("", ["{deep}"], False),
    "empty hook, other folder": ("", ["{deep}", "{other}"], True),
    "keyvault, same folder, no project": ("keyvault", ["{deep}"], False),
    "keyvault, same folder, in a project": ("keyvault", ["{project}"], False),
    "keyvault, other folder, no project": ("keyvault", ["{deep}", "{other}"], True),
    "keyvault, other folder of the project": ("keyvault", ["{project}", "{project}/sub"], True),
    "keyvault, into a project and out": ("keyvault", ["{project}", "{deep}"], True),
    "direnv, same folder, no project": ("direnv", ["{deep}"], False),
    "direnv, same folder, in a project": ("direnv", ["{project}"], False),
    "direnv, other folder, no project": ("direnv", ["{deep}", "{other}"], True),
    "direnv, into a project and out": ("direnv", ["{project}", "{deep}"], True),
}
_DEAR = {name for name in _CASES if name.startswith("direnv") or name.endswith("out")}


def measure(*, quick: bool, command: str) -> str:
    """Make a clean install, a project for both tools, and tell the figures in Markdown."""
    missing = [program for program in ("direnv", *_SHELLS) if not shutil.which(program)]
    if missing:
        raise SystemExit(f"missing: {' '.join(missing)}; on Debian and Ubuntu: apt-get install {' '.join(missing)}")
    rounds = 3 if quick else 9
    load_before = report.load()
    folder = tempfile.mkdtemp(prefix="keyvault-bench-")
    try:
        install = clean_install.make(os.path.join(folder, "install"))
        environment, places = _home(install, folder)
        costs = {(shell, case): [] for shell in _SHELLS for case in _CASES}
        for _ in range(rounds):
            for shell, case in costs:
                costs[shell, case].append(_run(install, shell, case, environment, places))
        machine = report.machine(folder)
    finally:
        shutil.rmtree(folder)
    return _told({key: statistics.median(found) for key, found in costs.items()}, install, machine, command, load_before)


def _home(install: Install, folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """A vault, and a project that gives the same variables through keyvault and through direnv."""
    places = {name: os.path.join(folder, "a", "b", "c", name) for name in ("deep", "other", "project")}
    for place in (places["deep"], places["other"], os.path.join(places["project"], "sub")):
        os.makedirs(place)
    environment = clean_install.environment(
        HOME=folder,
        KEYVAULT_HOME=os.path.join(folder, "vault"),
        KEYVAULT_STATE=os.path.join(folder, "state"),
        KEYVAULT_KEY_FILE=os.path.join(folder, "key"),
        DIRENV_LOG_FORMAT="",
    )
    with open(os.path.join(folder, "keys.env"), "w", encoding="ascii") as file:
        file.writelines(f"{name}=sk-{number:048d}\n" for number, name in enumerate(_VARIABLES))
    with open(os.path.join(places["project"], ".envrc"), "w", encoding="ascii") as file:
        file.writelines(f"export {name}=sk-{number:048d}\n" for number, name in enumerate(_VARIABLES))
    for words in (
        [install.keyvault, "init", "--no-recovery", "--unlock", "key-file"],
        [install.keyvault, "import", os.path.join(folder, "keys.env"), "--yes"],
        [install.keyvault, "project", "init", os.path.join(folder, "keys.env")],
        ["direnv", "allow", places["project"]],
    ):
        where = places["project"] if "project" in words else folder
        subprocess.run(words, env=environment, cwd=where, capture_output=True, check=True)
    return environment, places


def _run(install: Install, shell: str, case: str, environment: dict[str, str], places: dict[str, str]) -> float:
    """Seconds a prompt, in one new shell."""
    tool, folders, changes = _CASES[case]
    times = 25 if case in _DEAR else 500
    kind = shell if shell == "fish" else ""
    hook = {"": "prompt_hook", "keyvault": "_keyvault_hook", "direnv": _DIRENV[kind]}[tool]
    start = _EMPTY[kind]
    if tool:
        program = install.keyvault if tool == "keyvault" else "direnv"
        start = f"{program} hook {shell} | source\n" if kind else f'eval "$({program} hook {shell})"\n'
    visits = [f"builtin cd {place.format(**places)}" for place in folders]
    body = "\n".join(f"{visit}\n{hook}" for visit in visits) if changes else hook
    script = start + f"{visits[0]}\n{hook}\n" + _LOOP[kind].format(times=times, body=body)
    done = subprocess.run(
        [shutil.which(shell) or shell, *_START[shell], "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    first, last = (int(line) for line in done.stdout.split())
    if case.startswith("keyvault") and case.endswith("out") and done.stderr.count("keyvault: +5") < times:
        raise SystemExit(f"{shell} did not load the keys: {done.stderr[:500]}")
    return (last - first) / 1e9 / times / (len(folders) if changes else 1)


def _told(costs: dict[tuple[str, str], float], install: Install, machine: str, command: str, load_before: float) -> str:
    rows = []
    for case, (tool, _, changes) in _CASES.items():
        if tool:
            empty = "empty hook, other folder" if changes else "empty hook, same folder"
            cells = [f"{costs[s, case] / costs[s, empty]:.1f} ({seconds(costs[s, case])})" for s in _SHELLS]
            rows.append((case, *cells))
    pairs = [(case, case.replace("direnv", "keyvault")) for case in _CASES if case.startswith("direnv")]
    against = [
        (ours.removeprefix("keyvault, "), *(f"{costs[s, ours] / costs[s, theirs]:.3f}" for s in _SHELLS))
        for theirs, ours in pairs
    ]
    version = subprocess.run(["direnv", "version"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"Made by `{command}` on {machine}; {install.versions}; direnv {version}.\n"
        f"Processes that wanted a core: {load_before:.1f} in the minute before, {report.load():.1f} in the last one.\n\n"
        f"A prompt, as a multiple of one with a hook that does nothing; where the folder changes, `cd` is in both. A project\n"
        f"has {len(_VARIABLES)} keys; the vault opens by a key file. The folders lie six levels below the root.\n\n"
        + report.table(("", *_SHELLS), rows)
        + "\n\nAgainst direnv, which sets the same variables from an `.envrc` in plain text; below 1 is cheaper:\n\n"
        + report.table(("", *_SHELLS), against)
    )
