"""What a vault needs of a place to live: blobs by name, and one head that is swapped whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol


class Store(Protocol):
    """Dumb on purpose, so that the same bytes can live in another engine.

    Every method raises StoreBusy, StoreFailed, VaultCorrupt (the engine's own damage) or UnsupportedFormat.
    """

    @property
    def name(self) -> str:
        """Where this store is, for people and for recognising it again; a path, for a file."""

    def head(self) -> bytes:
        """The head as it is now."""

    def get(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The blobs that exist among `ids`. The content is not checked against the id."""

    def ids(self) -> set[bytes]:
        """The ids of all blobs."""

    def put(self, add: Mapping[bytes, bytes], drop: Iterable[bytes], new_head: bytes, expected_head: bytes) -> bool:
        """Atomically and durably add and drop blobs and replace the head.

        False, and nothing done, if the head is not `expected_head` any more. On an error either all or nothing was done.
        """

    def writers_queue(self) -> AbstractContextManager[None]:
        """Wait for a turn as the only writer, in order of arrival. Reentrant in one store object."""

    def close(self) -> None:
        """Let go of the engine."""
