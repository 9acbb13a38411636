"""New content for a file of the user's: whole or not at all, with its mode and owner, and only if it is as it was read."""

from __future__ import annotations

import os
import stat
import sys

from keyvault.core.errors import KeyvaultError, UnsafeFile
from keyvault.core.text import escape
from keyvault.store.files import OPEN, failure, new_private_file, read_up_to, sync_folder

if sys.platform == "win32":
    from keyvault.store import windows_acl


class ChangedMeanwhile(KeyvaultError):
    """Somebody else wrote the file after it was read."""


def read_plain(path: str, limit: int) -> tuple[bytes, os.stat_result]:
    """A plain file of at most `limit` bytes, and what it was when read. Raises UnsafeFile, StoreFailed."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | OPEN)
    except OSError as exc:
        raise failure("read", path, exc) from exc
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise UnsafeFile(f"{escape(path)} is not a plain file", "keyvault writes through no links or devices")
        if info.st_nlink > 1:
            raise UnsafeFile(f"{escape(path)} has another name too (a hard link)", "change it by hand")
        data = read_up_to(fd, limit + 1)
    except OSError as exc:
        raise failure("read", path, exc) from exc
    finally:
        os.close(fd)
    if len(data) > limit:
        raise UnsafeFile(f"{escape(path)} is too large to hold keys", "change it by hand")
    return data, info


def swap(path: str, was: os.stat_result, data: bytes) -> None:
    """Put `data` in place of a file that `read_plain` read. Raises ChangedMeanwhile, StoreFailed."""
    with new_private_file(path) as fd:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        if sys.platform == "win32":
            windows_acl.copy_list(path, fd)
        else:
            os.fchown(fd, was.st_uid, was.st_gid)
            os.fchmod(fd, stat.S_IMODE(was.st_mode))
        os.fsync(fd)
        now = os.lstat(path)
        if _identity(now) != _identity(was):
            raise ChangedMeanwhile(f"{escape(path)} was changed meanwhile", "run it again")
    sync_folder(os.path.dirname(path))


def _identity(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
