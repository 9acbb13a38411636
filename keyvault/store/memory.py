"""A store in memory: where a copy is looked at, and changed, before it is put in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext


class MemoryStore:
    """A `keyvault.store.base.Store` of this process alone. `name` is the path that its content came from or goes to."""

    def __init__(self, name: str, blobs: Mapping[bytes, bytes], head: bytes) -> None:
        self.name = name
        self._blobs = dict(blobs)
        self._head = head

    def head(self) -> bytes:
        """The head as it is now."""
        return self._head

    def get(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The blobs that exist among `ids`."""
        return {name: self._blobs[name] for name in ids if name in self._blobs}

    def ids(self) -> set[bytes]:
        """The ids of all blobs."""
        return set(self._blobs)

    def put(self, add: Mapping[bytes, bytes], drop: Iterable[bytes], new_head: bytes, expected_head: bytes) -> bool:
        """Add and drop blobs and replace the head, if it is still `expected_head`."""
        if self._head != expected_head:
            return False
        self._blobs.update(add)
        for name in drop:
            self._blobs.pop(name, None)
        self._head = new_head
        return True

    def writers_queue(self) -> AbstractContextManager[None]:
        """Nobody else can write here."""
        return nullcontext()

    def close(self) -> None:
        """Nothing to let go of."""
