"""Windows' calls for access lists: files and folders made with a closed one, and the one that something has. Raises OSError.

It has never run on Windows.
"""

from __future__ import annotations

import ctypes
import msvcrt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from keyvault.core import windows_calls as system
from keyvault.store import access_list

assert sys.platform == "win32"  # for the type checker

_GENERIC_WRITE, _READ_CONTROL, _WRITE_DAC = 0x4000_0000, 0x0002_0000, 0x0004_0000
_SHARE_ALL, _SHARE_NONE = 0x7, 0
_CREATE_NEW = 1
_NORMAL, _BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x80, 0x0200_0000, 0x0020_0000  # the second: folders too; the third: no links
_PROTECTED_DACL, _UNPROTECTED_DACL = 0x8000_0000, 0x2000_0000
_SE_FILE_OBJECT = 1


@contextmanager
def _told() -> Iterator[None]:
    """What fails is of Python's class for it, with Windows' own words."""
    try:
        yield
    except system.Failed as exc:
        raise ctypes.WinError(exc.code) from exc


@_told()
def refuse(path: str, fd: int | None, *, rights: int, folder: bool = False) -> None:
    """`access_list.refuse` for what lies at `path` or, if `fd` is given, for what was opened there. Raises UnsafeFile too."""
    access_list.refuse(path, _descriptor(path, fd), user(), rights=rights, folder=folder)


@_told()
def create(path: str) -> int:
    """A descriptor of a new file that never was open to others: its list comes with it. Raises FileExistsError too."""
    with _closed(folder=False) as attributes:
        wanted = _GENERIC_WRITE | _READ_CONTROL | _WRITE_DAC
        handle = system.checked(system.api().CreateFileW(path, wanted, _SHARE_NONE, attributes, _CREATE_NEW, _NORMAL, None))
    try:
        return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    except BaseException:
        system.api().CloseHandle(handle)
        raise


@_told()
def make_folder(path: str) -> None:
    """A new closed folder, in which new files are closed as well. Raises FileExistsError too."""
    with _closed(folder=True) as attributes:
        system.checked(system.api().CreateDirectoryW(path, attributes))


@_told()
def copy_list(path: str, fd: int) -> None:
    """Give a file from `create` the list of another; inherited entries come from its folder again.

    Where there is no list, or no place for one, as on a drive with FAT, all stays as it is. Raises UnsafeFile where somebody
    else owns it: who has put it there since it was read would say who may read what we write.
    """
    data = _descriptor(path, None)
    found = access_list.parse(data)
    if found.access is None:
        return
    access_list.refuse(path, data, user(), rights=access_list.NONE)
    keep = _PROTECTED_DACL if found.protected else _UNPROTECTED_DACL
    access = ctypes.create_string_buffer(found.access, len(found.access))
    handle = msvcrt.get_osfhandle(fd)
    status = system.api().SetSecurityInfo(handle, _SE_FILE_OBJECT, system.DACL | keep, None, None, access, None)
    if status not in (0, system.INVALID_FUNCTION, system.NOT_SUPPORTED):
        raise system.Failed(status)


@cache
def user() -> bytes:
    """The SID of the user as whom this process runs."""
    return system.user_of_process()


def _descriptor(path: str, fd: int | None) -> bytes:
    """Owner and list."""
    if fd is not None:
        return system.security_of(msvcrt.get_osfhandle(fd), system.OWNER | system.DACL)
    flags = _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT
    handle = system.checked(system.api().CreateFileW(path, _READ_CONTROL, _SHARE_ALL, None, system.OPEN_EXISTING, flags, None))
    try:
        return system.security_of(handle, system.OWNER | system.DACL)
    finally:
        system.api().CloseHandle(handle)


@contextmanager
def _closed(*, folder: bool) -> Iterator[system.SecurityAttributes]:
    data = access_list.build(user(), folder=folder)
    held = ctypes.create_string_buffer(data, len(data))  # lives as long as what points to it
    yield system.SecurityAttributes(ctypes.sizeof(system.SecurityAttributes), ctypes.addressof(held), False)
