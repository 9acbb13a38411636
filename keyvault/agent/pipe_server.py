"""The loop of the agent on Windows: one client at a time, in one thread, at a pipe of which there is one.

It serves `keys`, `status` and `lock`. Commands run in their own process, with the keys.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from keyvault.agent import pipe, protocol
from keyvault.agent.lifetime import TICK, Lifetime
from keyvault.agent.protocol import LARGEST_PIPE_REQUEST, REFUSED, Call, Reply
from keyvault.core.errors import AlreadyExists, StoreFailed
from keyvault.core.windows_calls import ACCESS_DENIED, PIPE_BUSY, Failed

TO_ASK, TO_READ = 2.0, 5.0  # seconds a client has to send its request, and to take its answer
TO_SERVE = 60.0  # seconds for one client; what it waits for may never come, and until then no limit counts


class Listener(Protocol):
    """As keyvault.agent.pipe has it. What waits raises TimeoutError after its deadline; what fails, OSError."""

    def accept(self, deadline: float) -> bool: ...
    def read_all(self, size: int, deadline: float) -> bytes: ...
    def write(self, content: bytes, deadline: float) -> None: ...
    def client_user(self) -> str: ...
    def is_closed_by(self, deadline: float) -> bool: ...
    def hang_up(self) -> None: ...


def listen(home: str) -> tuple[str, pipe.Listener]:
    """This user, and the pipe for the vault in `home`. Raises AlreadyExists where another process has it, StoreFailed."""
    try:
        user = pipe.own_user()
        return user, pipe.Listener(pipe.pipe_name(user, home), user)
    except Failed as exc:
        if exc.code in (ACCESS_DENIED, PIPE_BUSY):
            raise AlreadyExists(
                "an agent for this vault runs already, or another program has its pipe",
                "keyvault status; keyvault lock ends it",
            ) from exc
        raise StoreFailed(f"the agent cannot listen: Windows error {exc.code}") from exc


class PipeServer:
    """Serves this user until its time is over, `still_wanted` says why not, or somebody locks."""

    def __init__(
        self,
        listener: Listener,
        user: str,
        lifetime: Lifetime,
        hand_out: Callable[[Call], Reply],
        status: Callable[[], bytes],
        still_wanted: Callable[[], str],
    ) -> None:
        self._listener, self._user, self._lifetime = listener, user, lifetime
        self._hand_out, self._status, self._still_wanted = hand_out, status, still_wanted

    def run(self) -> str:
        """Serve; why it ended."""
        while not (why := self._over()):
            if not self._listener.accept(monotonic() + TICK):
                continue
            watchdog = threading.Timer(TO_SERVE, os._exit, [1])
            watchdog.daemon = True
            watchdog.start()
            try:
                if why := self._serve():
                    return why  # the connection ends with the process: so its client knows when
            except OSError:  # it went away, or was too slow
                pass
            finally:
                watchdog.cancel()
            self._listener.hang_up()
        return why

    def _over(self) -> str:
        return self._lifetime.over() or self._still_wanted()

    def _serve(self) -> str:
        """One request; why it was the last, or an empty string."""
        listener, deadline = self._listener, monotonic() + TO_ASK
        size = int.from_bytes(listener.read_all(4, deadline), "big")
        if not 0 < size <= LARGEST_PIPE_REQUEST:
            return ""
        body = listener.read_all(size, deadline)
        if listener.client_user() != self._user:  # it could not have come so far
            return ""
        if why := self._over():  # to wait for a client may have taken a night of sleep, which no deadline counts
            return why
        call = protocol.parse(body, 0)
        listener.write(b"A", deadline)
        answer = b"".join(protocol.encode(self._reply(call)))
        deadline = monotonic() + TO_READ
        listener.write(answer, deadline)
        if call is not None and call.verb == "lock":
            return "lock"
        listener.is_closed_by(deadline)  # to hang up takes away what was not read yet
        return ""

    def _reply(self, call: Call | None) -> Reply:
        if call is None or call.verb == "call":
            return Reply(REFUSED)
        if call.verb == "lock":
            return Reply(0)
        if call.verb == "status":
            return protocol.data(self._status())
        self._lifetime.asked()
        return self._hand_out(call)
