"""The vault as the agent keeps it: open, its keys decoded, and each time held against what lies on the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from keyvault.agent.lifetime import Limits
from keyvault.core.clock import DAY
from keyvault.core.errors import Locked
from keyvault.vault import tree
from keyvault.vault.codec import Header, VaultKeys
from keyvault.vault.keys import ApiKey, Version
from keyvault.vault.state import State
from keyvault.vault.usage import Usage, Used
from keyvault.vault.vault import Unlock, Vault

if TYPE_CHECKING:
    from keyvault.store.base import Store
    from keyvault.vault.anchor import Anchors

KEY_SIZE = 32
_PURPOSES = len(VaultKeys._fields) - 1


class KeysDoNotFit(Locked):
    """The vault has another key than the one that was handed over."""


class PurposeKeys:
    """The keys of one epoch of one vault, less the vault key itself: slots cannot be changed with them."""

    def __init__(self, vault_id: str, epoch: int, keys: bytearray) -> None:
        if len(keys) != _PURPOSES * KEY_SIZE:
            raise Locked("these are not a vault's keys")
        self.vault_id, self.epoch = vault_id, epoch
        self.refused = False  # once they did not fit, they never will again
        self._keys = [keys[at : at + KEY_SIZE] for at in range(0, len(keys), KEY_SIZE)]

    def __call__(self, header: Header) -> VaultKeys:
        """The keys, if they are this header's. Raises KeysDoNotFit."""
        if (header.vault_id, header.epoch) != (self.vault_id, self.epoch):
            self.refused = True
            raise KeysDoNotFit("the vault has another key now", "unlock it again")
        return VaultKeys(b"", *(memoryview(key) for key in self._keys))  # type: ignore[arg-type]

    def joined(self) -> bytearray:
        """The keys, one after another."""
        return bytearray().join(self._keys)

    def wipe(self) -> None:
        """Overwrite them. Copies that libraries made stay until the process ends."""
        for key in self._keys:
            key[:] = bytes(len(key))


class Handed(NamedTuple):
    """What a new agent is given: the vault, its keys, and how long to keep them."""

    home: str
    state: str
    limits: Limits
    keys: PurposeKeys


def purpose_keys(vault: Vault) -> PurposeKeys:
    """Those of an open vault."""
    return PurposeKeys(vault.header.vault_id, vault.header.epoch, bytearray().join(vault.keys_in_use[1:]))


_MOST_VALUES, _MOST_FOUND = 256, 16
T = TypeVar("T")


class WarmVault(Vault):
    """A vault that decodes its keys once a state, and keeps values that it opened until it is told to `forget` them.

    Choosing, opening and quoting 20 values takes longer than all the rest of an answer: many shells that start at once would
    wait for it.
    """

    def __init__(self, store: Store, unlock: Unlock, anchors: Anchors) -> None:
        self._decoded: tuple[bytes, dict[str, ApiKey]] = b"", {}
        self._values: dict[str, dict[str, str]] = {}
        self._found: dict[Hashable, tuple[bytes, Any]] = {}
        super().__init__(store, unlock, anchors)

    def keys_in(self, state: State) -> list[ApiKey]:
        """All keys of one state, removed ones too, in no order. Raises VaultCorrupt."""
        if self._decoded[0] != state.head:
            self._decoded = state.head, {key.ref: key for key in super().keys_in(state)}
        return list(self._decoded[1].values())

    def find_in(self, state: State, ref: str, fetch: tree.Fetch | None = None) -> ApiKey | None:
        """The key of that name in one state, removed ones too. Raises VaultCorrupt."""
        if self._decoded[0] == state.head:
            return self._decoded[1].get(ref)
        return super().find_in(state, ref, fetch)

    def values_in(self, state: State, pairs: list[tuple[ApiKey, Version]]) -> list[dict[str, str]]:
        """The values of versions in one state. Raises VaultCorrupt."""
        if len(pairs) > _MOST_VALUES:
            return super().values_in(state, pairs)
        closed = [pair for pair in pairs if pair[1].blob not in self._values]
        opened = dict(zip((version.blob for _, version in closed), super().values_in(state, closed), strict=True))
        known = {**self._values, **opened} if opened else self._values
        if len(known) <= _MOST_VALUES:
            self._values = known
        return [known[version.blob] for _, version in pairs]

    def remember(self, what: Hashable, size: Callable[[T], int], find: Callable[[], T]) -> T:
        """What `find` reads of the present state, or read of it before; kept where its size is that of a few values."""
        known = self._found.get(what)
        if known and known[0] == self._state.head:
            return known[1]  # type: ignore[no-any-return]  # what was found for `what` before
        found = find()
        if size(found) <= _MOST_VALUES:
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[what] = self._state.head, found
        return found

    def forget(self) -> None:
        """Let go of opened values, and of what holds them."""
        self._values = {}
        self._found.clear()

    def refresh(self) -> None:
        """Read the state anew if it changed. Raises as opening does."""
        self.read(lambda state: None)


Signature = tuple[tuple[int, ...], ...]


def signature(paths: list[str]) -> Signature:
    """What changes where one of these files or folders is replaced, written, or given another owner or mode."""
    return tuple(_look(path) for path in paths)


def _look(path: str) -> tuple[int, ...]:
    try:
        info = os.lstat(path)
    except OSError as exc:
        return (exc.errno or 0,)
    return info.st_dev, info.st_ino, info.st_mode, info.st_uid, info.st_size, info.st_mtime_ns, info.st_ctime_ns


class WarmUsage(Usage):
    """The usage file, opened once a change where it is not large."""

    _known: tuple[Signature, dict[str, Used]] = (), {}
    _noted: tuple[object, Signature] = (), ()

    def read(self) -> dict[str, Used]:
        """By record id. What cannot be read is empty."""
        present = signature([self.path])
        if self._known[0] == present:
            return dict(self._known[1])
        found = super().read()
        if len(found) <= _MOST_VALUES:
            self._known = present, dict(found)
        return found

    def note(self, keys: Iterable[str], what: str, at: int) -> None:
        """Note that keys were USED or EXPORTED at a time, unless that is what was noted last."""
        wanted = tuple(keys), what, at // DAY
        if self._noted != (wanted, signature([self.path])):
            super().note(wanted[0], what, at)
            self._noted = wanted, signature([self.path])
