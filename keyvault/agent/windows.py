"""Named pipes of Windows as the agent and its clients use them: for this user alone, and with a deadline for all that waits.

Written from Microsoft's documentation, where each function and structure named here has its page. It has run on Wine, and
never on Windows. They are reached through `api()`, in whose place the tests put one that behaves as documented.
"""

from __future__ import annotations

import ctypes
import hashlib
import ntpath
import sys
from collections.abc import Callable
from ctypes import POINTER, byref
from functools import cache
from time import monotonic
from types import SimpleNamespace
from typing import Any

from keyvault.store import access_list

_HANDLE, _POINTER, _BOOL, _DWORD, _TEXT = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32, ctypes.c_wchar_p
INVALID_HANDLE = ctypes.c_void_p(-1).value
# winerror.h
ACCESS_DENIED, FILE_NOT_FOUND, BROKEN_PIPE, PIPE_BUSY, NO_DATA, PIPE_CONNECTED = 5, 2, 109, 231, 232, 535
OPERATION_ABORTED, IO_PENDING = 995, 997
# CreateNamedPipeW. One instance at most: while the agent has it, nobody else can make another of that name.
OPEN_MODE = 0x3 | 0x0008_0000 | 0x4000_0000  # PIPE_ACCESS_DUPLEX, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED
PIPE_MODE = 0x8  # PIPE_REJECT_REMOTE_CLIENTS; a stream of bytes, and calls that wait
INSTANCES, BUFFER = 1, 4096
# CreateFileW. Whoever made the pipe may learn who we are, and not act as us.
ACCESS, OPEN_EXISTING = 0x8000_0000 | 0x4000_0000, 3  # GENERIC_READ, GENERIC_WRITE
FLAGS = 0x4000_0000 | 0x0010_0000 | 0x0001_0000  # FILE_FLAG_OVERLAPPED, SECURITY_SQOS_PRESENT, SECURITY_IDENTIFICATION
TOKEN_QUERY, TOKEN_USER = 0x8, 1  # TokenUser of TOKEN_INFORMATION_CLASS
OWNER, LABEL = 0x1, 0x10  # OWNER_SECURITY_INFORMATION, LABEL_SECURITY_INFORMATION
TO_END = 0x1 | 0x1000  # PROCESS_TERMINATE, PROCESS_QUERY_LIMITED_INFORMATION
SDDL_REVISION = 1
LONGEST_USER = 128  # bytes of a TOKEN_USER and its SID, which SECURITY_MAX_SID_SIZE says has 68
LONGEST_MAKER = 256  # of a descriptor with an owner and a label


class Overlapped(ctypes.Structure):
    """OVERLAPPED."""

    _fields_ = [
        ("internal", ctypes.c_size_t),
        ("internal_high", ctypes.c_size_t),
        ("offset", _DWORD),
        ("offset_high", _DWORD),
        ("event", _HANDLE),
    ]


class SecurityAttributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES."""

    _fields_ = [("length", _DWORD), ("descriptor", _POINTER), ("inherit", _BOOL)]


class TokenUser(ctypes.Structure):
    """TOKEN_USER."""

    _fields_ = [("sid", _POINTER), ("attributes", _DWORD)]


# What each returns, and takes. GetLastError tells why one failed.
FUNCTIONS: dict[str, dict[str, tuple[Any, ...]]] = {
    "kernel32": {
        "CreateNamedPipeW": (_HANDLE, _TEXT, *[_DWORD] * 6, POINTER(SecurityAttributes)),
        "ConnectNamedPipe": (_BOOL, _HANDLE, POINTER(Overlapped)),
        "DisconnectNamedPipe": (_BOOL, _HANDLE),
        "CreateFileW": (_HANDLE, _TEXT, _DWORD, _DWORD, POINTER(SecurityAttributes), _DWORD, _DWORD, _HANDLE),
        "WaitNamedPipeW": (_BOOL, _TEXT, _DWORD),
        "ReadFile": (_BOOL, _HANDLE, _POINTER, _DWORD, POINTER(_DWORD), POINTER(Overlapped)),
        "WriteFile": (_BOOL, _HANDLE, _POINTER, _DWORD, POINTER(_DWORD), POINTER(Overlapped)),
        "CreateEventW": (_HANDLE, POINTER(SecurityAttributes), _BOOL, _BOOL, _TEXT),
        "WaitForSingleObject": (_DWORD, _HANDLE, _DWORD),
        "CancelIoEx": (_BOOL, _HANDLE, POINTER(Overlapped)),
        "GetOverlappedResult": (_BOOL, _HANDLE, POINTER(Overlapped), POINTER(_DWORD), _BOOL),
        "CloseHandle": (_BOOL, _HANDLE),
        "LocalFree": (_HANDLE, _HANDLE),
        "GetCurrentProcess": (_HANDLE,),
        "GetCurrentThread": (_HANDLE,),
        "GetNamedPipeServerProcessId": (_BOOL, _HANDLE, POINTER(_DWORD)),
        "OpenProcess": (_HANDLE, _DWORD, _BOOL, _DWORD),
        "TerminateProcess": (_BOOL, _HANDLE, ctypes.c_uint),
        "GetTickCount64": (ctypes.c_uint64,),
        "QueryUnbiasedInterruptTime": (_BOOL, POINTER(ctypes.c_uint64)),
    },
    "advapi32": {
        "OpenProcessToken": (_BOOL, _HANDLE, _DWORD, POINTER(_HANDLE)),
        "OpenThreadToken": (_BOOL, _HANDLE, _DWORD, _BOOL, POINTER(_HANDLE)),
        "GetTokenInformation": (_BOOL, _HANDLE, ctypes.c_int, _POINTER, _DWORD, POINTER(_DWORD)),
        "ConvertSidToStringSidW": (_BOOL, _POINTER, POINTER(_POINTER)),
        "ConvertStringSecurityDescriptorToSecurityDescriptorW": (_BOOL, _TEXT, _DWORD, POINTER(_POINTER), POINTER(_DWORD)),
        "GetKernelObjectSecurity": (_BOOL, _HANDLE, _DWORD, _POINTER, _DWORD, POINTER(_DWORD)),
        "ImpersonateNamedPipeClient": (_BOOL, _HANDLE),
        "RevertToSelf": (_BOOL,),
    },
}


class Failed(OSError):
    """A call failed for the reason of this number."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Windows error {code}")
        self.code = code


class Foreign(Failed):
    """A pipe is there, and of somebody else's making."""

    def __init__(self) -> None:
        super().__init__(ACCESS_DENIED)


@cache
def api() -> Any:
    """The functions, and `last_error`."""
    if sys.platform != "win32":
        raise NotImplementedError
    found = SimpleNamespace(last_error=ctypes.get_last_error)
    for library, functions in FUNCTIONS.items():
        loaded = ctypes.WinDLL(f"{library}.dll", use_last_error=True, winmode=0x800)  # LOAD_LIBRARY_SEARCH_SYSTEM32
        for name, (returns, *takes) in functions.items():
            function = getattr(loaded, name)
            function.restype, function.argtypes = returns, takes
            setattr(found, name, function)
    return found


def _checked(result: Any) -> Any:
    """What a call returned, where that is not its word for failure. Raises Failed."""
    if not result or result == INVALID_HANDLE:
        raise Failed(api().last_error())
    return result


# -- who is who


def own_user() -> str:
    """The security identifier of the user of this process, as text."""
    return _user_of_process(api().GetCurrentProcess())


def _user_of_process(process: int) -> str:
    token = _HANDLE()
    _checked(api().OpenProcessToken(process, TOKEN_QUERY, byref(token)))
    return _user_of(token)


