"""Folders and files that only their owner can read, made and checked without following links."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from keyvault.core.errors import AlreadyExists, KeyvaultError, NotFound, StoreFailed, UnsafeFile
from keyvault.core.text import escape

if sys.platform == "win32":
    from keyvault.store import access_list, windows_acl

# Windows has only the last, and without it changes line ends.
OPEN = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_ELSEWHERE = 0x2000_0000  # [MS-FSCC] 2.1.2.1: a reparse tag with this bit stands for another place, as a junction's does


def failure(what: str, path: str, exc: OSError) -> StoreFailed:
    """Our error for an OSError, with the advice that fits it."""
    hints = {
        errno.ENOSPC: "the disk is full; free some space and run it again",
        errno.EDQUOT: "the disk quota is used up; free some space and run it again",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "check who owns the folder and its mode",
        errno.EPERM: "check who owns the folder and its mode",
        errno.ENOENT: "check the path; keyvault makes the file, not the folders above it",
        errno.EISDIR: "name a file, not a folder",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.ELOOP: "keyvault follows no links; name the real file",
        errno.ENAMETOOLONG: "choose a shorter path",
        errno.EIO: "the disk reports an error; check it before anything else",
    }
    reason = exc.strerror or type(exc).__name__
    return StoreFailed(f"cannot {what} {escape(path)}: {reason.lower()}", hints.get(exc.errno or 0, ""))


def make_private_folder(path: str) -> None:
    """Create `path`, open to nobody else, where it is missing, and check it. Raises StoreFailed, UnsafeFile."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        if sys.platform == "win32":
            windows_acl.make_folder(path)
        else:
            os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as exc:
        raise failure("create", path, exc) from exc
    check_private(path, folder=True)


def check_private(path: str, *, folder: bool = False, open_to_others: bool = False) -> os.stat_result:
    """Refuse what another user owns, could read or could swap, and what is not a plain file (or folder).

    `open_to_others` checks the kind of file only.

    Raises NotFound, UnsafeFile, StoreFailed.
    """
    try:
        info = os.lstat(path)
    except FileNotFoundError as exc:
        raise NotFound(f"{escape(path)} does not exist", "check the path") from exc
    except OSError as exc:
        raise failure("look at", path, exc) from exc
    _refuse_unsafe(path, info, folder=folder, open_to_others=open_to_others)
    return info


def _refuse_unsafe(
    path: str, info: os.stat_result, fd: int | None = None, *, folder: bool = False, open_to_others: bool = False
) -> None:
    shown = escape(path)
    if stat.S_ISLNK(info.st_mode) or getattr(info, "st_reparse_tag", 0) & _ELSEWHERE:
        place = "point KEYVAULT_HOME at the real place" if folder else "put the file itself there, or name the real one"
        raise UnsafeFile(f"{shown} is a symbolic link", f"keyvault follows no links; {place}")
    if not (stat.S_ISDIR(info.st_mode) if folder else stat.S_ISREG(info.st_mode)):
        raise UnsafeFile(f"{shown} is not a plain {'folder' if folder else 'file'}", "move it away, or name another place")
    if open_to_others:
        return
    if sys.platform == "win32":
        _refuse_listed(path, fd, access_list.ANY, folder=folder)
    else:
        if info.st_uid != os.geteuid():
            raise UnsafeFile(f"{shown} belongs to another user", "run keyvault as the user who owns it")
        if info.st_mode & 0o077:
            raise UnsafeFile(
                f"{shown} is open to other users (mode {stat.S_IMODE(info.st_mode):04o})",
                f"chmod {'700' if folder else '600'} {shown}",
            )


if sys.platform == "win32":

    def _refuse_listed(path: str, fd: int | None, rights: int, *, folder: bool = False) -> None:
        try:
            windows_acl.refuse(path, fd, rights=rights, folder=folder)
        except OSError as exc:
            raise failure("look at", path, exc) from exc


def read_private(path: str, limit: int) -> bytes:
    """A whole private file of at most `limit` bytes. Raises NotFound, UnsafeFile, StoreFailed."""
    check_private(path)
    return read_checked(path, limit, _refuse_unsafe)[0]


def read_own(path: str, limit: int) -> bytes:
    """A whole file that others may read but only its owner can write. Raises as `read_private`."""
    check_private(path, open_to_others=True)
    return read_checked(path, limit, _refuse_foreign)[0]


def read_named(path: str, limit: int) -> bytes:
    """A whole file that somebody else may have put there: plain, no link, of this user or root. Raises as `read_private`."""
    check_private(path, open_to_others=True)
    return read_checked(path, limit, _refuse_strangers)[0]


