"""The first half of a rotation: a new value comes about, is sealed, works, and takes the old one's place; or all is undone."""

from __future__ import annotations

from keyvault.core import clock
from keyvault.core.errors import AlreadyExists
from keyvault.liveness import verdict
from keyvault.liveness.check import Result as Heard
from keyvault.rotation import journal
from keyvault.rotation.context import DEAD, Context, Outcome, works
from keyvault.rotation.schemes.base import API, MANUAL, ROLL, Job, Refused, Scheme, Unclear
from keyvault.vault import rotating
from keyvault.vault.answers import Checked
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.rotating import Rotation


class Making:
    """The steps up to the promotion. Each does its part and commits; None: go on with the next."""

    def __init__(self, on: Context) -> None:
        self._on = on
        self._fresh = ""  # the rotation whose request this run is about to make: no other can have made it
        self._heard: Checked | None = None  # what the vendor said of the new value

    def begun(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """The scheme is known: a new value is made by hand at once; before a request, the id of the old key is noted."""
        scheme = self._on.scheme(key, rotation)
        if scheme.makes == MANUAL:
            self.take_by_hand(key)
            return None
        try:
            old_id = scheme.old_id(self._on.job(key, rotation))
        except Refused:
            journal.close(self._on.vault, key, "refused", clock.now())
            raise
        if scheme.revokes == API and not scheme.can_delete(old_id):
            self._on.hands.warn(f"the vendor does not tell which key {key.ref} is there; it will have to be revoked by hand")
        journal.move(self._on.vault, key, rotating.CREATING, clock.now(), old_id=old_id)
        self._fresh = rotation.id
        return None

    def take_by_hand(self, key: ApiKey) -> None:
        """Ask the person for the new value, and keep it beside the old one. Raises AlreadyExists, Locked."""
        old = self._on.values(key, key.current)
        provider = self._on.provider(key)
        value = self._on.hands.new_value(provider, key.ref)
        if any(v.fingerprint == self._on.vault.fingerprint(value) for v in key.versions):
            raise AlreadyExists(
                f"{key.ref} has had this value before", "make a new one at the vendor; the rotation goes on then"
            )
        parts = {field: self._on.hands.new_part(key.ref, field) for field, secret in key.fields.items() if secret}
        values = old | {field: part for field, part in parts.items() if part} | {VALUE_FIELD: value}
        journal.keep(self._on.vault, key, values, "", None, clock.now())

    def creating(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Make the request, and keep what it brings. Raises Refused, Unclear."""
        scheme, job = self._on.scheme(key, rotation), self._on.job(key, rotation)
        fresh, self._fresh = self._fresh == rotation.id, ""
        if not fresh:
            outcome = self.after_lost_answer(key, rotation, scheme, job)
            if outcome:
                return outcome
            if self._on.vault.get(key.ref).rotation != rotation:
                return None
        try:
            made = scheme.create(job)
        except Refused:
            if fresh:
                self._refused(key, rotation, scheme)
            raise
        values = self._on.values(key, key.current) | {name: value.reveal() for name, value in made.fields.items()}
        values[VALUE_FIELD] = made.value.reveal()
        journal.keep(self._on.vault, key, values, made.id, made.expires, clock.now())
        return None

    def _refused(self, key: ApiKey, rotation: Rotation, scheme: Scheme) -> None:
        """Nothing was made, says the vendor: so nothing is under way any more. A name that is there all the same is deleted."""
        try:
            if scheme.lists and self._on.sweep(key, rotation, scheme, self._on.ask(key, rotation.old)):
                return
        except Unclear:
            return  # it stays open, and the next run looks again
        except Refused:
            pass  # who may not make keys may not list them either
        journal.close(self._on.vault, key, "refused", clock.now())

    def after_lost_answer(self, key: ApiKey, rotation: Rotation, scheme: Scheme, job: Job) -> Outcome | None:
        """The request was made by a run that did not hear the answer, or never made. None: it can be made (again)."""
        heard = self._on.ask(key, rotation.old)
        if scheme.makes == ROLL and not works(heard):
            if heard.verdict not in DEAD:
                return self._on.stuck(key, f"nobody can say whether the old value still works ({heard.reason})", heard=heard)
            if job.by.ref != key.ref:
                return None  # another key may give this one a value once more
            self._on.hands.warn(
                f"the vendor gave {key.ref} a new value and the answer with it was lost: that value is known to nobody, and "
                f"the old one is dead; make a new key by hand, and delete the one called as before"
            )
            journal.again_by_hand(self._on.vault, key, clock.now())
            return None
        if scheme.makes == ROLL:
            return None
        if scheme.lists:
            return self._on.sweep(key, rotation, scheme, heard)
        if scheme.refuses_another:
            return None
        question = f"a key that nobody knows may have been made for {key.ref}, and the vendor does not tell. Make another?"
        if not (self._on.options.insist or self._on.hands.agree(question, grave=False)):
            return self._on.stuck(
                key, "the answer to the last request was lost", "look at the vendor's page, then add --insist"
            )
        self._on.hands.warn(f"a key called {rotation.name} may be left at the vendor; delete it there")
        return None

    def pending(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """The new value is kept: see that it works."""
        scheme = self._on.scheme(key, rotation)
        heard = self._on.ask_until(key, rotation.new, scheme.settle, _settled)
        if works(heard) or self._on.go_on_unchecked(key, heard):
            self._heard = Checked(rotation.new, clock.now(), heard.verdict, heard.status or 0, heard.reason)
            journal.move(self._on.vault, key, rotating.CHECKED, clock.now())
            if heard.verdict == verdict.NO_CREDIT:
                self._on.hands.warn(f"the new value of {key.ref} is right, but there is no credit left")
            return None
        return self._on.stuck(
            key,
            f"the new value does not work yet ({heard.verdict}: {heard.reason}); the old one stays in use",
            f"keyvault rotate --resume {key.ref} checks again, --abort {key.ref} gives up",
            heard,
        )

    def checked(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """It works: from here on it is the one that is given out."""
        journal.promote(self._on.vault, key, clock.now(), self._heard)
        self._on.hands.tell(f"{key.ref} has its new value")
        if key.expires and rotation.new_expires is None:
            self._on.hands.warn(f"when the new value ends is not known: keyvault edit {key.ref} --expires DATE")
        return None

    def aborting(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Undo what was made at the vendor and here; the old value stays."""
        scheme, job = self._on.scheme(key, rotation), self._on.job(key, rotation)
        if scheme.makes == API:
            if rotation.new and (rotation.new_id or not scheme.lists):
                goes = self._on.credential(key, rotation.new)
                scheme.delete(job._replace(old=goes, old_id=rotation.new_id), rotation.new_id)
            if scheme.lists and (outcome := self._on.sweep(key, rotation, scheme, self._on.ask(key, rotation.old))):
                return outcome
            if not (scheme.lists or rotation.new):
                self._on.hands.warn(f"a key called {rotation.name} may be at the vendor; delete it there")
        elif rotation.new:
            self._on.hands.warn(f"the new value of {key.ref} works at the vendor until you revoke it there")
        journal.close(self._on.vault, key, "aborted", clock.now(), drop_new=True)
        return None


def _settled(heard: Heard) -> bool:
    """Asking again in a few seconds would bring nothing new."""
    return works(heard) or heard.status is None
