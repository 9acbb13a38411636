"""A stand-in for the functions of Windows that the agent calls, after their documentation; Windows itself is not here.

They are called through ctypes, with the types that `keyvault.core.windows_calls` gives them. Threads play the processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from keyvault.core import windows_calls

ME, ADMINISTRATORS, ANYBODY = "S-1-5-21-1-2-3-1001", "S-1-5-32-544", "S-1-5-21-1-2-3-1002"
ANONYMOUS = "S-1-5-7"
FOR_FILES = ("CreateDirectoryW", "SetSecurityInfo")  # which are in windows_files
LEVELS = {"LW": 0x1000, "ME": 0x2000, "HI": 0x3000}
INVALID_HANDLE = windows_calls.INVALID_HANDLE
NOT_FOUND, INVALID_OWNER, CANNOT_IMPERSONATE, NOT_CONNECTED, INVALID_PARAMETER = 1168, 1307, 1368, 233, 87


def binary(sid: str) -> bytes:
    """A SID as in memory: revision, count, authority (6 bytes, big-endian), and subauthorities."""
    _, revision, authority, *rest = sid.split("-")
    parts = b"".join(int(part).to_bytes(4, "little") for part in rest)
    return bytes([int(revision), len(rest)]) + int(authority, 0).to_bytes(6, "big") + parts


class Process:
    def __init__(self, user: str, number: int) -> None:
        self.user, self.number, self.ended = user, number, threading.Event()


class Pipe:
    """The one instance of a name, and what each end has not read yet."""

    def __init__(self, maker: Process, sddl: str, size: int) -> None:
        self.maker, self.sddl, self.size = maker, sddl, size
        self.listening = True
        self.client: ClientEnd | None = None
        self.served_is_open = True
        self.was_read = False

    @property
    def owner(self) -> str:
        return re.match(r"O:(S-[\d-]+)D:", self.sddl).group(1)  # type: ignore[union-attr]

    @property
    def label(self) -> bytes:
        """The list with its mandatory label, or nothing."""
        found = re.search(r"\(ML;;NWNR;;;(\w\w)\)", self.sddl)
        if not found:
            return b""
        sid = binary(f"S-1-16-{LEVELS[found[1]]}")
        return struct.pack("<BBHHHBBHI", 2, 0, 16 + len(sid), 1, 0, 0x11, 0, 8 + len(sid), 3) + sid

    @property
    def allowed(self) -> list[str]:
        return re.findall(r"\(A;;GA;;;(S-[\d-]+)\)", self.sddl)


class ClientEnd:
    def __init__(self, pipe: Pipe, process: Process, flags: int) -> None:
        self.pipe, self.process, self.flags = pipe, process, flags
        self.is_open, self.is_cut = True, False
        self.to_server, self.to_client = bytearray(), bytearray()


class Operation:
    """One that was begun: `attempt` says how many bytes it moved, raises Failed, or says None: not yet."""

    def __init__(self, attempt: Callable[[], int | None]) -> None:
        self.attempt, self.moved, self.error, self.ended = attempt, 0, 0, False

    def go_on(self) -> None:
        if self.ended:
            return
        try:
            moved = self.attempt()
        except windows_calls.Failed as exc:
            self.ended, self.error = True, exc.code
        else:
            self.ended, self.moved = moved is not None, moved or 0


class Windows:
    """The system. Its functions are attributes, as of what `windows_calls.api` returns."""

    def __init__(self) -> None:
        self.change = threading.Condition(threading.RLock())
        self.here = threading.local()
        self.processes: dict[int, Process] = {}
        self.pipes: dict[str, Pipe] = {}
        self.handles: dict[int, tuple[Any, Process]] = {}
        self.memory: dict[int, Any] = {}  # what LocalFree is to free
        self.operations: dict[int, Operation] = {}
        self.calls: list[str] = []
        self.faults: list[Exception] = []  # calls that no caller should make
        self.slept = 0.0
        self._next = 0x100
        self.only_me = self._process(ME, 4000)
        for functions in windows_calls.FUNCTIONS.values():
            for name, (returns, *takes) in functions.items():
                if name in FOR_FILES:
                    continue
                setattr(self, name, ctypes.CFUNCTYPE(returns, *takes)(self._told(name, getattr(self, "_" + name))))

    def _told(self, name: str, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            with self.change:
                self.calls.append(name)
                try:
                    return function(*arguments)
                except windows_calls.Failed as exc:
                    self.here.error = exc.code
                    return INVALID_HANDLE if name in ("CreateFileW", "CreateNamedPipeW") else 0  # type: ignore[return-value]
                except Exception as exc:
                    self.faults.append(exc)  # ctypes would lose it
                    raise

        return call

    def is_clean(self) -> bool:
        """Nothing is left open, lent or under way, and no call was wrong."""
        return not (self.faults or self.handles or self.memory or self.operations)

    def last_error(self) -> int:
        return int(getattr(self.here, "error", 0))

    # -- processes

    def _process(self, user: str, number: int) -> Process:
        return self.processes.setdefault(number, Process(user, number))

    @property
    def now(self) -> Process:
        return getattr(self.here, "process", self.only_me)

    @contextlib.contextmanager
    def process(self, user: str, number: int) -> Iterator[Process]:
        """This thread is a new process, which ends after that."""
        made = self._process(user, number)
        try:
            with self.within(made):
                yield made
        finally:
            self.end(made)

    @contextlib.contextmanager
    def within(self, process: Process) -> Iterator[None]:
        """This thread is that process."""
        before = self.now
        self.here.process = process
        try:
            yield
        finally:
            self.here.process = before

    def end(self, process: Process) -> None:
        """What is left of it is closed."""
        with self.change:
            process.ended.set()
            self.processes.pop(process.number, None)
            for handle in [handle for handle, (_, whose) in self.handles.items() if whose is process]:
                self._CloseHandle(handle)

    def _new(self, what: Any) -> int:
        self._next += 4
        self.handles[self._next] = what, self.now
        return self._next

    def _given(self, handle: int | None, kind: type) -> Any:
        found = self.handles.get(handle or 0, (None,))[0]
        if not isinstance(found, kind):
            raise windows_calls.Failed(6)  # ERROR_INVALID_HANDLE
        return found

    def _CloseHandle(self, handle: int) -> int:  # noqa: N802
        what, _ = self.handles.pop(handle, (None, None))
        if what is None:
            raise windows_calls.Failed(6)  # ERROR_INVALID_HANDLE
        if isinstance(what, Pipe):
            what.served_is_open = False
            self.pipes = {name: pipe for name, pipe in self.pipes.items() if pipe is not what}
        elif isinstance(what, ClientEnd):
            what.is_open = False
        self._all_go_on()
        return 1

    # -- pipes

    def _CreateNamedPipeW(  # noqa: N802
        self, name: str, mode: int, kind: int, most: int, out: int, into: int, patience: int, security: Any
    ) -> int:
        assert mode == 0x40080003
        assert kind == 8
        assert most == 1
        assert security.contents.length == ctypes.sizeof(windows_calls.SecurityAttributes)
        assert not security.contents.inherit
        sddl = self.memory[security.contents.descriptor]
        if name.lower() in self.pipes:
            raise windows_calls.Failed(windows_calls.ACCESS_DENIED)  # FILE_FLAG_FIRST_PIPE_INSTANCE
        pipe = Pipe(self.now, sddl.value, into)
        if pipe.owner != self.now.user:
            raise windows_calls.Failed(INVALID_OWNER)
        self.pipes[name.lower()] = pipe
        return self._new(pipe)

    def _CreateFileW(  # noqa: N802
        self, name: str, access: int, share: int, security: Any, how: int, flags: int, template: int | None
    ) -> int:
        assert access == 0xC0000000
        assert (share, how, template) == (0, 3, None)
        pipe = self.pipes.get(name.lower())
        if pipe is None:
            raise windows_calls.Failed(windows_calls.FILE_NOT_FOUND)
        if self.now.user not in pipe.allowed:
            raise windows_calls.Failed(windows_calls.ACCESS_DENIED)
        if pipe.client or not pipe.listening:
            raise windows_calls.Failed(windows_calls.PIPE_BUSY)
        pipe.client, pipe.listening, pipe.was_read = ClientEnd(pipe, self.now, flags), False, False
        self._all_go_on()
        return self._new(pipe.client)

    def _WaitNamedPipeW(self, name: str, patience: int) -> int:  # noqa: N802
        assert 0 < patience <= 60_000
        if name.lower() not in self.pipes:
            raise windows_calls.Failed(windows_calls.FILE_NOT_FOUND)

        def is_free() -> bool:
            pipe = self.pipes.get(name.lower())
            return pipe is None or (pipe.listening and not pipe.client)

        if not self.change.wait_for(is_free, patience / 1000):
            raise windows_calls.Failed(121)  # ERROR_SEM_TIMEOUT
        return 1

    def _ConnectNamedPipe(self, handle: int, overlapped: Any) -> int:  # noqa: N802
        pipe = self._given(handle, Pipe)
        if pipe.client:
            raise windows_calls.Failed(windows_calls.PIPE_CONNECTED if pipe.client.is_open else windows_calls.NO_DATA)
        pipe.listening = True
        self.change.notify_all()
        return self._begin(overlapped, lambda: 0 if pipe.client else None)

    def _DisconnectNamedPipe(self, handle: int) -> int:  # noqa: N802
        pipe = self._given(handle, Pipe)
        if pipe.client:
            pipe.client.is_cut, pipe.client = True, None
        self._all_go_on()
        return 1

    def _ReadFile(self, handle: int, buffer: int, most: int, moved: Any, overlapped: Any) -> int:  # noqa: N802
        end = self._given(handle, (Pipe, ClientEnd))  # type: ignore[arg-type]

        def attempt() -> int | None:
            client = end.client if isinstance(end, Pipe) else end
            if client is None or client.is_cut:
                raise windows_calls.Failed(NOT_CONNECTED)
            source = client.to_server if isinstance(end, Pipe) else client.to_client
            if not source:
                if not (client.is_open if isinstance(end, Pipe) else client.pipe.served_is_open):
                    raise windows_calls.Failed(windows_calls.BROKEN_PIPE)
                return None
            client.pipe.was_read = client.pipe.was_read or isinstance(end, Pipe)
            part = bytes(source[:most])
            ctypes.memmove(buffer, part, len(part))
            del source[:most]
            return len(part)

        assert not moved
        return self._begin(overlapped, attempt)

    def _WriteFile(self, handle: int, buffer: int, size: int, moved: Any, overlapped: Any) -> int:  # noqa: N802
        end, left = self._given(handle, (Pipe, ClientEnd)), [ctypes.string_at(buffer, size)]  # type: ignore[arg-type]

        def attempt() -> int | None:
            client = end.client if isinstance(end, Pipe) else end
            if client is None or client.is_cut:
                raise windows_calls.Failed(NOT_CONNECTED)
            if not (client.is_open if isinstance(end, Pipe) else client.pipe.served_is_open):
                raise windows_calls.Failed(windows_calls.NO_DATA)
            sink = client.to_client if isinstance(end, Pipe) else client.to_server
            fits = max(0, client.pipe.size - len(sink))
            sink += left[0][:fits]
            left[0] = left[0][fits:]
            return None if left[0] else size

        assert not moved
        return self._begin(overlapped, attempt)

    # -- what takes time

    def _begin(self, overlapped: Any, attempt: Callable[[], int | None]) -> int:
        operation = Operation(attempt)
        operation.go_on()
        if operation.ended and operation.error:
            raise windows_calls.Failed(operation.error)
        self.operations[ctypes.addressof(overlapped.contents)] = operation
        self._all_go_on()
        if not operation.ended:
            raise windows_calls.Failed(windows_calls.IO_PENDING)
        return 1

    def _all_go_on(self) -> None:
        before = -1
        while before != (before := sum(operation.ended for operation in self.operations.values())):
            for operation in self.operations.values():
                operation.go_on()
        self.change.notify_all()

    def _CreateEventW(self, security: Any, by_hand: int, begins: int, name: str | None) -> int:  # noqa: N802
        assert by_hand == 1
        assert (bool(security), begins, name) == (False, 0, None)
        return self._new("event")

    def _WaitForSingleObject(self, event: int, patience: int) -> int:  # noqa: N802
        assert self._given(event, str) == "event"
        waited = [self.operations[at] for at in self.operations if windows_calls.Overlapped.from_address(at).event == event]
        return 0 if self.change.wait_for(lambda: all(one.ended for one in waited), patience / 1000) else 258

    def _CancelIoEx(self, handle: int, overlapped: Any) -> int:  # noqa: N802
        operation = self.operations[ctypes.addressof(overlapped.contents)]
        if operation.ended:
            raise windows_calls.Failed(NOT_FOUND)
        operation.ended, operation.error = True, windows_calls.OPERATION_ABORTED
        return 1

    def _GetOverlappedResult(self, handle: int, overlapped: Any, moved: Any, wait: int) -> int:  # noqa: N802
        assert wait == 1
        operation = self.operations.pop(ctypes.addressof(overlapped.contents))
        assert self.change.wait_for(lambda: operation.ended, 20)
        moved.contents.value = operation.moved
        if operation.error:
            raise windows_calls.Failed(operation.error)
        return 1

    # -- who is who

    def _GetCurrentProcess(self) -> int:  # noqa: N802
        return INVALID_HANDLE  # type: ignore[return-value]  # the pseudo-handle is -1

    def _GetCurrentThread(self) -> int:  # noqa: N802
        return INVALID_HANDLE - 1  # type: ignore[operator]

    def _OpenProcess(self, access: int, inherit: int, number: int) -> int:  # noqa: N802
        assert (access, inherit) == (0x1001, 0)
        process = self.processes.get(number)
        if process is None:
            raise windows_calls.Failed(INVALID_PARAMETER)
        if process.user != self.now.user:
            raise windows_calls.Failed(windows_calls.ACCESS_DENIED)
        return self._new(process)

    def _TerminateProcess(self, handle: int, code: int) -> int:  # noqa: N802
        self.end(self._given(handle, Process))
        return 1

    def _GetNamedPipeServerProcessId(self, handle: int, number: Any) -> int:  # noqa: N802
        number.contents.value = self._given(handle, ClientEnd).pipe.maker.number
        return 1

    def _OpenProcessToken(self, process: int, access: int, token: Any) -> int:  # noqa: N802
        assert access == 8
        whose = self.now if process == INVALID_HANDLE else self._given(process, Process)
        token.contents.value = self._new(("token", whose.user))
        return 1

    def _ImpersonateNamedPipeClient(self, handle: int) -> int:  # noqa: N802
        pipe = self._given(handle, Pipe)
        if not pipe.was_read or pipe.client is None:
            raise windows_calls.Failed(CANNOT_IMPERSONATE)
        identifies = pipe.client.flags & 0x00110000 == 0x00110000
        self.here.acting = pipe.client.process.user if identifies else ANONYMOUS
        return 1

    def _OpenThreadToken(self, thread: int, access: int, as_self: int, token: Any) -> int:  # noqa: N802
        assert (thread, access, as_self) == (self._GetCurrentThread(), 8, 1)
        token.contents.value = self._new(("token", self.here.acting))
        return 1

    def _RevertToSelf(self) -> int:  # noqa: N802
        del self.here.acting
        return 1

    def _GetTokenInformation(self, token: int, what: int, buffer: int, size: int, needed: Any) -> int:  # noqa: N802
        assert what == 1
        sid = binary(self._given(token, tuple)[1])
        at = ctypes.sizeof(windows_calls.TokenUser)
        needed.contents.value = at + len(sid)
        if at + len(sid) > size:
            raise windows_calls.Failed(122)  # ERROR_INSUFFICIENT_BUFFER
        windows_calls.TokenUser.from_address(buffer).sid = buffer + at
        ctypes.memmove(buffer + at, sid, len(sid))
        return 1

    def _ConvertStringSecurityDescriptorToSecurityDescriptorW(  # noqa: N802
        self, text: str, revision: int, descriptor: Any, size: Any
    ) -> int:
        assert revision == 1
        assert re.fullmatch(r"O:(S-[\d-]+)D:P\(A;;GA;;;\1\)S:\(ML;;NWNR;;;ME\)", text)
        descriptor.contents.value = self._lent(ctypes.create_unicode_buffer(text))
        return 1

    def _GetKernelObjectSecurity(self, handle: int, what: int, held: int, size: int, needed: Any) -> int:  # noqa: N802
        assert what == 0x11
        pipe = self._given(handle, ClientEnd).pipe
        owner, label = binary(pipe.owner), pipe.label
        control, at = (0x8010, 20 + len(owner)) if label else (0x8000, 0)
        content = struct.pack("<BBHIIII", 1, 0, control, 20, 0, at, 0) + owner + label
        needed.contents.value = len(content)
        if len(content) > size:
            raise windows_calls.Failed(122)  # ERROR_INSUFFICIENT_BUFFER
        ctypes.memmove(held, content, len(content))
        return 1

    def _lent(self, what: Any) -> int:
        self.memory[ctypes.addressof(what)] = what
        return ctypes.addressof(what)

    def _LocalFree(self, memory: int) -> int:  # noqa: N802
        del self.memory[memory]
        return 0

    # -- clocks

    def _GetTickCount64(self) -> int:  # noqa: N802
        return int((time.monotonic() + self.slept) * 1000)

    def _QueryUnbiasedInterruptTime(self, ticks: Any) -> int:  # noqa: N802
        ticks.contents.value = int(time.monotonic() * 10_000_000)
        return 1
