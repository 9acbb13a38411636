"""The native client, compiled for a test, and an agent that answers it as badly as a test wants."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import keyvault
from keyvault.agent import client, protocol
from keyvault.agent.protocol import Call

_SOURCE = os.path.join(os.path.dirname(os.path.abspath(keyvault.__file__)), "agent", "native", "client.c")
_STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror")
SANITIZED = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FOUND_BY_SANITIZER = 99
Answer = Callable[[socket.socket], None]


def build(folder: str, *flags: str) -> str:
    """Compile the client into `folder`. What it leaves to Python is echoed. The command's path."""
    path = os.path.join(folder, "keyvault")
    subprocess.run(["cc", *_STRICT, *(flags or ("-Os",)), "-o", path, _SOURCE], check=True, timeout=120)
    with open(path + "-python", "w", encoding="ascii") as file:
        file.write('#!/bin/sh\necho "$@"\n')
    os.chmod(path + "-python", 0o700)
    return path


class Place:
    """A vault's folder that need not exist, a folder for the socket, and the environment that names both."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.sockets = os.path.join(folder, "keyvault")
        os.mkdir(self.sockets, 0o700)
        self.environment = {
            "PATH": os.defpath,
            "HOME": folder,
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": folder,
            "KEYVAULT_HOME": folder + "/vault",
            "ASAN_OPTIONS": f"exitcode={FOUND_BY_SANITIZER}:detect_leaks=0",
            "UBSAN_OPTIONS": f"exitcode={FOUND_BY_SANITIZER}",
        }

    @property
    def socket(self) -> str:
        """Where the agent of this vault would listen."""
        path = client.socket_path({name.encode(): value.encode() for name, value in self.environment.items()})
        assert path is not None
        return os.fsdecode(path)


class Agent:
    """Answers each connection by `answer`, and keeps what it was asked."""

    def __init__(self, place: Place, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Call] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(place.socket)

    def serve(self) -> None:
        """Until the listener is shut down."""
        while True:
            try:
                end, _ = self.listener.accept()
            except OSError:
                return
            with end, suppress(OSError):
                end.settimeout(20)
                self._note(end)
                self.answer(end)

    def _note(self, end: socket.socket) -> None:
        file = end.makefile("rb")
        body = file.read(int.from_bytes(file.read(4), "big"))
        if call := protocol.parse(body, 0):
            self.asked.append(call)


@contextmanager
def agent(place: Place, answer: Answer | bytes, *, listening_as: int | None = None) -> Iterator[Agent]:
    """An agent at the place's socket. `answer`: what to do with a connection, or what to send. `listening_as`: another uid."""
    made = Agent(place, (lambda end: end.sendall(answer)) if isinstance(answer, bytes) else answer)
    before = os.geteuid()
    if listening_as is not None:
        os.seteuid(listening_as)  # what SO_PEERCRED tells is who called listen(2)
    try:
        made.listener.listen(8)
    finally:
        os.seteuid(before)
    thread = threading.Thread(target=made.serve)
    thread.start()
    try:
        yield made
    finally:
        made.listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        made.listener.close()
        os.unlink(place.socket)


def answer(*chunks: tuple[int, bytes], status: int = 0, code: int = 0) -> bytes:
    """A whole and right answer."""
    rest = bytes([status, code]) + b"".join(bytes([stream]) + len(said).to_bytes(4, "big") + said for stream, said in chunks)
    return b"A" + len(rest).to_bytes(4, "big") + rest
