"""Windows' calls for access lists: files and folders made with a closed one, and the one that something has. Raises OSError.

Written from the functions' pages on learn.microsoft.com; it has never run on Windows.
"""

from __future__ import annotations

import ctypes
import msvcrt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from keyvault.store import access_list

assert sys.platform == "win32"  # for the type checker

DWORD, BOOL, HANDLE = ctypes.c_uint32, ctypes.c_int32, ctypes.c_void_p  # as wide as these anywhere, so that a test can tell

_GENERIC_WRITE, _READ_CONTROL, _WRITE_DAC = 0x4000_0000, 0x0002_0000, 0x0004_0000
_SHARE_ALL, _SHARE_NONE = 0x7, 0
_CREATE_NEW, _OPEN_EXISTING = 1, 3
_NORMAL, _BACKUP_SEMANTICS, _OPEN_REPARSE_POINT = 0x80, 0x0200_0000, 0x0020_0000  # the second: folders too; the third: no links
_OWNER, _DACL, _PROTECTED_DACL, _UNPROTECTED_DACL = 0x1, 0x4, 0x8000_0000, 0x2000_0000
_SE_FILE_OBJECT = 1
_TOKEN_QUERY, _TOKEN_USER = 0x0008, 1
_INVALID_FUNCTION, _NOT_SUPPORTED, _INSUFFICIENT_BUFFER = 1, 50, 122
_LARGEST = 0x2_0000  # a list holds less than 64 KiB
_INVALID_HANDLE = ctypes.c_void_p(-1).value


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = (("length", DWORD), ("descriptor", ctypes.c_void_p), ("inherit_handle", BOOL))


_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi = ctypes.WinDLL("advapi32", use_last_error=True)
_DWORD_OUT = ctypes.POINTER(DWORD)
_SIGNATURES: tuple[tuple[Any, ...], ...] = (
    (
        *(_kernel.CreateFileW, HANDLE, ctypes.c_wchar_p, DWORD, DWORD),
        *(ctypes.POINTER(SecurityAttributes), DWORD, DWORD, HANDLE),
    ),
    (_kernel.CreateDirectoryW, BOOL, ctypes.c_wchar_p, ctypes.POINTER(SecurityAttributes)),
    (_kernel.CloseHandle, BOOL, HANDLE),
    (_kernel.GetCurrentProcess, HANDLE),
    (_advapi.OpenProcessToken, BOOL, HANDLE, DWORD, ctypes.POINTER(HANDLE)),
    (
        *(_advapi.GetTokenInformation, BOOL, HANDLE, ctypes.c_int),
        *(ctypes.c_void_p, DWORD, _DWORD_OUT),
    ),
    (
        *(_advapi.GetKernelObjectSecurity, BOOL, HANDLE, DWORD),
        *(ctypes.c_void_p, DWORD, _DWORD_OUT),
    ),
    (
        *(_advapi.SetSecurityInfo, DWORD, HANDLE, ctypes.c_int, DWORD),
        *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
    ),
)
for _function, _result, *_arguments in _SIGNATURES:
    _function.restype, _function.argtypes = _result, _arguments


def refuse(path: str, fd: int | None, *, rights: int, folder: bool = False) -> None:
    """`access_list.refuse` for what lies at `path` or, if `fd` is given, for what was opened there. Raises UnsafeFile too."""
    access_list.refuse(path, _descriptor(path, fd), user(), rights=rights, folder=folder)


def create(path: str) -> int:
    """A descriptor of a new file that never was open to others: its list comes with it. Raises FileExistsError too."""
    with _closed(folder=False) as attributes:
        wanted = _GENERIC_WRITE | _READ_CONTROL | _WRITE_DAC
        handle = _kernel.CreateFileW(path, wanted, _SHARE_NONE, attributes, _CREATE_NEW, _NORMAL, None)
    if handle == _INVALID_HANDLE:
        raise _failure()
    try:
        return msvcrt.open_osfhandle(handle, os.O_WRONLY | os.O_BINARY | os.O_NOINHERIT)
    except BaseException:
        _kernel.CloseHandle(handle)
        raise


def make_folder(path: str) -> None:
    """A new closed folder, in which new files are closed as well. Raises FileExistsError too."""
    with _closed(folder=True) as attributes:
        if not _kernel.CreateDirectoryW(path, attributes):
            raise _failure()


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
    status = _advapi.SetSecurityInfo(handle, _SE_FILE_OBJECT, _DACL | keep, None, None, access, None)
    if status not in (0, _INVALID_FUNCTION, _NOT_SUPPORTED):
        raise ctypes.WinError(status)


@cache
def user() -> bytes:
    """The SID of the user as whom this process runs."""
    token, needed = HANDLE(), DWORD()
    if not _advapi.OpenProcessToken(_kernel.GetCurrentProcess(), _TOKEN_QUERY, ctypes.byref(token)):
        raise _failure()
    try:
        held = ctypes.create_string_buffer(256)  # TOKEN_USER: a pointer, attributes, and a SID of 68 bytes at most
        if not _advapi.GetTokenInformation(token, _TOKEN_USER, held, len(held), ctypes.byref(needed)):
            raise _failure()
        sid = ctypes.c_void_p.from_buffer(held).value or 0
        count = ctypes.string_at(sid, 2)[1]
        return ctypes.string_at(sid, 8 + 4 * count)
    finally:
        _kernel.CloseHandle(token)


def _descriptor(path: str, fd: int | None) -> bytes:
    """Owner and list."""
    if fd is not None:
        return _of_handle(msvcrt.get_osfhandle(fd))
    flags = _BACKUP_SEMANTICS | _OPEN_REPARSE_POINT
    handle = _kernel.CreateFileW(path, _READ_CONTROL, _SHARE_ALL, None, _OPEN_EXISTING, flags, None)
    if handle == _INVALID_HANDLE:
        raise _failure()
    try:
        return _of_handle(handle)
    finally:
        _kernel.CloseHandle(handle)


def _of_handle(handle: int) -> bytes:
    size = 1024
    while True:
        held, needed = ctypes.create_string_buffer(size), DWORD()
        if _advapi.GetKernelObjectSecurity(handle, _OWNER | _DACL, held, size, ctypes.byref(needed)):
            return held.raw
        if ctypes.get_last_error() != _INSUFFICIENT_BUFFER or not size < needed.value <= _LARGEST:
            raise _failure()
        size = needed.value


@contextmanager
def _closed(*, folder: bool) -> Iterator[SecurityAttributes]:
    data = access_list.build(user(), folder=folder)
    held = ctypes.create_string_buffer(data, len(data))  # lives as long as what points to it
    yield SecurityAttributes(ctypes.sizeof(SecurityAttributes), ctypes.addressof(held), False)


def _failure() -> OSError:
    return ctypes.WinError(ctypes.get_last_error())
