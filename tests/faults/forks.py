"""The client of `fork_server`: run the command, or a function of `faults.workers`, in a process of its own, with faults."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, NamedTuple

from vaults import VaultHome

HERE = os.path.dirname(os.path.abspath(__file__))

# As in shim.c.
LOG, ONCE, ONWARD, SHORT, TORN, DIE_BEFORE, DIE_AFTER, STOP = range(1, 9)
KILLED = 137


class Fault(NamedTuple):
    """What happens at the n-th call."""

    name: str
    kind: int
    number: int = 0

    @property
    def deadly(self) -> bool:
        """The process ends there."""
        return self.kind in (TORN, DIE_BEFORE, DIE_AFTER)


COUNT = Fault("count", LOG)
FAULTS = (
    Fault("EIO", ONCE, errno.EIO),
    Fault("EIO-onward", ONWARD, errno.EIO),
    Fault("ENOSPC", ONCE, errno.ENOSPC),
    Fault("ENOSPC-onward", ONWARD, errno.ENOSPC),
    Fault("EDQUOT", ONCE, errno.EDQUOT),
    Fault("EINTR", ONCE, errno.EINTR),
    Fault("short", SHORT),
    Fault("torn", TORN),
    Fault("die-before", DIE_BEFORE),
    Fault("die-after", DIE_AFTER),
)


class Call(NamedTuple):
    """A file call that the shim saw."""

    number: int
    call: str
    path: str


class Done(NamedTuple):
    """A process that ended. `calls`: those that were counted, or the one that was struck. `code` None: it did not end."""

    code: int | None
    out: bytes
    err: bytes
    calls: list[Call]

    @property
    def told(self) -> str:
        """What it said on stderr."""
        return self.err.decode("utf-8", "replace")


def build_shim(folder: str) -> str:
    """Compile shim.c. The path of the library."""
    target = os.path.join(folder, "shim.so")
    source = os.path.join(HERE, "shim.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", target, source, "-ldl"], check=True)
    return target


class Forks:
    """A running fork server."""

    def __init__(self, shim: str) -> None:
        self.shim = shim
        self._scratch = tempfile.mkdtemp(prefix="keyvault-forks-", dir=os.path.dirname(shim))
        self._jobs = 0
        self._alive: set[int] = set()
        self._server = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "LD_PRELOAD": shim},
        )

    def start(
        self,
        home: VaultHome,
        *words: str | float,
        call: str = "",
        stdin: bytes = b"",
        fault: Fault | None = None,
        at: int = 0,
        limits: dict[str, int] | None = None,
        clock: int = 0,
        uid: int = 0,
        env: dict[str, str] | None = None,
        below: str = "",
    ) -> Job:
        """Start a command, or with `call` the function "module:name". Faults hit files in the home's folder, or `below`."""
        self._jobs += 1
        base = os.path.join(self._scratch, str(self._jobs))
        if stdin:
            with open(base + ".in", "wb") as file:
                file.write(stdin)
        arm = [(below or home.folder), fault.kind, fault.number, at, base + ".calls"] if fault else None
        answer = self._ask(
            {
                "words": words,
                "call": call,
                "env": home.environment | (env or {}),
                "cwd": home.folder,
                "stdin": base + ".in" if stdin else "",
                "out": base + ".out",
                "err": base + ".err",
                "arm": arm,
                "limits": limits or {},
                "clock": clock,
                "uid": uid,
            }
        )
        self._alive.add(int(answer["pid"]))
        return Job(self, int(answer["pid"]), base)

    def run(self, home: VaultHome, *words: str, **options: Any) -> Done:
        """Start, and wait for the end."""
        return self.start(home, *words, **options).wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        assert line, "the fork server died"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def wait_for(self, pid: int, seconds: float) -> dict[str, Any]:
        """Ask the server for the end of a child of its own."""
        answer = self._ask({"wait": pid, "seconds": seconds})
        if answer["code"] is not None:
            self._alive.discard(pid)
        return answer

    def close(self) -> None:
        """End the server, and what a failed test left behind."""
        for pid in self._alive:
            kill_group(pid, signal.SIGKILL)
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.close()
        self._server.wait(30)
        self._server.stdout.close()


class Job:
    """A process that was started."""

    def __init__(self, forks: Forks, pid: int, base: str) -> None:
        self.pid = pid
        self._forks = forks
        self._base = base

    def wait(self, seconds: float = 60) -> Done:
        """Its end; after the time, `code` None, and it goes on."""
        answer = self._forks.wait_for(self.pid, seconds)
        done = Done(answer["code"], self._read(".out"), self._read(".err"), self.calls())
        if done.code is not None:
            for suffix in (".in", ".out", ".err", ".calls"):
                if os.path.exists(self._base + suffix):
                    os.unlink(self._base + suffix)
        return done

    def calls(self) -> list[Call]:
        """What the shim noted so far."""
        lines = self._read(".calls").decode().splitlines()
        return [Call(int(number), call, path) for number, call, path in (line.split(" ", 2) for line in lines)]

    def kill(self, number: int) -> None:
        """Send a signal to the process and what it started."""
        kill_group(self.pid, number)

    def _read(self, suffix: str) -> bytes:
        try:
            with open(self._base + suffix, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""


def kill_group(pid: int, number: int) -> None:
    """Send a signal to a process that was not waited for, and to its group."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        os.kill(pid, number)  # just forked, and not the leader of a group yet


def real_environment(home: VaultHome, shim: str, fault: Fault, at: int, report: str) -> dict[str, str]:
    """The environment that arms the shim in a process that is executed, not forked."""
    return home.environment | {
        "LD_PRELOAD": shim,
        "SHIM_ROOT": home.folder,
        "SHIM_KIND": str(fault.kind),
        "SHIM_ERRNO": str(fault.number),
        "SHIM_AT": str(at),
        "SHIM_REPORT": report,
    }
