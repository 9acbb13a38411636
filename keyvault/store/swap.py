"""New content for a file of the user's: whole or not at all, with its mode and owner, and only if it is as it was read."""

from __future__ import annotations

import os
import stat

from keyvault.core.errors import KeyvaultError, UnsafeFile
from keyvault.core.text import escape
from keyvault.store.files import read_checked, replace_own


class ChangedMeanwhile(KeyvaultError):
    """Somebody else wrote the file after it was read."""


def read_plain(path: str, limit: int) -> tuple[bytes, os.stat_result]:
    """A plain file of at most `limit` bytes, and what it was when read. Raises UnsafeFile, StoreFailed."""

    def refuse(path: str, info: os.stat_result, _: int) -> None:
        if not stat.S_ISREG(info.st_mode):
            raise UnsafeFile(f"{escape(path)} is not a plain file", "keyvault writes through no links or devices")
        if info.st_nlink > 1:
            raise UnsafeFile(f"{escape(path)} has another name too (a hard link)", "change it by hand")
        if info.st_size > limit:
            raise UnsafeFile(f"{escape(path)} is too large to hold keys", "change it by hand")

    return read_checked(path, limit, refuse)


def swap(path: str, was: os.stat_result, data: bytes) -> None:
    """Put `data` in place of a file that `read_plain` read. Raises ChangedMeanwhile, StoreFailed."""

    def look_again() -> None:
        if _identity(os.lstat(path)) != _identity(was):
            raise ChangedMeanwhile(f"{escape(path)} was changed meanwhile", "run it again")

    replace_own(path, data, stat.S_IMODE(was.st_mode), owner=(was.st_uid, was.st_gid), unless=look_again)


def _identity(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
