"""What every way to replace a key at its vendor offers, and what can come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from keyvault.core.errors import KeyvaultError, Unreachable
from keyvault.core.secret import Secret
from keyvault.providers.schema import Provider

API, ROLL, MANUAL = "api", "roll", "manual"  # how the new value comes about
PUBLIC, NOTHING = "public", "nothing"  # how the old one ends, beside API and MANUAL


class Refused(KeyvaultError):
    """The vendor said no, so nothing happened there."""


class Unclear(Unreachable):
    """No answer, or none that tells: it may have happened or not."""


class Credential(NamedTuple):
    """A key as it is sent: its name here, value, further values by field, and its own base URL or ''."""

    ref: str
    value: Secret
    fields: Mapping[str, Secret]
    base_url: str


class Job(NamedTuple):
    """What a request of a rotation is about. `by` may do it; `name` is what the new key is called; `days` how long it lives."""

    provider: Provider
    by: Credential
    old: Credential
    old_id: str
    name: str
    days: int = 0


class Made(NamedTuple):
    """A new key: its value, the fields that are new with it, the vendor's id, and when it ends if the vendor says."""

    value: Secret
    fields: Mapping[str, Secret]
    id: str
    expires: int | None


class Scheme(Protocol):
    """A way to replace keys of one vendor.

    `makes` is API, ROLL or MANUAL; `revokes` is API, PUBLIC (for good, by anybody), MANUAL or NOTHING (dead already). `by`:
    "admin" or "self". `proven`: the tests run it against a double of the vendor. `lists`: keys can be found by their name.
    `refuses_another`: a key that a lost answer left behind keeps the next from being made, and is told of.
    """

    name: str
    makes: str
    revokes: str
    by: str
    proven: bool
    lists: bool
    refuses_another: bool
    settle: int

    def old_id(self, job: Job) -> str:
        """The vendor's id of the old key, as far as it can be found out; else an empty string. Raises Unclear, Refused."""
        ...

    def create(self, job: Job) -> Made:
        """A new key. Never sent twice. Raises Refused, Unclear."""
        ...

    def strays(self, job: Job, keep: str) -> list[str]:
        """Ids of keys with the job's name, but for `keep`. Raises Unclear, Refused."""
        ...

    def can_delete(self, vendor_id: str) -> bool:
        """Enough is known to delete that key."""
        ...

    def delete(self, job: Job, vendor_id: str) -> None:
        """Delete a key; one that is gone already is fine. `job.old` is the key that goes. Raises Refused, Unclear."""
        ...
