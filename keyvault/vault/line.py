"""Is this vault the one this machine knows, and not older? The anchor says, the journal proves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from keyvault.core import clock
from keyvault.core.errors import Forked, KeyvaultError, Replaced, RolledBack
from keyvault.vault.anchor import Anchor, AnchorLost, Anchors, host_name

if TYPE_CHECKING:
    from keyvault.store.base import Store
    from keyvault.vault.journal import Row

T = TypeVar("T")

_ACCEPT = "keyvault doctor explains; if this is the vault you want, keyvault restore accepts it as it is"


def known(anchors: Anchors, path: str, vault_id: str) -> tuple[Anchor | None, bool, list[str]]:
    """The anchor to hold the vault at `path` against, whether the path is pinned to it, and what to tell. Raises Replaced."""
    lost: list[str] = []
    pinned = unless_lost(lambda: anchors.vault_at(path), lost)
    if pinned and pinned != vault_id:
        raise Replaced("another vault lies where this machine knows a different one", _ACCEPT)
    anchor = unless_lost(lambda: anchors.read(vault_id), lost)
    if anchor is None and not lost:
        lost = ["first use of this vault on this machine: its present state is taken as the newest"]
    return anchor, pinned is not None, lost[:1]


def unless_lost(read: Callable[[], T], lost: list[str] | None = None) -> T | None:
    """What `read` gives; a note that cannot be understood counts as none, and is told in `lost`."""
    try:
        return read()
    except AnchorLost as exc:
        if lost is not None:
            lost.append(f"{exc.message}; the vault is taken as it is")
        return None


def check(anchor: Anchor | None, seq: int, chain: bytes, rows: Iterator[tuple[bytes, Row, bytes]]) -> bool:
    """True when the vault is newer than the anchor, or there is none. Raises RolledBack, Forked.

    `rows` come newest first. A restore row that names the anchored state as abandoned carries on from it.
    """
    if anchor is None:
        return True
    seen = bytes.fromhex(anchor.chain)
    if seq < anchor.seq:
        raise RolledBack(
            f"the vault is at change {seq}, and this machine has seen change {anchor.seq} at {clock.rfc3339(anchor.at)}",
            _ACCEPT,
        )
    if seq == anchor.seq:
        if chain != seen:
            raise Forked(f"the vault has another change {seq} than the one this machine has seen", _ACCEPT)
        return False
    from keyvault.vault.journal import link

    bodies: list[bytes] = []
    for _, row, body in rows:
        bodies.append(body)
        if row.abandoned == (anchor.seq, anchor.chain):
            return True
        if row.previous <= anchor.seq:
            break
    if row.previous == anchor.seq:
        for body in reversed(bodies):
            seen = link(seen, body)
        if seen == chain:
            return True
    raise Forked(f"the vault does not descend from change {anchor.seq}, which this machine has seen", _ACCEPT)


def advance(anchors: Anchors, path: str, vault_id: str, seq: int, chain: bytes, queue: Store | None = None) -> list[str]:
    """Remember a state that is durable. Without it the anchor lags, which is allowed; so a failure is only told.

    `queue` is given by readers, who do not hold the writers' queue yet.
    """
    try:
        with queue.writers_queue() if queue else nullcontext():
            newest = unless_lost(lambda: anchors.read(vault_id)) if queue else None
            if newest is None or newest.seq < seq:
                anchors.write(Anchor(vault_id, seq, chain.hex(), host_name(), clock.now()))
            if unless_lost(lambda: anchors.vault_at(path)) != vault_id:
                anchors.pin(path, vault_id)
    except KeyvaultError as exc:
        return [f"the newest state could not be noted on this machine, so going back to it would not be noticed: {exc.message}"]
    return []
