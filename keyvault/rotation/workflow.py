"""The steps of a rotation, one after the other, until it is closed, has to wait, or needs a person.

What cannot be undone is committed before it is asked for, and asked again only where that does no harm; see docs/adr/0017.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, KeyvaultError, NotFound, StoreBusy, UnsupportedFormat
from keyvault.rotation import journal
from keyvault.rotation.context import Context, Hands, Options, Outcome, works
from keyvault.rotation.making import Making
from keyvault.rotation.retiring import Retiring
from keyvault.rotation.schemes.base import ROLL
from keyvault.store.files import make_private_folder
from keyvault.store.queue import WritersQueue
from keyvault.vault import rotating
from keyvault.vault.keys import ApiKey
from keyvault.vault.rotating import Rotation
from keyvault.vault.vault import Vault


class Workflow:
    """One run of the steps of one key's rotation."""

    def __init__(self, vault: Vault, ref: str, hands: Hands, options: Options) -> None:
        self._ref = ref
        self._on = Context(vault, hands, options)
        self._making, self._retiring = Making(self._on), Retiring(self._on)

    def run(self) -> Outcome:
        """Take the steps that can be taken now. Raises Refused, Unclear, Overtaken, Locked, StoreBusy, ..."""
        with self._alone():
            while True:
                key = self._on.vault.get(self._ref)
                if key.rotation is None:
                    return self._on.closed(key)
                step = self._steps().get(key.rotation.step)
                if step is None:
                    raise UnsupportedFormat(f"{key.ref} is at a step that this keyvault does not know", "update keyvault")
                outcome = step(key, key.rotation)
                if outcome:
                    return outcome

    def abort(self) -> Outcome:
        """Undo a rotation whose new value was not promoted. Raises as `run`."""
        with self._alone():
            key, rotation = self._under_way()
            if rotation.promoted:
                raise AlreadyExists(
                    f"the new value of {key.ref} is in use already",
                    f"keyvault rotate --rollback {key.ref} puts the old one back",
                )
            if rotation.step != rotating.ABORTING:
                scheme = self._on.scheme(key, rotation)
                if scheme.makes == ROLL and rotation.step != rotating.BEGUN:
                    raise AlreadyExists(
                        f"the vendor has been asked to give {key.ref} a new value, which cannot be taken back",
                        f"keyvault rotate --resume {key.ref}",
                    )
                journal.move(self._on.vault, key, rotating.ABORTING, clock.now())
            key, rotation = self._under_way()
            outcome = self._making.aborting(key, rotation)
            return outcome or self._on.closed(self._on.vault.get(self._ref))

    def rollback(self) -> Outcome:
        """Put the old value back while it works; then the new one is the one that retires. Raises as `run`."""
        with self._alone():
            key, rotation = self._under_way()
            if rotation.step not in (rotating.PROMOTED, rotating.PROPAGATED, rotating.REVOKING):
                if not rotation.promoted:
                    raise AlreadyExists(
                        f"{key.ref} still has its old value", f"keyvault rotate --abort {key.ref} ends the rotation"
                    )
                raise AlreadyExists(f"the old value of {key.ref} was revoked", f"keyvault rotate --resume {key.ref}")
            if rotation.step == rotating.REVOKING and not self._on.options.insist:
                raise KeyvaultError(
                    f"the vendor has been asked to revoke the old value of {key.ref}, and may yet do it",
                    f"keyvault rotate --resume {key.ref}; --insist puts it back while it works",
                )
            heard = self._on.ask(key, rotation.old)
            if not works(heard):
                raise KeyvaultError(
                    f"the old value of {key.ref} is not known to work ({heard.verdict}: {heard.reason})",
                    "so it was not put back",
                )
            if rotation.leaked and not self._on.options.insist:
                raise KeyvaultError(
                    f"the old value of {key.ref} has leaked, so it was not put back", "--insist does it all the same"
                )
            journal.turn_back(self._on.vault, key, clock.now())
            self._on.hands.tell(f"{key.ref} has its old value again")
        return self.run()

    # -- what these need

    def _steps(self) -> dict[str, Callable[[ApiKey, Rotation], Outcome | None]]:
        return {
            rotating.BEGUN: self._making.begun,
            rotating.CREATING: self._making.creating,
            rotating.PENDING: self._making.pending,
            rotating.CHECKED: self._making.checked,
            rotating.PROMOTED: self._retiring.promoted,
            rotating.PROPAGATED: self._retiring.propagated,
            rotating.REVOKING: self._retiring.revoking,
            rotating.REVOKED: self._retiring.revoked,
            rotating.ABORTING: self._making.aborting,
        }

    def _under_way(self) -> tuple[ApiKey, Rotation]:
        key = self._on.vault.get(self._ref)
        if key.rotation is None:
            raise NotFound(f"no rotation of {key.ref} is under way", f"keyvault rotate {key.ref} begins one")
        return key, key.rotation

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One run a key at a time on this machine; the commits keep others apart. Raises StoreBusy."""
        folder = self._on.options.state
        make_private_folder(folder)
        lock = os.path.join(folder, f"rotate-{self._on.vault.get(self._ref).id}.lock")
        with ExitStack() as held:
            try:
                held.enter_context(WritersQueue(lock, 0.2).turn())
            except StoreBusy as exc:
                raise StoreBusy(
                    f"another keyvault is rotating {self._ref}", "keyvault rotate --status shows how far it is"
                ) from exc
            yield
