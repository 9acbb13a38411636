from __future__ import annotations

import ast
import os
import resource
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cffi
import pytest

import keyvault
from keyvault.core import harden

ROOT = str(Path(keyvault.__file__).parent.parent)
NOBODY = 65534
linux = pytest.mark.skipif(sys.platform != "linux", reason="prctl and /proc are Linux")
HARDEN = "from keyvault.core.harden import harden_process, restore_limits\nharden_process()\n"
VICTIM = "import sys\nprint('ready', flush=True)\nsys.stdin.read()\n"
OBSERVE = """
import sys
for name in ("environ", "mem", "maps"):
    try:
        open(f"/proc/{sys.argv[1]}/{name}", "rb").read(1 if name == "environ" else 0)
        print("open", name)
    except PermissionError:
        print("closed", name)
"""


def unprivileged() -> dict[str, Any]:
    """A process may read its own user's; root may read all. So root tests as nobody."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@cache
def python() -> str:
    """An interpreter that the unprivileged user can run with keyvault on its path."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            probe = [candidate, "-c", "import ctypes, keyvault.core.harden"]
            if subprocess.run(probe, env=environment(), capture_output=True, check=False, **unprivileged()).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.skip("no interpreter that another user can run")


def environment() -> dict[str, str]:
    return {"PYTHONPATH": ROOT, "PYTHONDONTWRITEBYTECODE": "1", "CANARY": "sk-canary-value"}


def observe(victim_code: str) -> list[str]:
    with subprocess.Popen(
        [python(), "-c", victim_code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
        cwd="/",
        **unprivileged(),
    ) as victim:
        assert victim.stdout is not None
        assert victim.stdin is not None
        assert victim.stdout.readline() == b"ready\n"
        seen = subprocess.run(
            [python(), "-c", OBSERVE, str(victim.pid)], capture_output=True, text=True, check=True, cwd="/", **unprivileged()
        )
        victim.stdin.close()
    return str(seen.stdout).splitlines()


@linux
def test_another_process_of_the_user_cannot_read_memory_or_environment() -> None:
    assert "open environ" in observe(VICTIM)
    assert observe(HARDEN + VICTIM) == ["closed environ", "closed mem", "closed maps"]


def test_the_call_is_described_as_cffi_does_it(tmp_path: Path) -> None:
    ffi = cffi.FFI()
    ffi.cdef("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);")
    ffi.set_source("keyvault.core.harden", None)
    ffi.emit_python_code(str(tmp_path / "made.py"))
    with open(tmp_path / "made.py", encoding="ascii") as file:
        [call] = [node for node in ast.walk(ast.parse(file.read())) if isinstance(node, ast.Call)]
    assert {str(word.arg): ast.literal_eval(word.value) for word in call.keywords} == harden.PRCTL


@linux
@pytest.mark.parametrize("missing", ["ctypes", "_cffi_backend"])
def test_one_of_two_ways_to_the_system_is_enough(missing: str) -> None:
    code = f"import sys\nsys.modules[{missing!r}] = None\n{HARDEN}del sys.modules[{missing!r}]\n"
    code += "import ctypes\nprint(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=True, cwd="/")
    assert done.stdout == b"0\n"


@linux
def test_restoring_limits_does_not_open_the_memory_again() -> None:
    assert observe(HARDEN + "restore_limits()\n" + VICTIM) == ["closed environ", "closed mem", "closed maps"]


@linux
def test_a_crash_leaves_no_core_file(tmp_path: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if "/" in pattern or pattern.startswith("|") or hard == 0:
        pytest.skip("cores do not go to the current folder here")
    allow = (
        "import os, resource, signal\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)\n"
    )
    crash = "os.kill(os.getpid(), signal.SIGSEGV)\n"
    cores = {}
    for name, code in (
        ("open", allow + crash),
        ("hardened", allow + HARDEN + crash),
        ("not dumpable", allow + HARDEN + "restore_limits()\n" + crash),
    ):
        folder = tmp_path / name
        folder.mkdir()
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=False)
        assert done.returncode == -signal.SIGSEGV
        cores[name] = len(list(folder.iterdir()))
    assert cores == {"open": 1, "hardened": 0, "not dumpable": 0}


SHOW = "import subprocess\nsubprocess.run(['sh', '-c', 'ulimit -Sc; ulimit -Hc'])\n"


def limits(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    return done.stdout.split()


def test_a_child_started_after_restore_has_the_limits_from_before() -> None:
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("the hard limit leaves no room")
    lower = "import resource\nresource.setrlimit(resource.RLIMIT_CORE, (4096, resource.getrlimit(resource.RLIMIT_CORE)[1]))\n"
    before = limits(lower + SHOW)
    assert before[0] not in ("0", "unlimited")
    assert limits(lower + HARDEN + SHOW) == ["0", before[1]]
    assert limits(lower + HARDEN + "restore_limits()\n" + SHOW) == before
    assert limits(lower + HARDEN + "harden_process()\nrestore_limits()\nrestore_limits()\n" + SHOW) == before
    assert limits(lower + HARDEN + "restore_limits()\nharden_process()\n" + SHOW) == ["0", before[1]]


def test_restoring_without_hardening_changes_nothing() -> None:
    assert limits("from keyvault.core.harden import restore_limits\nrestore_limits()\n" + SHOW) == limits(SHOW)


def test_importing_it_loads_nothing_that_a_fast_start_avoids() -> None:
    code = "import sys\nimport keyvault.core.harden\nprint({'ctypes', 'resource', 'subprocess'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
