"""`scripts/bench check`: how long many keys take against vendors that answer slowly, and how much memory."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time

import clean_install
import report
from clean_install import Install
from report import seconds, size

_SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_server.py")
_ONE_REQUEST = (
    "import http.client, ssl, sys, time\n"
    "context = ssl.create_default_context(cafile=sys.argv[1])\n"
    "start = time.perf_counter()\n"
    "connection = http.client.HTTPSConnection('localhost', int(sys.argv[2]), context=context)\n"
    "connection.request('GET', '/')\n"
    "connection.getresponse().read()\n"
    "print(time.perf_counter() - start)\n"
)
_ANSWER_TIME = 0.3
_KEYS = 80
_VENDOR = """\
id = "{id}"
name = "{id}"
variables = ["{variable}"]
[[checks]]
urls = ["https://localhost:{port}/{id}"]
headers = {{ Authorization = "Bearer {{key}}" }}
"""


def measure(*, quick: bool, command: str) -> str:
    """Make a clean install and a slow server, and tell the figures in Markdown."""
    times = 3 if quick else 11
    counts = (1, 8, _KEYS) if quick else (1, 8, _KEYS, 4 * _KEYS)
    folder = tempfile.mkdtemp(prefix="keyvault-bench-")
    load_before = report.load()
    try:
        install = clean_install.make(os.path.join(folder, "install"))
        server = subprocess.Popen(
            [install.python, "-I", _SERVER, folder, str(_ANSWER_TIME)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath},
        )
        try:
            assert server.stdout
            port = int(server.stdout.readline())
            homes = {count: _home(install, os.path.join(folder, str(count)), count, port, folder) for count in (0, *counts)}
            request = [_one_request(install, folder, port) for _ in range(times)]
            runs = {count: [_run(install, home) for _ in range(times)] for count, home in homes.items()}
        finally:
            server.kill()
            server.wait()
        machine = report.machine(folder)
    finally:
        shutil.rmtree(folder)
    one = statistics.median(request)
    nothing = statistics.median(elapsed for elapsed, _ in runs[0])
    start_up = statistics.median(elapsed for elapsed, _ in runs[1]) - one
    rows = []
    for count in counts:
        total = statistics.median(elapsed for elapsed, _ in runs[count])
        peak = statistics.median(peak for _, peak in runs[count])
        ratios = (f"{(total - beginning) / one:.2f}" for beginning in (start_up, nothing))
        rows.append((f"{count}", *ratios, seconds(total), size(peak)))
    eighty = next(row for row in rows if row[0] == str(_KEYS))
    memory = statistics.median(p for _, p in runs[_KEYS]) / statistics.median(p for _, p in runs[1])
    met = "yes" if float(eighty[1]) <= 1.6 else "**no**"
    return (
        f"Made by `{command}` on {machine}; {install.versions}.\n"
        f"Processes that wanted a core: {load_before:.1f} in the minute before, {report.load():.1f} in the last one.\n\n"
        "Each key belongs to a vendor of its own, whose TLS server on this machine answers after "
        f"{seconds(_ANSWER_TIME)}. One request\nwith Python's own client takes {seconds(one)}. The ratio is what is beyond "
        "start-up, as a multiple of that. Start-up is what `keyvault check`\nof one key takes beyond its request, "
        f"{seconds(start_up)}; a run that asks nobody and so never loads the client takes {seconds(nothing)},\nand the second "
        "ratio is against that. Server and client share the cores.\n\n"
        + report.table(("keys", "ratio", "against asking nobody", "elapsed", "peak memory"), rows)
        + f"\n\nWanted for {_KEYS} keys: at most 1.6; measured {eighty[1]}: {met}.\n"
        f"Peak memory of {_KEYS} keys against one: {memory:.2f}."
    )


def _home(install: Install, folder: str, count: int, port: int, authority: str) -> dict[str, str]:
    """A vault of `count` keys, each of a vendor of its own; none: one key that cannot be asked about."""
    vendors = os.path.join(folder, "config", "keyvault", "providers")
    os.makedirs(vendors)
    environment = clean_install.environment(
        KEYVAULT_HOME=os.path.join(folder, "vault"),
        KEYVAULT_STATE=os.path.join(folder, "state"),
        KEYVAULT_KEY_FILE=os.path.join(folder, "key"),
        XDG_CONFIG_HOME=os.path.join(folder, "config"),
        SSL_CERT_FILE=os.path.join(authority, "authority.pem"),
    )
    lines = []
    for number in range(count):
        name, variable = f"slow-{number:03}", f"SLOW_{number:03}_API_KEY"
        with open(os.path.join(vendors, f"{name}.toml"), "w", encoding="ascii") as file:
            file.write(_VENDOR.format(id=name, variable=variable, port=port))
        lines.append(f"{variable}=sk-{number:048d}\n")
    with open(os.path.join(folder, ".env"), "w", encoding="ascii") as file:
        file.writelines(lines or ["NOBODYS_API_KEY=sk-0\n"])
    for words in (["init", "--no-recovery", "--unlock", "key-file"], ["import", os.path.join(folder, ".env"), "--yes"]):
        subprocess.run([install.keyvault, *words], env=environment, stdout=subprocess.DEVNULL, check=True)
    return environment


def _run(install: Install, environment: dict[str, str]) -> tuple[float, int]:
    """Elapsed seconds, and the most memory in bytes, of one `keyvault check`."""
    start = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(install.keyvault, [install.keyvault, "check", "--fail-on", "none"], environment, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    elapsed = time.perf_counter() - start
    if status:
        raise SystemExit("check failed while it was measured")
    return elapsed, used.ru_maxrss * 1024


def _one_request(install: Install, folder: str, port: int) -> float:
    words = [install.python, "-I", "-c", _ONE_REQUEST, os.path.join(folder, "authority.pem"), str(port)]
    return float(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)
