"""The writers' queue: a lock file whose lock the kernel grants in order of arrival.

SQLite's own busy handler sleeps and retries, so that with fifty writers some wait ten seconds. Here they queue.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from keyvault.core.errors import StoreBusy
from keyvault.core.text import escape
from keyvault.store import DEADLINE
from keyvault.store.files import OPEN, check_private, failure


class WritersQueue:
    """A lock on the file at `path`; reentrant in this object, not shared between threads."""

    def __init__(self, path: str, deadline: float = DEADLINE) -> None:
        self._path = path
        self._deadline = deadline
        self._depth = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock. Raises StoreBusy after the deadline, naming the holder; StoreFailed, UnsafeFile."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        fd = self._acquire()
        self._depth = 1
        try:
            yield
        finally:
            self._depth = 0
            os.close(fd)

    def _acquire(self) -> int:
        try:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | OPEN, 0o600)
        except OSError as exc:
            raise failure("open the lock file", self._path, exc) from exc
        try:
            check_private(self._path)
            if not _lock(fd, self._deadline):
                holder = os.pread(fd, 200, 0).decode("utf-8", "replace") if hasattr(os, "pread") else ""
                raise StoreBusy(
                    f"the vault has been busy for {self._deadline:.0f} seconds (held by {escape(holder) or 'another process'})",
                    "wait for it to finish, or stop it, and run this again",
                )
            if hasattr(os, "pwrite"):
                os.ftruncate(fd, 0)
                os.pwrite(fd, f"process {os.getpid()}".encode(), 0)
        except OSError as exc:
            os.close(fd)
            # The note of who holds the lock is a courtesy, but a disk that refuses it will refuse the write as well.
            raise failure("write the lock file", self._path, exc) from exc
        except BaseException:
            os.close(fd)
            raise
        return fd


if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, deadline: float) -> bool:
        end = time.monotonic() + deadline
        while True:
            try:
                os.lseek(fd, 0, os.SEEK_SET)
                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.02)
            else:
                return True

else:
    import fcntl

    def _lock(fd: int, deadline: float) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _wait(fd, deadline)
        return True

    def _wait(fd: int, deadline: float) -> bool:
        # Only a blocking call keeps a place in the kernel's queue, and only a thread lets us stop waiting for it.
        import threading

        done = threading.Event()
        decide = threading.Lock()
        given_up = False
        own = os.dup(fd)  # the caller closes its descriptor at the deadline; the lock belongs to the open file

        def wait() -> None:
            fcntl.flock(own, fcntl.LOCK_EX)
            with decide:
                if given_up:
                    fcntl.flock(own, fcntl.LOCK_UN)
                else:
                    done.set()
            os.close(own)

        threading.Thread(target=wait, daemon=True).start()
        if done.wait(deadline):
            return True
        with decide:
            given_up = not done.is_set()
        return not given_up
