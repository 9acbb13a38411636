"""A process that has keyvault loaded and forks a child for each job: a real process with a real crash, in 10 ms instead of 100.

Run as a program it reads a job a line on stdin, as JSON, and answers a line each on stdout; `faults.forks` is its client.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))

import sqlite3

import keyvault.__main__
import keyvault.cli.app
import keyvault.vault.care

_COMMANDS = "init add list_keys get edit rm env slots rekey backup restore verify doctor passwd"
for _name in _COMMANDS.split():
    importlib.import_module(f"keyvault.cli.commands.{_name}")
importlib.import_module("keyvault.formats.dotenv")
importlib.import_module("faults.workers")
sqlite3.connect(":memory:").close()


def main() -> None:
    """Serve until stdin ends."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    for line in requests:
        job = json.loads(line)
        if "wait" in job:
            answer = _wait(job["wait"], job["seconds"])
        else:
            pid = os.fork()
            if not pid:
                os.close(answers)
                _child(job)
            answer = {"pid": pid}
        os.write(answers, json.dumps(answer).encode() + b"\n")


def _wait(pid: int, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    pause = 0.0005
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return {"code": os.waitstatus_to_exitcode(status)}
        if time.monotonic() > end:
            return {"code": None}
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _child(job: dict[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        for fd, path, flags in (
            (0, job["stdin"], os.O_RDONLY),
            (1, job["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, job["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            opened = os.open(path or os.devnull, flags if path else os.O_RDWR, 0o600)
            os.dup2(opened, fd)
            os.close(opened)
        os.environ.clear()
        os.environ.update(job["env"])
        os.chdir(job["cwd"])
        for name, limit in job["limits"].items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
        if "FSIZE" in job["limits"]:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if job["uid"]:
            os.setgroups([])
            os.setresgid(job["uid"], job["uid"], job["uid"])
            os.setresuid(job["uid"], job["uid"], job["uid"])
        shim = ctypes.CDLL(None)
        if job["clock"]:
            shim.shim_clock(ctypes.c_long(job["clock"]))
        if job["arm"]:
            root, kind, number, at, report = job["arm"]
            shim.shim_arm(root.encode(), kind, number, ctypes.c_long(at), report.encode())
        code = _work(job)
    except SystemExit as exc:
        code = exc.code if isinstance(exc.code, int) else int(bool(exc.code))
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 1
        os._exit(code)


def _work(job: dict[str, Any]) -> int:
    if job["call"]:
        module, _, name = job["call"].partition(":")
        getattr(importlib.import_module(module), name)(*job["words"])
        return 0
    sys.argv = ["keyvault", *job["words"]]
    keyvault.__main__.main()
    return 0


if __name__ == "__main__":
    main()
