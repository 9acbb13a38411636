"""Start an agent with the keys of an open vault, handed over a pipe; end one."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # which the type checker wants to hear first

import errno
import os
import signal
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from keyvault.agent import client, protocol
from keyvault.agent.handing import READY, command, encode, environment, not_started
from keyvault.agent.warm import Handed
from keyvault.core.errors import KeyvaultError

if TYPE_CHECKING:
    from _socket import socket

_TO_START, _TO_END, _TO_DIE = 20.0, 3.0, 2.0  # seconds


def spawn(handed: Handed, *, wait: bool) -> str:
    """Start an agent that outlives this process; why it did not start, a hint on the next line, or "" (always, unless `wait`).

    It has none of our descriptors, so that nobody waits for the end of a pipe, and is nobody's child. Raises KeyvaultError.
    """
    message = encode(handed)
    given, gives = os.pipe()
    hears, says = os.pipe()
    try:
        _start(given, says)
    except OSError as exc:
        raise not_started(exc) from exc
    finally:
        os.close(given)
        os.close(says)
        try:
            os.writev(gives, [message])
        except BrokenPipeError:
            wait = True  # it ended at once: see what it says
        finally:
            message[:] = bytes(len(message))
            os.close(gives)
        said = _hear(hears) if wait else READY
        os.close(hears)
    return "" if said == READY else said.decode("utf-8", "replace").strip() or "it ended at once"


def _start(given: int, says: int) -> None:
    import subprocess

    between = os.fork()
    if between == 0:  # it ends at once, so that the agent is nobody's child and nobody's zombie
        status = 1
        try:
            subprocess.Popen(
                command(),
                stdin=given,
                stdout=says,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment(),
                start_new_session=True,
                umask=0o077,
            )
            status = 0
        finally:
            os._exit(status)
    if os.waitpid(between, 0)[1]:
        raise OSError


def _hear(fd: int) -> bytes:
    import select
    import time

    said, deadline = b"", time.monotonic() + _TO_START
    while (left := deadline - time.monotonic()) > 0 and select.select([fd], [], [], left)[0]:
        part = os.read(fd, 4096)
        said += part
        if not part or said == READY:
            return said
    return b"it does not answer"


def become(handed: Handed) -> NoReturn:
    """Become the agent, in the foreground. Raises KeyvaultError."""
    given, gives = os.pipe()
    os.writev(gives, [encode(handed)])  # which the pipe takes whole: see there
    os.close(gives)
    try:
        os.dup2(given, 0)
        os.execve(sys.executable, command("--foreground"), environment())  # noqa: S606
    except OSError as exc:
        raise not_started(exc) from exc


def end(path: bytes) -> bool:
    """End the agent at this socket, and return when its process is gone; whether there was one. Raises KeyvaultError.

    One that does not answer is killed: the kernel tells its process.
    """
    if not client.private_folder(os.path.dirname(path)):
        return False
    try:
        connection = client.connect(path, monotonic() + _TO_END)
    except TimeoutError:
        raise KeyvaultError(
            "the agent is busy, and does not hear that it is to end", "wait a minute, or kill its process"
        ) from None
    except OSError as exc:
        if exc.errno in (None, errno.ENOENT, errno.ECONNREFUSED):  # another user's; none; what a killed one left
            return False
        raise KeyvaultError(
            f"the agent cannot be told to end: {(exc.strerror or 'error').lower()}", "if it still runs, kill its process"
        ) from exc
    try:
        connection.settimeout(_TO_END)
        with suppress(TimeoutError):
            connection.sendall(protocol.request(b"lock"))
        if not _is_gone(connection, _TO_END):
            os.kill(client.peer(connection)[1], signal.SIGKILL)
            if not _is_gone(connection, _TO_DIE):
                raise KeyvaultError("the agent does not end", "kill its process")
    except OSError:
        pass  # it is gone
    finally:
        connection.close()
    return True


def _is_gone(connection: socket, patience: float) -> bool:
    """The other end is closed, as it is when the process ends, and not before."""
    connection.settimeout(patience)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True