def read_checked(path: str, limit: int, refuse: Callable[[str, os.stat_result, int], None]) -> tuple[bytes, os.stat_result]:
    """A whole file that `refuse` does not raise for, and what it was when opened. Raises UnsafeFile, StoreFailed."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | OPEN)
    except OSError as exc:
        raise failure("read", path, exc) from exc
    try:
        info = os.fstat(fd)
        refuse(path, info, fd)  # what was opened, which a writer may have put in place since the first look
        data = read_up_to(fd, limit + 1)
    except OSError as exc:
        raise failure("read", path, exc) from exc
    finally:
        os.close(fd)
    if len(data) > limit:
        raise UnsafeFile(f"{escape(path)} is larger than {limit} bytes", "it is not what keyvault wrote; name the right file")
    return data, info


def read_up_to(fd: int, most: int) -> bytes:
    """What is left in an open file, but no more than so many bytes. Raises OSError."""
    data = b""
    while len(data) < most and (chunk := os.read(fd, most - len(data))):
        data += chunk
    return data


def _refuse_strangers(path: str, info: os.stat_result, fd: int) -> None:
    _refuse_unsafe(path, info, open_to_others=True)
    if sys.platform == "win32":
        _refuse_listed(path, fd, access_list.NONE)
    elif info.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise UnsafeFile(f"{escape(path)} belongs to another user", "copy it, so that it is yours")


def _refuse_foreign(path: str, info: os.stat_result, fd: int) -> None:
    _refuse_unsafe(path, info, open_to_others=True)
    if sys.platform == "win32":
        _refuse_listed(path, fd, access_list.CHANGING)
    elif info.st_uid not in (os.geteuid(), 0) or info.st_mode & 0o022:
        raise UnsafeFile(f"{escape(path)} can be changed by other users", f"chown it to yourself and chmod 600 {escape(path)}")


def write_private(path: str, data: bytes, *, durable: bool = True) -> None:
    """Put a new 0600 file in place of `path`, atomically. Raises StoreFailed, UnsafeFile."""
    try:
        plain = stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        plain = True
    except OSError as exc:
        raise failure("write", path, exc) from exc
    if not plain:
        raise UnsafeFile(f"{escape(path)} is not a plain file", "keyvault writes through no links or devices")
    with new_private_file(path) as fd:
        _write_all(fd, data)
        if durable:
            os.fsync(fd)


def replace_own(
    path: str,
    data: bytes,
    mode: int,
    group: int | None = None,
    *,
    owner: tuple[int, int] | None = None,
    unless: Callable[[], None] = lambda: None,
) -> None:
    """Put new content in place of a person's own file, atomically, with the mode and group that it had. Raises StoreFailed.

    `owner`: its user and group, where it must keep both. `unless`: a last look, which may raise. On Windows the mode says
    nothing, and a file that is there keeps its access list.
    """
    with new_private_file(path) as fd:
        _write_all(fd, data)
        if sys.platform == "win32":
            if os.path.lexists(path):
                windows_acl.copy_list(path, fd)
        else:
            if owner:
                os.fchown(fd, *owner)
            else:
                with suppress(PermissionError):  # a group of which the user is no member any more
                    os.fchown(fd, -1, -1 if group is None else group)
            os.fchmod(fd, mode)
        os.fsync(fd)
        unless()
    sync_folder(os.path.dirname(path))


def create_private(path: str, data: bytes, mode: int = 0o600) -> None:
    """Make a new, durable file; on failure it is gone again. Raises AlreadyExists, StoreFailed."""
    try:
        fd = open_new(path, for_others=bool(mode & 0o077))
    except FileExistsError as exc:
        raise AlreadyExists(f"{escape(path)} exists", "choose another name") from exc
    except OSError as exc:
        raise failure("create", path, exc) from exc
    try:
        try:
            if sys.platform != "win32":
                os.fchmod(fd, mode)
            _write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(os.path.dirname(path))
    except BaseException as exc:
        remove_quietly(path)
        if isinstance(exc, OSError):
            raise failure("write", path, exc) from exc
        raise


def open_new(path: str, *, for_others: bool = False) -> int:
    """A descriptor to write to a file that is new, and that nobody else can open from its first moment on. Raises OSError.

    `for_others`: its access list is its folder's, for the caller to open it to them; modes are the caller's too.
    """
    if sys.platform == "win32" and not for_others:
        return windows_acl.create(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN, 0o600)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@contextmanager
def new_private_file(path: str) -> Iterator[int]:
    """A file descriptor of a new 0600 file beside `path`, which takes its name when the block ends well."""
    _remove_leftovers(path)
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.urandom(6).hex()}.new")
    try:
        fd = open_new(temporary)
    except OSError as exc:
        raise failure("write", path, exc) from exc
    try:
        try:
            if sys.platform != "win32":
                os.fchmod(fd, 0o600)
            yield fd
        finally:
            os.close(fd)
        os.replace(temporary, path)
    except BaseException as exc:
        remove_quietly(temporary)
        if isinstance(exc, OSError) and not isinstance(exc, KeyvaultError):
            raise failure("write", path, exc) from exc
        raise


def _remove_leftovers(path: str) -> None:
    """What a killed writer of this file left behind; it may hold values. A living one needs no quarter of an hour."""
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                middle = entry.name.removeprefix(f".{name}.").removesuffix(".new")
                ours = entry.name == f".{name}.{middle}.new" and len(middle) == 12 and not middle.strip("0123456789abcdef")
                if ours:
                    info = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(info.st_mode) and info.st_mtime < time.time() - 900:
                        remove_quietly(entry.path)
    except OSError:
        return  # the write that follows will say what is wrong


def sync_folder(path: str) -> None:
    """Make a rename or a creation in this folder survive a power cut."""
    if sys.platform == "win32":
        return
    try:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as exc:
        raise failure("sync", path, exc) from exc


def remove_quietly(path: str) -> None:
    """Remove a file of our own after a failure."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:
        # The first error is the one to tell; a stray 0600 file is the lesser harm.
        return
