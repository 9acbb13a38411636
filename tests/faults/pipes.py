"""A named pipe from the processes of a test to the test."""

from __future__ import annotations

import os
import select
import time


class Pipe:
    """Lines that others write. The reader holds the write end too, so it meets no end of file."""

    def __init__(self, folder: str, name: str = "pipe") -> None:
        self.path = os.path.join(folder, name)
        os.mkfifo(self.path, 0o600)
        self._fd = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._rest = b""
        self._lines: list[str] = []

    def drain(self) -> list[str]:
        """All whole lines that are there."""
        while True:
            try:
                chunk = os.read(self._fd, 65536)
            except BlockingIOError:
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._lines += [line.decode() for line in lines]
        lines_now, self._lines = self._lines, []
        return lines_now

    def line(self, seconds: float = 60) -> str:
        """The next line."""
        end = time.monotonic() + seconds
        while True:
            found = self.drain()
            if found:
                self._lines = found[1:]
                return found[0]
            left = end - time.monotonic()
            assert left > 0, "nobody wrote into the pipe"
            select.select([self._fd], [], [], left)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)
