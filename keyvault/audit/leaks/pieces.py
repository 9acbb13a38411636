"""What goes through a search: pieces of text, and what is sought in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from keyvault.audit.findings import TREE, Leak
from keyvault.core.secret import Secret


class Piece(NamedTuple):
    """Bytes to look through. Of a file that is too large for one piece, `first_line` is the line that it begins in."""

    data: bytes
    path: str
    source: str = TREE
    commit: str = ""
    first_line: int = 1


class OwnKey(NamedTuple):
    """A value of the vault. `current`: it is in use; else a former version."""

    ref: str
    provider: str
    value: Secret
    current: bool


class Plan(NamedTuple):
    """What is sought. It goes to the processes that search, in memory only. `engine`: "", "hyperscan" or "plain"."""

    own: tuple[OwnKey, ...] = ()
    fingerprint_key: bytes = b""
    engine: str = ""
    cache_folder: str = ""

    def __repr__(self) -> str:
        return f"Plan({len(self.own)} own keys)"

    def __reduce__(self) -> tuple[Callable[..., Plan], tuple[object, ...]]:
        """For the pipe to a process that searches, and for nothing else: this is where a secret lets itself be pickled."""
        own = tuple((key.ref, key.provider, key.value.reveal(), key.current) for key in self.own)
        return _plan, (own, *self[1:])


def _plan(own: Sequence[tuple[str, str, str, bool]], *rest: Any) -> Plan:
    return Plan(tuple(OwnKey(ref, provider, Secret(value), current) for ref, provider, value, current in own), *rest)


class Searcher(Protocol):
    """Looks through one piece after the other; one for each process."""

    def search(self, piece: Piece) -> Sequence[Leak]:
        """All that lies there in clear."""
        ...
