"""Start an agent on Windows with the keys of an open vault, handed over its stdin."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from keyvault.agent.handing import READY, command, encode, environment, not_started
from keyvault.agent.warm import Handed

_TO_START = 20.0  # seconds
if sys.platform == "win32":
    _FLAGS = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
else:
    _FLAGS = 0  # so that the tests can start one


def spawn(handed: Handed, *, wait: bool) -> str:
    """Start an agent that outlives this process; why it did not start, a hint on the next line, or "". `wait`: until it says.

    It gets none of our handles but the two pipes, and a console that nobody sees: none at all (DETACHED_PROCESS) would be none
    for the launcher of a virtual environment, whose interpreter would then open a window. Raises KeyvaultError.
    """
    message = encode(handed)
    folder = os.path.dirname(sys.executable)  # a process keeps the one it is in from being removed
    try:
        agent = subprocess.Popen(
            command(),
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment(),
            creationflags=_FLAGS,
        )
    except OSError as exc:
        message[:] = bytes(len(message))
        raise not_started(exc) from exc
    said = bytearray()

    def talk() -> None:
        assert agent.stdout is not None
        _give(agent, message)
        while wait and said != READY and (part := os.read(agent.stdout.fileno(), 4096)):
            said.extend(part)

    talking = threading.Thread(target=talk, daemon=True)  # here nothing else can wait for a pipe and for a clock
    talking.start()
    talking.join(_TO_START)
    if late := talking.is_alive():
        agent.kill()
        agent.wait()
        talking.join(1)
    assert agent.stdout is not None
    agent.stdout.close()
    agent.returncode = 0  # nobody waits for its end
    if late or said == READY or not wait:
        return "it does not answer" if late else ""
    return said.decode("utf-8", "replace").strip() or "it ended at once"


def become(handed: Handed) -> int:
    """Run an agent in the foreground, for there is no exec, and pass on its exit code. Raises KeyvaultError."""
    message = encode(handed)
    try:
        agent = subprocess.Popen(command("--foreground"), bufsize=0, stdin=subprocess.PIPE, env=environment())
    except OSError as exc:
        raise not_started(exc) from exc
    _give(agent, message)
    return agent.wait()


def _give(agent: subprocess.Popen[bytes], message: bytearray) -> None:
    """Hand over the message, and wipe it."""
    assert agent.stdin is not None
    left = memoryview(message)
    try:
        with agent.stdin as gives:
            while left:
                left = left[gives.write(left) or 0 :]
    except OSError:  # it ended at once, and says why
        pass
    finally:
        message[:] = bytes(len(message))
