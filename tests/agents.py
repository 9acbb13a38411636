"""Vaults with an agent, and requests to it that no client of ours would make."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

from vaults import COMMAND, VaultHome, add_key

from keyvault.agent import client

PATIENCE = 20.0


class AgentHome(VaultHome):
    """A vault whose commands ask its agent, and cannot unlock it themselves. `cold` asks none, and unlocks by key file."""

    extra: dict[str, str]

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.extra = {}

    @property
    def environment(self) -> dict[str, str]:
        kept = super().environment
        del kept["KEYVAULT_NO_AGENT"], kept["KEYVAULT_KEY_FILE"]
        return kept | self.extra

    @property
    def by_hand(self) -> dict[str, str]:
        """What makes a command ask no agent."""
        return {"KEYVAULT_NO_AGENT": "1", "KEYVAULT_KEY_FILE": self.key_file}

    @property
    def socket(self) -> str:
        environment = {os.fsencode(name): os.fsencode(value) for name, value in self.environment.items()}
        path = client.socket_path(environment)
        assert path
        return os.fsdecode(path)

    def start_agent(self, *words: str) -> None:
        """Unlock once."""
        self.run("unlock", *words, env={"KEYVAULT_KEY_FILE": self.key_file})

    def cold(self, *words: str, code: int | None = 0, cwd: str = "", **env: str) -> subprocess.CompletedProcess[bytes]:
        return self.run(*words, env=self.by_hand | env, code=code, cwd=cwd)

    def status(self) -> dict[str, Any]:
        """What the agent tells of itself; empty where there is none."""
        client.unanswered.clear()
        answer = client.exchange(os.fsencode(self.socket), b"status", [], PATIENCE, PATIENCE)
        told: dict[str, Any] = json.loads(answer[2][0][1]) if answer else {}
        return told

    @property
    def pid(self) -> int:
        """The agent's process."""
        return int(self.status()["pid"])

    @property
    def served(self) -> int:
        """How many calls it has served."""
        return int(self.status()["served"])

    @contextlib.contextmanager
    def busy(self, seconds: float) -> Iterator[None]:
        """For so long the agent does nothing, as on a machine that has no time for it."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        going_on = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
        going_on.start()
        try:
            yield
        finally:
            going_on.join()

    def wait_until_gone(self, pid: int) -> None:
        """Return when the process has ended."""
        deadline = time.monotonic() + PATIENCE
        while is_alive(pid):
            assert time.monotonic() < deadline, "the agent is still there"
            time.sleep(0.02)

    def end(self) -> None:
        """Whatever agent there is, and the folder."""
        with contextlib.suppress(KeyError, ValueError, ProcessLookupError, subprocess.TimeoutExpired):
            os.kill(self.pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def on_terminal(self, *words: str, stdout_too: bool = True, **env: str) -> tuple[bytes, int]:
        """What a command shows on a terminal of 100 columns, and its exit code."""
        ours, theirs = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
        child = subprocess.Popen(
            [*COMMAND, *words],
            stdin=theirs,
            stdout=theirs if stdout_too else subprocess.PIPE,
            stderr=theirs,
            env=self.environment | {"TERM": "xterm"} | env,
            cwd=self.folder,
            start_new_session=True,
        )
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while select.select([ours], [], [], PATIENCE)[0] and (part := os.read(ours, 65536)):
                seen += part
        os.close(ours)
        if child.stdout:
            seen += child.stdout.read()
            child.stdout.close()
        return seen, child.wait(PATIENCE)


@contextlib.contextmanager
def agent_home() -> Iterator[AgentHome]:
    """A home in a folder with a short name, for the socket's path."""
    home = AgentHome(tempfile.mkdtemp(prefix="kv"))
    try:
        vault = home.create()
        add_key(vault, "openai/default", "sk-the value $HOME `x` 'q' \\ \"z\"", "OPENAI_API_KEY")
        add_key(vault, "openai/work", "sk-work", "OPENAI_API_KEY")
        add_key(vault, "groq/default", "gsk_" + "a" * 40, "GROQ_API_KEY")
        add_key(vault, "custom/two-lines", "line 1\nline 2\t\u00e9\u4e2d\U0001f511", "TWO_LINES")
        add_key(vault, "acme/a", "1", "ACME")
        add_key(vault, "zeta/a", "2", "ACME")
        vault.store.close()
        yield home
    finally:
        home.end()


def is_alive(pid: int) -> bool:
    """Running or stopped; what only waits to be reaped is not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def body(home: AgentHome, *words: str, verb: bytes = b"call", env: dict[str, str] | None = None) -> bytes:
    """A request's body as a client makes it."""
    fields = [b"1", verb, os.fsencode(home.folder), b"000,0", b"%d" % len(words), *map(os.fsencode, words)]
    fields += [os.fsencode(f"{name}={value}") for name, value in (env or home.environment).items()]
    return b"\0".join(fields)


def raw(path: str, message: bytes, *, patience: float = PATIENCE) -> bytes:
    """All that the agent answers to these bytes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        connection.connect(path)
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(message)
            while part := connection.recv(65536):
                answer += part
        return answer


def framed(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content
