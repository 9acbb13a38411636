"""The second half of a rotation: the files get the new value, and after the grace the old one is revoked and seen dead."""

from __future__ import annotations

from keyvault.core import clock
from keyvault.core.secret import Secret
from keyvault.liveness import verdict
from keyvault.rotation import journal, propagate
from keyvault.rotation.context import DEAD, SURELY_DEAD, WAITING, Context, Outcome, works
from keyvault.rotation.hooks import run_hooks
from keyvault.rotation.schemes.base import API, MANUAL, NOTHING, PUBLIC, Refused, Scheme
from keyvault.vault import rotating
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.originals import Originals
from keyvault.vault.rotating import Rotation


class Retiring:
    """The steps after the promotion. Each does its part and commits; None: go on with the next."""

    def __init__(self, on: Context) -> None:
        self._on = on

    def promoted(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Put the new value into the files that hold the old one, and run the hooks."""
        changes = self._on.exchanges(key, rotation)
        copies = Originals(self._on.options.state, self._on.vault.header.vault_id, self._on.vault.root.fingerprint_key)
        for result in propagate.propagate(key.places, changes, key.variables, key.ref, copies):
            if result.state == propagate.CHANGED:
                self._on.hands.tell("\n".join((f"{result.path} has the new value", *(f"  {line}" for line in result.lines))))
            elif result.state == propagate.COMMAND:
                self._on.hands.tell(f"to run by hand: {result.why}")
            if result.state == propagate.LEFT or (result.state == propagate.CHANGED and result.why):
                self._on.hands.warn(f"{result.path} was left as it is: {result.why}")
        new = self._on.values(key, rotation.new)[VALUE_FIELD]
        for failed in run_hooks(self._on.options.hooks, key, Secret(new)):
            self._on.hands.warn(failed)
        self._on.hands.tell("shells and programs that run now keep the old value until they load it again")
        journal.move(self._on.vault, key, rotating.PROPAGATED, clock.now())
        return None

    def propagated(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Wait for the grace to end; nothing is revoked before."""
        scheme = self._on.scheme(key, rotation)
        if scheme.revokes == NOTHING and not rotation.back:
            journal.move(self._on.vault, key, rotating.REVOKED, clock.now())
            return None
        left = grace_left(rotation, clock.now(), clock.uptime())
        if left is None:  # the clock was put back to before the promotion: counted anew, never shorter
            journal.move(self._on.vault, key, rotating.PROPAGATED, clock.now(), promoted=clock.now())
            return None
        if left > 0:
            return Outcome(
                key.ref,
                WAITING,
                rotation.step,
                f"both values work; the old one is revoked in {clock.span(left)}",
                f"after that: keyvault rotate --resume {key.ref}, or --due from a timer; --rollback {key.ref} undoes it",
            )
        return self.before_revoking(key, rotation, scheme)

    def before_revoking(self, key: ApiKey, rotation: Rotation, scheme: Scheme) -> Outcome | None:
        """Never without a value that works: the new one is asked about once more, and the files are looked at."""
        heard = self._on.ask(key, rotation.new)
        if not (works(heard) or self._on.go_on_unchecked(key, heard)):
            why = f"the new value is not known to work ({heard.verdict}: {heard.reason}), so the old one stays"
            return self._on.stuck(key, why, f"keyvault rotate --rollback {key.ref} puts the old one back", heard)
        if (left := propagate.still_old(key.places, self._on.exchanges(key, rotation))) and not rotation.leaked:
            question = f"the old value is still in {', '.join(left)}. Revoke it all the same?"
            if not (self._on.options.insist or self._on.hands.agree(question, grave=False)):
                return self._on.stuck(
                    key, f"the old value is still in {', '.join(left)}", "change that by hand, then resume; or --insist"
                )
        old_id = rotation.old_id
        may_ask = scheme.by == "self" or bool(rotation.admin)
        if scheme.revokes == API and may_ask and not scheme.can_delete(old_id):
            old_id = scheme.old_id(self._on.job(key, rotation))
        if scheme.revokes == MANUAL or (scheme.revokes == API and not (may_ask and scheme.can_delete(old_id))):
            return self.revoke_by_hand(key, rotation)
        if scheme.revokes == PUBLIC:
            question = f"the vendor ends the old value of {key.ref} for everybody, for good, and tells its owner. Do it?"
            if not (self._on.options.insist or self._on.hands.agree(question, grave=True)):
                return self._on.waits_for_person(key, rotation, "the old value can be revoked for good")
        journal.move(self._on.vault, key, rotating.REVOKING, clock.now(), old_id=old_id)
        return None

    def revoke_by_hand(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Ask the person to revoke the old value, unless the vendor says that it is dead."""
        dead = self._on.ask(key, rotation.old).verdict in SURELY_DEAD
        if dead or self._on.hands.revoked_by_hand(self._on.provider(key), key.ref):
            journal.move(self._on.vault, key, rotating.REVOKED, clock.now())
            return None
        page = (provider := self._on.provider(key)) and provider.console_url
        return self._on.waits_for_person(key, rotation, f"revoke the old value at {page or 'the vendor'}")

    def revoking(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """Make the request. Raises Refused, Unclear."""
        scheme = self._on.scheme(key, rotation)
        try:
            scheme.delete(self._on.job(key, rotation), rotation.old_id)
        except Refused as exc:
            journal.move(self._on.vault, key, rotating.PROPAGATED, clock.now())
            if self._on.ask(key, rotation.old).verdict not in SURELY_DEAD:
                page = (provider := self._on.provider(key)) and provider.console_url
                raise Refused(
                    f"the old value of {key.ref} was not revoked: {exc.message}",
                    exc.hint or f"revoke it at {page or 'the vendor'}, then: keyvault rotate --resume {key.ref}",
                ) from exc
            key = self._on.vault.get(key.ref)
        journal.move(self._on.vault, key, rotating.REVOKED, clock.now())
        return None

    def revoked(self, key: ApiKey, rotation: Rotation) -> Outcome | None:
        """See that the old value is dead."""
        scheme = self._on.scheme(key, rotation)
        heard = self._on.ask_until(key, rotation.old, scheme.settle, lambda h: h.verdict in DEAD or h.status is None)
        nobody_can_tell = heard.status is None and heard.verdict == verdict.UNKNOWN
        if heard.verdict in DEAD or nobody_can_tell or (self._on.options.insist and not works(heard)):
            if scheme.lists:
                outcome = self._on.sweep(key, rotation, scheme, self._on.ask(key, rotation.new))
                if outcome:
                    return outcome
            sure = heard.verdict in DEAD
            if not sure:
                self._on.hands.warn(f"nobody can say whether the old value of {key.ref} is dead: {heard.reason}")
            done = "rolled back" if rotation.back else "done"
            journal.close(self._on.vault, key, done if sure else "unconfirmed", clock.now(), healed=sure and not rotation.back)
            return None
        if works(heard) and scheme.revokes != NOTHING and not rotation.back:
            return self._on.stuck(
                key,
                "the vendor said that the old value is revoked, and it still works",
                f"some vendors take minutes: keyvault rotate --resume {key.ref} looks again; revoke it by hand if it stays so",
            )
        return self._on.stuck(key, f"whether the old value is dead is not known ({heard.verdict}: {heard.reason})", heard=heard)


def grace_left(rotation: Rotation, now: int, up: tuple[str, int]) -> int | None:
    """Seconds until the old value may be revoked; None if the clock says that it is before the promotion.

    Within one run of the machine its own seconds count, which no clock setting moves; else the clock does.
    """
    if rotation.leaked:
        return 0
    passed = now - rotation.promoted
    if rotation.boot and rotation.boot == up[0]:
        passed = up[1] - rotation.up
    elif passed < 0:
        return None
    return max(0, rotation.grace - passed)
