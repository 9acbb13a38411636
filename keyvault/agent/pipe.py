"""Named pipes of Windows as the agent and its clients use them: for this user alone, and with a deadline for all that waits."""

from __future__ import annotations

import ctypes
import hashlib
import ntpath
from collections.abc import Callable
from ctypes import byref
from time import monotonic

from keyvault.core import windows_calls as system
from keyvault.store import access_list

# CreateNamedPipeW. One instance at most: while the agent has it, nobody else can make another of that name.
OPEN_MODE = 0x3 | 0x0008_0000 | 0x4000_0000  # PIPE_ACCESS_DUPLEX, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED
PIPE_MODE = 0x8  # PIPE_REJECT_REMOTE_CLIENTS; a stream of bytes, and calls that wait
INSTANCES, BUFFER = 1, 4096
# CreateFileW. Whoever made the pipe may learn who we are, and not act as us.
ACCESS = 0x8000_0000 | 0x4000_0000  # GENERIC_READ, GENERIC_WRITE
FLAGS = 0x4000_0000 | 0x0010_0000 | 0x0001_0000  # FILE_FLAG_OVERLAPPED, SECURITY_SQOS_PRESENT, SECURITY_IDENTIFICATION
TO_END = 0x1 | 0x1000  # PROCESS_TERMINATE, PROCESS_QUERY_LIMITED_INFORMATION
SDDL_REVISION = 1


class Foreign(system.Failed):
    """A pipe is there, and of somebody else's making."""

    def __init__(self) -> None:
        super().__init__(system.ACCESS_DENIED)


# -- who is who


def own_user() -> str:
    """The security identifier of the user of this process, as text."""
    return access_list.sid_text(system.user_of_process())


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
            self._event = system.checked(system.api().CreateEventW(None, True, False, None))
        except system.Failed:
            system.api().CloseHandle(handle)
            raise

    def read(self, most: int, deadline: float) -> bytes:
        """At least a byte and at most so many; none where the other end is closed."""
        buffer = ctypes.create_string_buffer(most)
        try:
            size = self._wait_for(system.api().ReadFile, deadline, buffer, most, None)
            return ctypes.string_at(buffer, size)
        except system.Failed as exc:
            if exc.code == system.BROKEN_PIPE:
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
                raise system.Failed(system.BROKEN_PIPE)
            found += part
        return bytes(found)

    def write(self, content: bytes, deadline: float) -> None:
        """All of it."""
        at = 0
        while at < len(content):
            part = content[at : at + 65_536]
            at += self._wait_for(system.api().WriteFile, deadline, part, len(part), None)

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
        system.api().CloseHandle(self._handle)
        system.api().CloseHandle(self._event)

    def _wait_for(self, begin: Callable[..., int], deadline: float, *arguments: object) -> int:
        """Begin, and wait for the end, or take it back at the deadline; how many bytes were moved."""
        calls, operation, moved = system.api(), system.Overlapped(event=self._event), system.DWORD()
        self._in_use = operation, *arguments
        goes_on = not begin(self._handle, *arguments, byref(operation))
        if goes_on and (why := calls.last_error()) != system.IO_PENDING:
            raise system.Failed(why)
        try:
            if goes_on:
                calls.WaitForSingleObject(self._event, _milliseconds(deadline))
        finally:  # whatever interrupts it
            calls.CancelIoEx(self._handle, byref(operation))  # does nothing to what has ended
            # It waits, so that the system has let go of the memory afterwards. What ended before it was cancelled counts.
            ended = calls.GetOverlappedResult(self._handle, byref(operation), byref(moved), True)
            why = calls.last_error()
        if not ended:
            raise TimeoutError if why == system.OPERATION_ABORTED else system.Failed(why)
        return moved.value


def _milliseconds(deadline: float) -> int:
    return max(1, min(60_000, int((deadline - monotonic()) * 1000)))


class Listener(End):
    """The agent's end: the only one of its name, and one client at a time."""

    def __init__(self, name: str, user: str) -> None:
        """Raises Failed, with ACCESS_DENIED or PIPE_BUSY where another process has the name."""
        calls, descriptor = system.api(), system.ADDRESS()
        system.checked(
            calls.ConvertStringSecurityDescriptorToSecurityDescriptorW(
                closed_to_others(user), SDDL_REVISION, byref(descriptor), None
            )
        )
        try:
            attributes = system.SecurityAttributes(ctypes.sizeof(system.SecurityAttributes), descriptor, False)
            handle = system.checked(
                calls.CreateNamedPipeW(name, OPEN_MODE, PIPE_MODE, INSTANCES, BUFFER, BUFFER, 0, byref(attributes))
            )
        finally:
            calls.LocalFree(descriptor)
        super().__init__(handle)

    def accept(self, deadline: float) -> bool:
        """Somebody connected."""
        try:
            self._wait_for(system.api().ConnectNamedPipe, deadline)
        except TimeoutError:
            return False
        except system.Failed as exc:
            if exc.code == system.NO_DATA:  # it came and went
                self.hang_up()
                return False
            if exc.code != system.PIPE_CONNECTED:
                raise
        return True

    def client_user(self) -> str:
        """The user of whoever wrote what was read last."""
        calls, token = system.api(), system.HANDLE()
        system.checked(calls.ImpersonateNamedPipeClient(self._handle))
        try:
            system.checked(calls.OpenThreadToken(calls.GetCurrentThread(), system.TOKEN_QUERY, True, byref(token)))
        finally:
            if not calls.RevertToSelf():
                raise RuntimeError  # it ends the agent: nothing may be done as another
        return access_list.sid_text(system.user_of(token))

    def hang_up(self) -> None:
        """End the connection, whatever of the answer was not read, and be there for the next."""
        system.api().DisconnectNamedPipe(self._handle)


class Connection(End):
    """A client's end."""

    def __init__(self, name: str, deadline: float) -> None:
        """Connect, once it is our turn. Raises TimeoutError, Failed, Foreign."""
        calls = system.api()
        while (handle := calls.CreateFileW(name, ACCESS, 0, None, system.OPEN_EXISTING, FLAGS, None)) == system.INVALID_HANDLE:
            if (why := calls.last_error()) != system.PIPE_BUSY:
                raise system.Failed(why)
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
        held = system.security_of(self._handle, system.OWNER | system.LABEL)
        try:
            maker = access_list.parse(held)
        except access_list.NotUnderstood as exc:
            raise Foreign from exc
        if maker.owner != system.user_of_process() or maker.level < access_list.MEDIUM:
            raise Foreign

    def end_server(self) -> None:
        """End the process at the other end, if it is this user's. Raises Failed."""
        calls, number = system.api(), system.DWORD()
        system.checked(calls.GetNamedPipeServerProcessId(self._handle, byref(number)))
        process = system.checked(calls.OpenProcess(TO_END, False, number.value))
        try:
            if system.user_of_process(process) != system.user_of_process():
                raise system.Failed(system.ACCESS_DENIED)
            system.checked(calls.TerminateProcess(process, 1))
        finally:
            calls.CloseHandle(process)
