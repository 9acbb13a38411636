"""A client of the agent on Windows: have its keys or its status, and end it."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic

from keyvault.agent import pipe, protocol
from keyvault.core.errors import KeyvaultError
from keyvault.core.windows_calls import FILE_NOT_FOUND, Failed

PATIENCE = 2.0  # seconds, one client after another
_TO_END, _TO_DIE = 3.0, 2.0


def ask(home: str, verb: bytes, *arguments: str) -> bytes | None:
    """What the agent of the vault in `home` answers, or None: none is there, or it is odd, or of somebody else's making."""
    deadline = monotonic() + PATIENCE
    try:
        connection = pipe.Connection(pipe.pipe_name(pipe.own_user(), home), deadline)
        try:
            connection.write(protocol.request(verb, arguments), deadline)
            if connection.read_all(1, deadline) != b"A":
                return None
            size = int.from_bytes(connection.read_all(4, deadline), "big")
            if not 2 <= size <= protocol.LARGEST_PIPE_ANSWER:
                return None
            return protocol.data_of(connection.read_all(size, deadline))
        finally:
            connection.close()
    except OSError:  # TimeoutError too
        return None


def end(home: str) -> bool:
    """End the agent of this vault, and return when its process is gone; whether there was one. Raises KeyvaultError."""
    try:
        connection = pipe.Connection(pipe.pipe_name(pipe.own_user(), home), monotonic() + _TO_END)
    except TimeoutError:
        raise KeyvaultError(
            "the agent is busy, and does not hear that it is to end", "wait a minute: if it does not go on, it ends itself"
        ) from None
    except pipe.Foreign:
        return False
    except Failed as exc:
        if exc.code == FILE_NOT_FOUND:
            return False
        raise KeyvaultError(
            f"the agent cannot be told to end: Windows error {exc.code}", "if it still runs, kill its process"
        ) from exc
    try:
        with suppress(OSError):  # whatever that was, it counts whether its end is closed
            connection.write(protocol.request(b"lock"), monotonic() + _TO_END)
        if connection.is_closed_by(monotonic() + _TO_END):
            return True
        connection.end_server()
        if connection.is_closed_by(monotonic() + _TO_DIE):
            return True
        why = None
    except Failed as exc:
        why = exc
    finally:
        connection.close()
    raise KeyvaultError("the agent does not end", "kill its process") from why
