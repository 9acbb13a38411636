"""Where an agent listens, and that there is one a vault."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # which the type checker wants to hear first

import os
import socket
import stat
from typing import NamedTuple

from keyvault.agent import client
from keyvault.core import settings
from keyvault.core.errors import AlreadyExists, InvalidInput, StoreFailed, UnsafeFile
from keyvault.core.text import escape
from keyvault.store.files import failure, make_private_folder

_WAITING = 128  # connections that the kernel keeps until they are accepted


class Place(NamedTuple):
    """A listening socket, its path, which file it is, and the lock that says that an agent lives."""

    listener: socket.socket
    path: bytes
    file: tuple[int, int]
    lock: int

    def is_ours(self) -> bool:
        """The socket at the path is this one still: else nobody can reach us."""
        try:
            info = os.lstat(self.path)
        except OSError:
            return False
        return (info.st_dev, info.st_ino) == self.file


def path_of(home: str) -> bytes:
    """The socket of the agent for the vault in the folder `home`. Raises InvalidInput where no path is short enough."""
    folder = client.socket_folder(settings.environment_bytes())
    path = client.socket_in(folder, os.fsencode(home)) if folder else None
    if path is None:
        raise InvalidInput("there is no place for the agent's socket", "set XDG_RUNTIME_DIR to a short path of your own")
    return path


def take(home: str) -> Place:
    """Listen for the vault in the folder `home`. Raises AlreadyExists where another agent lives, UnsafeFile, StoreFailed."""
    import fcntl

    path = path_of(home)
    make_private_folder(os.fsdecode(os.path.dirname(path)))
    if not client.private_folder(os.path.dirname(path)):
        raise UnsafeFile(f"{escape(os.fsdecode(os.path.dirname(path)))} is not private", "chmod 700, or move it away")
    try:
        lock = os.open(path[:-5] + b".lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_stale(path)
            return _listen(path, lock)
        except BaseException:
            os.close(lock)
            raise
    except BlockingIOError as exc:
        raise AlreadyExists("an agent for this vault runs already", "keyvault status; keyvault lock ends it") from exc
    except OSError as exc:
        raise failure("listen at", os.fsdecode(path), exc) from exc


def _remove_stale(path: bytes) -> None:
    """What an agent left that was killed: with the lock held there is none. Nothing but a socket of ours is removed."""
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid():
        raise StoreFailed(f"{escape(os.fsdecode(path))} is in the way", "it is not the agent's; move it away")
    os.unlink(path)


def _listen(path: bytes, lock: int) -> Place:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(_WAITING)
    listener.setblocking(False)
    info = os.lstat(path)
    return Place(listener, path, (info.st_dev, info.st_ino), lock)


def leave(place: Place) -> None:
    """Take the socket away, if it is ours. The lock ends with the process."""
    if place.is_ours():
        try:
            os.unlink(place.path)
        except OSError as exc:
            raise failure("remove", os.fsdecode(place.path), exc) from exc
