"""Functions of Windows with their types, and what is common to the agent's pipes and to access lists.

Written from Microsoft's documentation, where each function and structure named here has its page. Those of pipes have run on
Wine, and none ever on Windows. They are reached through `api()`, in whose place the tests put one that behaves as documented.
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref
from functools import cache
from types import SimpleNamespace
from typing import Any

HANDLE, ADDRESS, BOOL, DWORD, TEXT = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_wchar_p
INVALID_HANDLE = ctypes.c_void_p(-1).value
SYSTEM32 = 0x800  # LOAD_LIBRARY_SEARCH_SYSTEM32: no library of that name that lies elsewhere
# winerror.h
INVALID_FUNCTION, FILE_NOT_FOUND, ACCESS_DENIED, NOT_SUPPORTED, BROKEN_PIPE, INSUFFICIENT_BUFFER = 1, 2, 5, 50, 109, 122
PIPE_BUSY, NO_DATA, PIPE_CONNECTED, OPERATION_ABORTED, IO_PENDING = 231, 232, 535, 995, 997
TOKEN_QUERY, TOKEN_USER = 0x8, 1  # TokenUser of TOKEN_INFORMATION_CLASS
OWNER, DACL, LABEL = 0x1, 0x4, 0x10  # OWNER_SECURITY_INFORMATION and so on
OPEN_EXISTING = 3
LONGEST_USER = 128  # bytes of a TOKEN_USER and its SID, which SECURITY_MAX_SID_SIZE says has 68
_LARGEST = 0x2_0000  # bytes of a descriptor: a list holds less than 64 KiB


class Overlapped(ctypes.Structure):
    """OVERLAPPED."""

    _fields_ = [
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("offset", DWORD),
        ("offset_high", DWORD),
        ("event", HANDLE),
    ]


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = [("length", DWORD), ("descriptor", ADDRESS), ("inherit", BOOL)]


class TokenUser(ctypes.Structure):
    """TOKEN_USER."""

    _fields_ = [("sid", ADDRESS), ("attributes", DWORD)]


# What each returns, and takes. GetLastError tells why one failed; SetSecurityInfo returns it.
FUNCTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "kernel32": {
        "CreateNamedPipeW": (HANDLE, TEXT, *[DWORD] * 6, POINTER(SecurityAttributes)),
        "ConnectNamedPipe": (BOOL, HANDLE, POINTER(Overlapped)),
        "DisconnectNamedPipe": (BOOL, HANDLE),
        "CreateFileW": (HANDLE, TEXT, DWORD, DWORD, POINTER(SecurityAttributes), DWORD, DWORD, HANDLE),
        "CreateDirectoryW": (BOOL, TEXT, POINTER(SecurityAttributes)),
        "WaitNamedPipeW": (BOOL, TEXT, DWORD),
        "ReadFile": (BOOL, HANDLE, ADDRESS, DWORD, POINTER(DWORD), POINTER(Overlapped)),
        "WriteFile": (BOOL, HANDLE, ADDRESS, DWORD, POINTER(DWORD), POINTER(Overlapped)),
        "CreateEventW": (HANDLE, POINTER(SecurityAttributes), BOOL, BOOL, TEXT),
        "WaitForSingleObject": (DWORD, HANDLE, DWORD),
        "CancelIoEx": (BOOL, HANDLE, POINTER(Overlapped)),
        "GetOverlappedResult": (BOOL, HANDLE, POINTER(Overlapped), POINTER(DWORD), BOOL),
        "CloseHandle": (BOOL, HANDLE),
        "LocalFree": (HANDLE, HANDLE),
        "GetCurrentProcess": (HANDLE,),
        "GetCurrentThread": (HANDLE,),
        "GetNamedPipeServerProcessId": (BOOL, HANDLE, POINTER(DWORD)),
        "OpenProcess": (HANDLE, DWORD, BOOL, DWORD),
        "TerminateProcess": (BOOL, HANDLE, ctypes.c_uint),
        "GetTickCount64": (ctypes.c_uint64,),
        "QueryUnbiasedInterruptTime": (BOOL, POINTER(ctypes.c_uint64)),
    },
    "advapi32": {
        "OpenProcessToken": (BOOL, HANDLE, DWORD, POINTER(HANDLE)),
        "OpenThreadToken": (BOOL, HANDLE, DWORD, BOOL, POINTER(HANDLE)),
        "GetTokenInformation": (BOOL, HANDLE, ctypes.c_int, ADDRESS, DWORD, POINTER(DWORD)),
        "ConvertStringSecurityDescriptorToSecurityDescriptorW": (BOOL, TEXT, DWORD, POINTER(ADDRESS), POINTER(DWORD)),
        "GetKernelObjectSecurity": (BOOL, HANDLE, DWORD, ADDRESS, DWORD, POINTER(DWORD)),
        "SetSecurityInfo": (DWORD, HANDLE, ctypes.c_int, DWORD, ADDRESS, ADDRESS, ADDRESS, ADDRESS),
        "ImpersonateNamedPipeClient": (BOOL, HANDLE),
        "RevertToSelf": (BOOL,),
    },
}


class Failed(OSError):
    """A call failed for the reason of this number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Windows error {code}")
        self.code = code


@cache
def api() -> Any:
    """The functions, and `last_error`."""
    if sys.platform != "win32":
        raise NotImplementedError
    found = SimpleNamespace(last_error=ctypes.get_last_error)
    for library, functions in FUNCTIONS.items():
        loaded = ctypes.WinDLL(f"{library}.dll", use_last_error=True, winmode=SYSTEM32)
        for name, (returns, *takes) in functions.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = returns, takes
            setattr(found, name, function)
    return found


def checked(result: Any) -> Any:
    """What a call returned, where that is not its word for failure. Raises Failed."""
    if not result or result == INVALID_HANDLE:
        raise Failed(api().last_error())
    return result


def user_of_process(process: int | None = None) -> bytes:
    """The security identifier of a process's user; of our own process where none is given. Raises Failed."""
    token = HANDLE()
    checked(api().OpenProcessToken(process or api().GetCurrentProcess(), TOKEN_QUERY, byref(token)))
    return user_of(token)


def user_of(token: ctypes.c_void_p) -> bytes:
    """The user of a token, which is closed. Raises Failed."""
    calls, held, size = api(), (ctypes.c_uint64 * (LONGEST_USER // 8))(), DWORD()
    try:
        checked(calls.GetTokenInformation(token, TOKEN_USER, byref(held), LONGEST_USER, byref(size)))
        sid = TokenUser.from_buffer(held).sid
        return ctypes.string_at(sid, 8 + 4 * ctypes.string_at(sid, 2)[1])
    finally:
        calls.CloseHandle(token)


def security_of(handle: int, parts: int) -> bytes:
    """These parts of a security descriptor, self-relative; what is left of the buffer is behind it. Raises Failed."""
    size = 1024
    while True:
        held, needed = (ctypes.c_char * size)(), DWORD()
        try:
            checked(api().GetKernelObjectSecurity(handle, parts, byref(held), size, byref(needed)))
        except Failed as exc:
            if exc.code != INSUFFICIENT_BUFFER or not size < needed.value <= _LARGEST:
                raise
            size = needed.value
        else:
            return held.raw