def _user_of(token: ctypes.c_void_p) -> str:
    """The user of a token, which is closed."""
    calls, buffer, size = api(), (ctypes.c_uint64 * (LONGEST_USER // 8))(), _DWORD()
    try:
        _checked(calls.GetTokenInformation(token, TOKEN_USER, byref(buffer), LONGEST_USER, byref(size)))
        return _as_text(TokenUser.from_buffer(buffer).sid)
    finally:
        calls.CloseHandle(token)


def _as_text(sid: int | None) -> str:
    text = _POINTER()
    _checked(api().ConvertSidToStringSidW(sid, byref(text)))
    try:
        return ctypes.wstring_at(text.value or 0)
    finally:
        api().LocalFree(text)


def closed_to_others(user: str) -> str:
    """The security descriptor of a pipe of this user: nobody else may open it, nor may what runs below medium integrity."""
    return f"O:{user}D:P(A;;GA;;;{user})S:(ML;;NWNR;;;ME)"


def pipe_name(user: str, home: str) -> str:
    """The pipe of the agent for the vault in the folder `home`."""
    return (
        r"\\.\pipe\keyvault-" + hashlib.sha256(f"{user}\0{ntpath.normcase(home)}".encode("utf-8", "surrogatepass")).hexdigest()
    )


# -- two ends


class End:
    """One end of a pipe. Deadlines are on `time.monotonic`; all raise TimeoutError after it, and Failed."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._in_use: tuple[object, ...] = ()  # by the system: what is interrupted must not free it
        try:
            self._event = _checked(api().CreateEventW(None, True, False, None))
        except Failed:
            api().CloseHandle(handle)
            raise

    def read(self, most: int, deadline: float) -> bytes:
        """At least a byte and at most so many; none where the other end is closed."""
        buffer = ctypes.create_string_buffer(most)
        try:
            size = self._wait_for(api().ReadFile, deadline, buffer, most, None)
            return ctypes.string_at(buffer, size)
        except Failed as exc:
            if exc.code == BROKEN_PIPE:
                return b""
            raise
        finally:
            ctypes.memset(buffer, 0, most)  # these may be keys

    def read_all(self, size: int, deadline: float) -> bytes:
        """So many bytes. Raises Failed where fewer come."""
        found = bytearray()
        while len(found) < size:
            part = self.read(size - len(found), deadline)
            if not part:
                raise Failed(BROKEN_PIPE)
            found += part
        return bytes(found)

    def write(self, content: bytes, deadline: float) -> None:
        """All of it."""
        at = 0
        while at < len(content):
            part = content[at : at + 65_536]
            at += self._wait_for(api().WriteFile, deadline, part, len(part), None)

    def is_closed_by(self, deadline: float) -> bool:
        """The other end is closed before the deadline; what it says until then is not heard."""
        try:
            while self.read(4096, deadline):
                pass
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Let go of it."""
        api().CloseHandle(self._handle)
        api().CloseHandle(self._event)

    def _wait_for(self, begin: Callable[..., int], deadline: float, *arguments: object) -> int:
        """Begin, and wait for the end, or take it back at the deadline; how many bytes were moved."""
        calls, operation, moved = api(), Overlapped(event=self._event), _DWORD()
        self._in_use = operation, *arguments
        goes_on = not begin(self._handle, *arguments, byref(operation))
        if goes_on and (why := calls.last_error()) != IO_PENDING:
            raise Failed(why)
        try:
            if goes_on:
                calls.WaitForSingleObject(self._event, _milliseconds(deadline))
        finally:  # whatever interrupts it
            calls.CancelIoEx(self._handle, byref(operation))  # does nothing to what has ended
            # It waits, so that the system has let go of the memory afterwards. What ended before it was cancelled counts.
            ended = calls.GetOverlappedResult(self._handle, byref(operation), byref(moved), True)
            why = calls.last_error()
        if not ended:
            raise TimeoutError if why == OPERATION_ABORTED else Failed(why)
        return moved.value


def _milliseconds(deadline: float) -> int:
    return max(1, min(60_000, int((deadline - monotonic()) * 1000)))


class Listener(End):
    """The agent's end: the only one of its name, and one client at a time."""

    def __init__(self, name: str, user: str) -> None:
        """Raises Failed, with ACCESS_DENIED or PIPE_BUSY where another process has the name."""
        calls, descriptor = api(), _POINTER()
        _checked(
            calls.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                closed_to_others(user), SDDL_REVISION, byref(descriptor), None
            )
        )
        try:
            attributes = SecurityAttributes(ctypes.sizeof(SecurityAttributes), descriptor, False)
            handle = _checked(
                calls.CreateNamedPipeW(name, OPEN_MODE, PIPE_MODE, INSTANCES, BUFFER, BUFFER, 0, byref(attributes))
            )
        finally:
            calls.LocalFree(descriptor)
        super().__init__(handle)

    def accept(self, deadline: float) -> bool:
        """Somebody connected."""
        try:
            self._wait_for(api().ConnectNamedPipe, deadline)
        except TimeoutError:
            return False
        except Failed as exc:
            if exc.code == NO_DATA:  # it came and went
                self.hang_up()
                return False
            if exc.code != PIPE_CONNECTED:
                raise
        return True

    def client_user(self) -> str:
        """The user of whoever wrote what was read last."""
        calls, token = api(), _HANDLE()
        _checked(calls.ImpersonateNamedPipeClient(self._handle))
        try:
            _checked(calls.OpenThreadToken(calls.GetCurrentThread(), TOKEN_QUERY, True, byref(token)))
        finally:
            if not calls.RevertToSelf():
                raise RuntimeError  # it ends the agent: nothing may be done as another
        return _user_of(token)

    def hang_up(self) -> None:
        """End the connection, whatever of the answer was not read, and be there for the next."""
        api().DisconnectNamedPipe(self._handle)


class Connection(End):
    """A client's end."""

    def __init__(self, name: str, deadline: float) -> None:
        """Connect, once it is our turn. Raises TimeoutError, Failed, Foreign."""
        calls = api()
        while (handle := calls.CreateFileW(name, ACCESS, 0, None, OPEN_EXISTING, FLAGS, None)) == INVALID_HANDLE:
            if (why := calls.last_error()) != PIPE_BUSY:
                raise Failed(why)
            if monotonic() >= deadline:
                raise TimeoutError
            calls.WaitNamedPipeW(name, _milliseconds(deadline))
        super().__init__(handle)
        try:
            self._refuse_others()
        except BaseException:
            self.close()
            raise

    def _refuse_others(self) -> None:
        """What a pipe says of its maker was the maker's to say, but only a name of its own, and no level above its own.

        Below medium run the parts of browsers, and what else its own user does not trust.
        """
        held, size = (ctypes.c_char * LONGEST_MAKER)(), _DWORD()
        _checked(api().GetKernelObjectSecurity(self._handle, OWNER | LABEL, byref(held), LONGEST_MAKER, byref(size)))
        try:
            maker = access_list.parse(held.raw)
        except access_list.NotUnderstood as exc:
            raise Foreign from exc
        if access_list.sid_text(maker.owner) != own_user() or maker.level < access_list.MEDIUM:
            raise Foreign

    def end_server(self) -> None:
        """End the process at the other end, if it is this user's. Raises Failed."""
        calls, number = api(), _DWORD()
        _checked(calls.GetNamedPipeServerProcessId(self._handle, byref(number)))
        process = _checked(calls.OpenProcess(TO_END, False, number.value))
        try:
            if _user_of_process(process) != own_user():
                raise Failed(ACCESS_DENIED)
            _checked(calls.TerminateProcess(process, 1))
        finally:
            calls.CloseHandle(process)


# -- clocks


def with_sleep() -> float:
    """Seconds of a clock that runs while the machine sleeps."""
    return int(api().GetTickCount64()) / 1000


def awake() -> float:
    """Seconds of a clock that stands while it does."""
    ticks = ctypes.c_uint64()
    _checked(api().QueryUnbiasedInterruptTime(byref(ticks)))
    return ticks.value / 10_000_000
