"""Whom a run of the program talks to: as a rule this process's own streams; in the agent, those of the client that asked."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

OUT, ERR = 1, 2


class NotServed(Exception):
    """Only the client's own process can do this: nothing was done yet, and what was said is thrown away."""


class Answered(Exception):
    """The agent did it all meanwhile; `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class Caller:
    """A client of the agent: which of its streams are terminals, the columns of stdout's (or 0), its process, and what is to
    be written there, in order."""

    def __init__(self, terminals: tuple[bool, ...], columns: int, pid: int) -> None:
        self.terminals = terminals
        self.columns = columns
        self.pid = pid
        self.said: list[tuple[int, bytes]] = []

    def write(self, stream: int, data: bytes) -> None:
        """Add to what is to be written."""
        self.said.append((stream, data))


_callers: list[Caller] = []


def caller() -> Caller | None:
    """The client that is served, or None: then this process's own streams count."""
    return _callers[-1] if _callers else None


def serve(client: Caller | None) -> None:
    """From now on this client is talked to; None: nobody but this process."""
    _callers[:] = [client] if client else []


def only_here() -> None:
    """What follows needs this very process: its terminal, its files, its network. In the agent, raises NotServed."""
    if _callers:
        not_served()


def not_served() -> NoReturn:
    """Leave it to the client."""
    raise NotServed
