"""The loop of the agent: takes requests from this user's processes and answers them one after another, in one thread."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # which the type checker wants to hear first

import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from keyvault.agent import client, protocol
from keyvault.agent.lifetime import TICK, Lifetime
from keyvault.agent.place import Place
from keyvault.agent.protocol import REFUSED, Call, Reply

if TYPE_CHECKING:
    from keyvault.agent.screen_lock import ScreenLock

_MOST = 256  # connections at once
_TO_ASK, _TO_READ = 2.0, 5.0  # seconds a client has to send its request, and to take its answer
_TO_SERVE = 60  # seconds for one request; what it waits for may never come, and until then no limit and no signal counts
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1)


class _Connection:
    def __init__(self, end: socket.socket, pid: int) -> None:
        self.end = end
        self.pid = pid
        self.request = bytearray()
        self.answer: Iterator[bytes | bytearray] | None = None
        self.part = memoryview(b"")  # of the answer, being sent
        self.deadline = time.monotonic() + _TO_ASK


class Server:
    """Serves until its time is over, `still_wanted` says why not, somebody locks, `screen` hears of it, or a signal comes."""

    def __init__(
        self,
        place: Place,
        lifetime: Lifetime,
        serve: Callable[[Call], Reply],
        status: Callable[[], bytes],
        still_wanted: Callable[[], str],
        screen: ScreenLock | None = None,
    ) -> None:
        self._place, self._lifetime = place, lifetime
        self._serve, self._status, self._still_wanted = serve, status, still_wanted
        self._selector = selectors.DefaultSelector()
        self._selector.register(place.listener, _READ)
        self._screen = screen
        for end in screen.sockets if screen else ():
            self._selector.register(end, _READ, screen)
        self._connections: set[_Connection] = set()
        self._waiting: deque[tuple[_Connection, Call]] = deque()
        self._next_tick = 0.0
        self._why = ""

    def run(self) -> str:
        """Serve; why it ended. What waits for an answer then gets none."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker)
        for number in _ENDING:
            signal.signal(number, self._on_signal)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends the process even where no line of ours would run
        self._selector.register(woken, _READ)
        while not self._is_over():
            for key, events in self._selector.select(0 if self._waiting else self._until_next()):
                if key.fileobj is self._place.listener:
                    self._accept_all()
                elif isinstance(key.data, _Connection):
                    self._move(key.data, events)
                elif self._screen is not None and key.data is self._screen:
                    self._why = self._screen.heard()
            self._drop_late()
            if self._waiting and not self._is_over():
                self._answer(*self._waiting.popleft())
        return self._why

    def _on_signal(self, number: int, _frame: object) -> None:
        self._why = f"signal {number}"

    def _is_over(self) -> bool:
        self._why = self._why or self._lifetime.over()
        if not self._why and time.monotonic() >= self._next_tick:
            self._why = self._still_wanted() or ("" if self._place.is_ours() else "its socket is gone")
            self._next_tick = time.monotonic() + TICK
        return bool(self._why)

    def _until_next(self) -> float:
        soonest = min((c.deadline for c in self._connections), default=self._next_tick)
        return max(0.0, min(soonest, self._next_tick) - time.monotonic())

    def _accept_all(self) -> None:
        """All that knock: each is to hear within milliseconds that it will be answered."""
        while True:
            try:
                end, _ = self._place.listener.accept()
            except OSError:  # that was all, or there are no descriptors left
                return
            self._accept(end)

    def _accept(self, end: socket.socket) -> None:
        try:
            user, pid = client.peer(end)
            allowed = user == os.geteuid() and len(self._connections) < _MOST
        except OSError:
            allowed = False
        if not allowed:
            end.close()
            return
        end.setblocking(False)
        connection = _Connection(end, pid)
        self._connections.add(connection)
        self._selector.register(end, _READ, connection)
        self._receive(connection)

    def _move(self, connection: _Connection, events: int) -> None:
        if events & _WRITE:
            self._send(connection)
        elif connection.answer or any(connection is waiting for waiting, _ in self._waiting):
            self._drop(connection)  # it says more than one request, or went away
        else:
            self._receive(connection)

    def _receive(self, connection: _Connection) -> None:
        """Take what is there. A request that is whole is acknowledged and waits its turn."""
        request = connection.request
        try:
            received = connection.end.recv(client.LARGEST_REQUEST + 4 - len(request) + 1)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        request += received
        size = int.from_bytes(request[:4], "big")
        if not received or (len(request) >= 4 and not 0 < size <= client.LARGEST_REQUEST) or len(request) > 4 + size > 4:
            self._drop(connection)
        elif len(request) == 4 + size:
            self._acknowledge(connection, protocol.parse(bytes(request[4:]), connection.pid))

    def _acknowledge(self, connection: _Connection, call: Call | None) -> None:
        try:
            connection.end.send(b"A")
        except OSError:
            return self._drop(connection)
        connection.request = bytearray()
        connection.deadline = time.monotonic() + 60  # its turn comes
        if call is None:
            return self._reply(connection, Reply(REFUSED))
        return self._waiting.append((connection, call))

    def _answer(self, connection: _Connection, call: Call) -> None:
        if connection not in self._connections:
            return
        if call.verb == "lock":
            self._why = "lock"  # the connection ends with the process: so its client knows when
            connection.end.setblocking(True)
            connection.end.settimeout(1)
            try:
                connection.end.sendall(b"".join(protocol.encode(Reply(0))))
            except OSError:
                return
        elif call.verb == "status":
            self._reply(connection, protocol.data(self._status()))
        else:
            self._lifetime.asked()
            signal.alarm(_TO_SERVE)
            reply = self._serve(call)
            signal.alarm(0)
            self._reply(connection, reply)

    def _reply(self, connection: _Connection, reply: Reply) -> None:
        connection.answer = protocol.encode(reply)
        connection.deadline = time.monotonic() + _TO_READ
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        assert connection.answer is not None
        try:
            while part := connection.part or memoryview(next(connection.answer, b"")):
                connection.part = part
                connection.part = part[connection.end.send(part) :]
        except BlockingIOError:
            self._selector.modify(connection.end, _WRITE, connection)
            return
        except OSError:
            pass  # it went away
        self._drop(connection)

    def _drop_late(self) -> None:
        now = time.monotonic()
        for connection in [c for c in self._connections if now > c.deadline]:
            self._drop(connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.end)
        connection.end.close()
