"""A stand-in for the parts of Windows that keyvault calls, written from the documentation of each function. Not Windows.

Arguments pass through ctypes as they would there, so a wrong type, width or pointer shows. What is kept is what counts for
keyvault: who owns a file, its access list, what a new one inherits, and whether files are opened as text.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack, unpack_from
from types import ModuleType, SimpleNamespace
from typing import Any

import keyvault.store
from keyvault.core import windows_calls
from keyvault.store import access_list

USER = access_list._sid(5, 21, 1111, 2222, 3333, 1001)
ANOTHER = access_list._sid(5, 21, 1111, 2222, 3333, 1002)
USERS = access_list._sid(5, 32, 545)
ALL = 0x1F01FF
READ = 0x120089
_HANDLE = 0x1000  # a handle is no file descriptor
_BINARY, _NO_INHERIT = 1 << 28, 1 << 27
_LOOK_AT = getattr(os, "O_PATH", 0) | getattr(os, "O_NOFOLLOW", 0)
_ERRORS = {2: errno.ENOENT, 5: errno.EACCES, 80: errno.EEXIST, 183: errno.EEXIST}
_FRESH = ("files", "swap", "queue", "sqlite", "windows_acl")


def listed(*entries: tuple[bytes, int], owner: bytes = USER, flags: int = 0, kind: int = 0, protected: bool = True) -> bytes:
    """A descriptor that allows what is said."""
    packed = b"".join(pack("<BBHI", kind, flags, 8 + len(sid), rights) + sid for sid, rights in entries)
    access = pack("<BBHHH", 2, 0, 8 + len(packed), len(entries), 0) + packed
    return pack("<BBHIIII", 1, 0, 0x8004 | protected << 12, 20, 0, 0, 20 + len(owner)) + owner + access


class Function:
    """One function: it takes what its types say, as with ctypes."""

    def __init__(self, behaviour: Callable[..., object], returns: Any, *takes: Any) -> None:
        self._behaviour, self._returns, self._takes = behaviour, returns, takes

    def __call__(self, *arguments: object) -> Any:
        assert len(arguments) == len(self._takes)
        raised: list[BaseException] = []  # ctypes would print it and go on

        def called(*converted: object) -> object:
            try:
                return self._behaviour(*converted)
            except BaseException as exc:
                raised.append(exc)
                return 0

        result = ctypes.CFUNCTYPE(self._returns, *self._takes)(called)(*arguments)
        if raised:
            raise raised[0]
        return result


class System:
    """What Windows would remember."""

    def __init__(self) -> None:
        self.lists: dict[tuple[int, int], bytes] = {}
        self.elsewhere = listed((USERS, READ), (USER, ALL), flags=0x03)  # of folders that nobody told of: others can read
        self.opened_as_text: list[str] = []
        self.error = 0
        self.open_handles = 0
        self.set_status = 0
        self.real_open = os.open

    def list_of(self, path: str) -> bytes:
        """The descriptor of what lies there."""
        return self._of(os.lstat(path), os.path.dirname(path))

    def put_list(self, path: str, descriptor: bytes) -> None:
        """As icacls would."""
        self.lists[self._key(os.lstat(path))] = descriptor

    def _of(self, info: os.stat_result, folder: str) -> bytes:
        if self._key(info) not in self.lists:
            above = self.list_of(folder) if self._key(os.lstat(folder)) in self.lists else self.elsewhere
            inherited = [(e.sid, e.rights) for e in access_list.allowed(access_list.parse(above).access or b"") if e.flags & 1]
            self.lists[self._key(info)] = listed(*inherited, flags=0x10, protected=False)
        return self.lists[self._key(info)]

    @staticmethod
    def _key(info: os.stat_result) -> tuple[int, int]:
        return info.st_dev, info.st_ino

    def _fail(self, code: int, result: int = 0) -> int:
        self.error = code
        return result

    # kernel32

    def CreateFileW(  # noqa: N802
        self, path: str, access: int, share: int, attributes: Any, disposition: int, flags: int, template: object
    ) -> int:
        invalid = ctypes.c_void_p(-1).value or 0
        assert template is None
        if disposition == 1:
            assert access & 0x4000_0000
            try:
                fd = self.real_open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return self._fail(80, invalid)
            except FileNotFoundError:
                return self._fail(2, invalid)
            self.lists[self._key(os.fstat(fd))] = _given(attributes)
        else:
            assert (disposition, access, share) == (3, 0x2_0000, 7)
            assert flags == 0x0220_0000, "folders are opened with backup semantics, links not followed"
            assert not attributes
            try:
                fd = self.real_open(path, _LOOK_AT)
            except FileNotFoundError:
                return self._fail(2, invalid)
        self.open_handles += 1
        return fd + _HANDLE

    def CreateDirectoryW(self, path: str, attributes: Any) -> int:  # noqa: N802
        try:
            os.mkdir(path)
        except FileExistsError:
            return self._fail(183)
        self.put_list(path, _given(attributes))
        return 1

    def CloseHandle(self, handle: int) -> int:  # noqa: N802
        self.open_handles -= 1
        if handle != 0xABC:
            os.close(handle - _HANDLE)
        return 1

    def GetCurrentProcess(self) -> int:  # noqa: N802
        return ctypes.c_void_p(-1).value or 0

    # advapi32

    def OpenProcessToken(self, process: int, access: int, token: Any) -> int:  # noqa: N802
        assert (process, access) == (self.GetCurrentProcess(), 8)
        token[0] = 0xABC
        self.open_handles += 1
        return 1

    def GetTokenInformation(self, token: int, kind: int, held: int, size: int, needed: Any) -> int:  # noqa: N802
        assert (token, kind) == (0xABC, 1)
        needed[0] = 16 + len(USER)
        if size < needed[0]:
            return self._fail(122)
        ctypes.memmove(held, pack("<QQ", held + 16, 0) + USER, needed[0])
        return 1

    def GetKernelObjectSecurity(self, handle: int, which: int, held: int, size: int, needed: Any) -> int:  # noqa: N802
        assert which == 5
        fd = handle - _HANDLE
        found = self._of(os.fstat(fd), os.path.dirname(os.readlink(f"/proc/self/fd/{fd}")))
        needed[0] = len(found)
        if size < len(found):
            return self._fail(122)
        ctypes.memmove(held, found, len(found))
        return 1

    def SetSecurityInfo(  # noqa: N802
        self, handle: int, kind: int, which: int, owner: object, group: object, access: int, audit: object
    ) -> int:
        if self.set_status:
            return self.set_status
        assert (kind, owner, group, audit) == (1, None, None, None)
        assert which in (0x8000_0004, 0x2000_0004)
        size = unpack_from("<H", ctypes.string_at(access, 4), 2)[0]
        control = 0x8004 | (0x1000 if which & 0x8000_0000 else 0)
        head = pack("<BBHIIII", 1, 0, control, 20, 0, 0, 20 + len(USER))
        self.lists[self._key(os.fstat(handle - _HANDLE))] = head + USER + ctypes.string_at(access, size)
        return 0

    # msvcrt, and os.open as it is there

    def open_osfhandle(self, handle: int, flags: int) -> int:
        if not flags & _BINARY:
            self.opened_as_text.append("a handle")
        self.open_handles -= 1
        return handle - _HANDLE

    def get_osfhandle(self, fd: int) -> int:
        return fd + _HANDLE

    def locking(self, fd: int, mode: int, size: int) -> None:
        assert (mode, size) == (2, 1)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        if not flags & _BINARY and sys._getframe(1).f_globals["__name__"].startswith("keyvault."):
            self.opened_as_text.append(path)
        return self.real_open(path, flags & ~(_BINARY | _NO_INHERIT), mode)


def _given(attributes: Any) -> bytes:
    """The descriptor that SECURITY_ATTRIBUTES point to."""
    length, descriptor, inherit = unpack_from("<IxxxxQi", ctypes.string_at(ctypes.addressof(attributes[0]), 24))
    assert (length, inherit) == (24, 0)
    head = ctypes.string_at(descriptor, 20)
    access = unpack_from("<I", head, 16)[0]
    size = unpack_from("<H", ctypes.string_at(descriptor + access, 4), 2)[0]
    return ctypes.string_at(descriptor, access + size)


def _win_error(code: int) -> OSError:
    return OSError(_ERRORS.get(code, errno.EINVAL), f"Windows error {code}")


@contextmanager
def running() -> Iterator[tuple[System, SimpleNamespace]]:
    """The stand-in, and keyvault's store as it is loaded on Windows."""
    system = System()
    types = {name: kinds for functions in windows_calls.FUNCTIONS.values() for name, kinds in functions.items()}
    ours = {name: Function(getattr(system, name), *types[name]) for name in dir(System) if name[0].isupper()}
    calls = SimpleNamespace(last_error=lambda: system.error, **ours)
    msvcrt = ModuleType("msvcrt")
    vars(msvcrt).update(
        open_osfhandle=system.open_osfhandle, get_osfhandle=system.get_osfhandle, locking=system.locking, LK_NBLCK=2
    )
    from _pytest.monkeypatch import MonkeyPatch

    with MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        patch.setitem(sys.modules, "msvcrt", msvcrt)
        patch.setattr(windows_calls, "api", lambda: calls)
        patch.setattr(ctypes, "WinError", _win_error, raising=False)
        patch.setattr(os, "open", system.open)
        patch.setattr(os, "O_BINARY", _BINARY, raising=False)
        patch.setattr(os, "O_NOINHERIT", _NO_INHERIT, raising=False)
        patch.delattr(os, "O_NOFOLLOW")
        patch.delattr(os, "O_CLOEXEC")
        names = [f"keyvault.store.{name}" for name in _FRESH]
        before = {name: sys.modules.pop(name, None) for name in names}
        try:
            yield system, SimpleNamespace(**{name: importlib.import_module(f"keyvault.store.{name}") for name in _FRESH})
        finally:
            for name, module in before.items():
                sys.modules.pop(name, None)
                vars(keyvault.store).pop(name.rpartition(".")[2], None)
                if module:
                    sys.modules[name] = module
                    setattr(keyvault.store, name.rpartition(".")[2], module)
