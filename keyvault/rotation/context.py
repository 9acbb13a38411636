"""What the steps of a rotation share: the vault, the person, the vendor, and what the vendor says of a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from keyvault.core import clock
from keyvault.core.secret import Secret
from keyvault.liveness import asking, check, verdict
from keyvault.liveness.check import Result as Heard
from keyvault.liveness.requests import Subject
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider
from keyvault.rotation import propagate
from keyvault.rotation.hooks import Hook
from keyvault.rotation.schemes import scheme_for
from keyvault.rotation.schemes.base import Credential, Job, Scheme
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.rotating import Rotation
from keyvault.vault.vault import Vault

CLOSED, WAITING, STUCK, UNANSWERED = "closed", "waiting", "stuck", "unanswered"
SURELY_DEAD = (verdict.INVALID, verdict.DISABLED)
# A bare "refused" may be a right that the value never had: it tells of an end where the vendor said that it made one.
DEAD = (*SURELY_DEAD, verdict.REFUSED)
_RIGHT = (verdict.NO_CREDIT,)  # the value is right, whatever else is wrong
_PAUSES = (0.5, 1, 2, 4, 8, 8, 8)  # seconds between looks, up to what the vendor is known to need


class Hands(Protocol):
    """What the workflow needs of a person, and of time."""

    def tell(self, text: str) -> None:
        """Say what was done."""
        ...

    def warn(self, text: str) -> None:
        """Say what needs attention."""
        ...

    def new_value(self, provider: Provider | None, ref: str) -> str:
        """The new value, made by hand. Raises Locked where nobody can be asked."""
        ...

    def new_part(self, ref: str, field: str) -> str:
        """The new value of a further secret part; empty to keep the present one, and where nobody can be asked."""
        ...

    def revoked_by_hand(self, provider: Provider | None, ref: str) -> bool:
        """Whether the person says that the old key is gone at the vendor. False where nobody can be asked."""
        ...

    def agree(self, question: str, *, grave: bool) -> bool:
        """Whether to go on; `grave`: it cannot be undone, so asked twice. False where nobody can be asked."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...


class Options(NamedTuple):
    """`insist`: go on where the workflow would stop for a doubt. `hooks`: the person's own programs."""

    state: str
    insist: bool = False
    hooks: tuple[Hook, ...] = ()
    seconds: float = asking.SECONDS


class Outcome(NamedTuple):
    """Where a rotation stands: CLOSED, WAITING for its time, STUCK until a person acts, or UNANSWERED. Texts are for people."""

    ref: str
    state: str
    step: str
    why: str
    then: str = ""


class Context:
    """One key's rotation and its surroundings."""

    def __init__(self, vault: Vault, hands: Hands, options: Options) -> None:
        self.vault = vault
        self.hands = hands
        self.options = options

    def sweep(self, key: ApiKey, rotation: Rotation, scheme: Scheme, current: Heard) -> Outcome | None:
        """Delete what a lost answer left at the vendor, while the current value works; else the stray may be all there is."""
        job = self.job(key, rotation)
        strays = scheme.strays(job, key.vendor_id if rotation.promoted else rotation.new_id)
        if strays and not works(current) and not self.options.insist:
            return self.stuck(
                key,
                f"a key called {rotation.name} is at the vendor and the present value is not known to work ({current.reason})",
                "nothing was deleted; see at the vendor's page which one is in use, or resume with --insist to delete that key",
            )
        for stray in strays:
            scheme.delete(job._replace(old_id=stray), stray)
            self.hands.tell(f"deleted a key called {rotation.name} whose value was lost on the way")
        return None

    def go_on_unchecked(self, key: ApiKey, heard: Heard) -> bool:
        """Where no check can tell, a person decides."""
        if heard.verdict not in (verdict.UNKNOWN, verdict.RATE_LIMITED):
            return False
        question = f"the new value of {key.ref} cannot be checked ({heard.reason}). Use it all the same?"
        return self.options.insist or self.hands.agree(question, grave=False)

    def provider(self, key: ApiKey) -> Provider | None:
        """What the catalogue knows of the vendor."""
        return catalogue.load(key.name.provider)

    def scheme(self, key: ApiKey, rotation: Rotation) -> Scheme:
        """How this vendor replaces this kind of key."""
        value = self.values(key, rotation.old)[VALUE_FIELD]
        return scheme_for(self.provider(key), value, by_hand=rotation.scheme == "manual")

    def values(self, key: ApiKey, version_id: str) -> dict[str, str]:
        """All fields of one version."""
        version = next(v for v in key.versions if v.id == version_id)
        return self.vault.values(key, version)

    def credential(self, key: ApiKey, version_id: str) -> Credential:
        """One version, as requests are made with it."""
        values = self.values(key, version_id)
        fields = {name: Secret(value) for name, value in values.items() if name != VALUE_FIELD}
        return Credential(key.ref, Secret(values[VALUE_FIELD]), fields, key.base_url)

    def job(self, key: ApiKey, rotation: Rotation) -> Job:
        """Requests are made by the administrator's key, else by the key itself with its current value."""
        provider = self.provider(key)
        assert provider is not None or rotation.scheme == "manual"
        admin = self.vault.get(rotation.admin) if rotation.admin else key
        span = (key.expires - key.created) // clock.DAY if key.expires and key.created else 0
        return Job(
            provider or Provider(id="unknown", name="unknown", variables=("X",)),
            self.credential(admin, admin.current),
            self.credential(key, rotation.old),
            rotation.old_id,
            rotation.name,
            span,
        )

    def exchanges(self, key: ApiKey, rotation: Rotation) -> list[propagate.Exchange]:
        """What takes the place of what in files."""
        return propagate.exchanges(self.values(key, rotation.old), self.values(key, rotation.new))

    def ask(self, key: ApiKey, version_id: str) -> Heard:
        """What the vendor says of one version now."""
        credential = self.credential(key, version_id)
        subject = Subject(key.ref, self.provider(key), credential.value, credential.fields, key.base_url)
        return check.check([subject], seconds=self.options.seconds)[0]

    def ask_until(self, key: ApiKey, version_id: str, settle: int, enough: Callable[[Heard], bool]) -> Heard:
        """Ask again for as long as the vendor is known to need."""
        heard, waited = self.ask(key, version_id), 0.0
        for pause in _PAUSES:
            if enough(heard) or waited >= settle:
                break
            self.hands.pause(pause)
            waited += pause
            heard = self.ask(key, version_id)
        return heard

    def closed(self, key: ApiKey) -> Outcome:
        """Nothing is under way; how the last rotation ended."""
        last = key.rotations[-1].outcome if key.rotations else "no rotation is under way"
        return Outcome(key.ref, CLOSED, "", last)

    def stuck(self, key: ApiKey, why: str, then: str = "", heard: Heard | None = None) -> Outcome:
        """It cannot go on: `why`, and what to do. `heard`: because of this."""
        step = key.rotation.step if key.rotation else ""
        state = UNANSWERED if heard and heard.verdict == verdict.UNREACHABLE else STUCK
        return Outcome(key.ref, state, step, why, then or f"keyvault rotate --resume {key.ref}")

    def waits_for_person(self, key: ApiKey, rotation: Rotation, why: str) -> Outcome:
        """It goes on when a person has done something and says so."""
        return Outcome(key.ref, STUCK, rotation.step, why, f"then: keyvault rotate --resume {key.ref}")


def works(heard: Heard) -> bool:
    """The vendor takes the value."""
    return heard.usable is True or heard.verdict in _RIGHT
