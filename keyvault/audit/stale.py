"""What about the keys and the vault wants doing: old, expired, leaked, dead, unused, doubled, or kept too loosely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from keyvault.audit.findings import ADVICE, BAD, Age, Stale
from keyvault.audit.policy import Policy
from keyvault.core import clock
from keyvault.core.clock import DAY
from keyvault.core.text import escape
from keyvault.liveness import verdict
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider
from keyvault.vault.answers import Balance
from keyvault.vault.keys import ApiKey
from keyvault.vault.usage import Used

LEAKED, EXPIRED, INVALID, OVERDUE = "leaked", "expired", "invalid", "overdue"
EXPIRING, NO_CREDIT, UNCHECKED, UNUSED, NEVER_USED = "expiring", "no_credit", "unchecked", "unused", "never_used"
DUPLICATE, ROTATION_STUCK, WEAK_MODE = "duplicate", "rotation_stuck", "weak_mode"
NO_RECOVERY, NO_BACKUP = "no_recovery", "no_backup"
# In the order in which they are shown; frozen, for scripts and --fail-on use them.
BAD_REASONS = (LEAKED, EXPIRED, INVALID, OVERDUE)
REASONS = (
    *BAD_REASONS,
    *(ROTATION_STUCK, EXPIRING, NO_CREDIT, WEAK_MODE, NO_RECOVERY, NO_BACKUP, DUPLICATE, UNUSED, NEVER_USED, UNCHECKED),
)
NEW = 30 * DAY  # a key that came later need not have been used


class Clocks(NamedTuple):
    """Now, and how far ahead an end counts as near; in seconds."""

    now: int
    within: int


def of_keys(keys: Sequence[ApiKey], used: Mapping[str, Used], policy: Policy, clocks: Clocks) -> tuple[list[Stale], list[Age]]:
    """What wants doing about these keys, all live ones of the vault, and how old each is. Raises as the catalogue does."""
    vendors = {name: catalogue.load(name) for name in {key.name.provider for key in keys}}
    found: list[Stale] = []
    ages = []
    for key in keys:
        provider = vendors[key.name.provider]
        limit = policy.rotate_after(key, provider)
        age = _age(key, limit, clocks.now)
        ages.append(age)
        found += _of_time(key, age, clocks, limit)
        found += _of_answers(key, provider, policy, clocks.now)
        found += _of_use(key, used.get(key.id, Used(None, None)), policy, clocks.now)
        found += _of_rotation(key, clocks.now)
    found += _duplicates(keys)
    return in_order(found), ages


def in_order(found: Iterable[Stale]) -> list[Stale]:
    """The gravest first, and those of one reason together."""
    return sorted(found, key=lambda one: (REASONS.index(one.reason), one.ref, one.detail))


def _age(key: ApiKey, limit: int | None, now: int) -> Age:
    """From the vendor's date where it is known; else from when this value came into the vault, so it is at least so old."""
    since = key.created if key.created is not None else key.value.at
    return Age(key.ref, max(0, now - since) // DAY, key.created is not None, None if limit is None else limit // DAY)


def _of_time(key: ApiKey, age: Age, clocks: Clocks, limit: int | None) -> list[Stale]:
    found = []
    if key.leaked is not None:
        detail = f"said to have leaked on {clock.day(key.leaked)}"
        found.append(Stale(key.ref, LEAKED, BAD, detail, f"{_replace(key)} --leaked"))
    if key.expires is not None and key.expires <= clocks.now + clocks.within:
        day = clock.day(key.expires)
        if key.expires <= clocks.now:
            found.append(Stale(key.ref, EXPIRED, BAD, f"on {day}", _replace(key)))
        else:
            days = (key.expires - clocks.now) // DAY
            found.append(Stale(key.ref, EXPIRING, ADVICE, f"on {day}, in {_days(days)}", _replace(key)))
    since = key.created if key.created is not None else key.value.at
    if limit is not None and since + limit <= clocks.now:
        old = f"{'' if age.known else 'at least '}{_days(age.days)} old"
        found.append(Stale(key.ref, OVERDUE, BAD, f"{old}, to be replaced after {age.limit}", _replace(key)))
    return found


def _of_answers(key: ApiKey, provider: Provider | None, policy: Policy, now: int) -> list[Stale]:
    """What the vendor last said about the current value; what it said long ago does not count as an answer."""
    checked = key.checked_now
    if checked and checked.verdict in verdict.BAD:
        detail = f"{checked.verdict.replace('_', ' ')}, says its vendor on {clock.day(checked.at)}"
        return [Stale(key.ref, INVALID, BAD, detail, f"keyvault check {key.ref}, then {_replace(key)}")]
    if (checked and checked.verdict == verdict.NO_CREDIT) or _is_empty(key.balance_now):
        page = provider.console_url if provider and provider.console_url else "the vendor's page"
        return [Stale(key.ref, NO_CREDIT, ADVICE, "nothing is left on its account", f"top it up at {page}")]
    limit = policy.unchecked_after(key)
    if limit is None or not _can_be_asked(key, provider) or (checked and checked.at + limit > now):
        return []
    detail = f"last on {clock.day(checked.at)}" if checked else "never, with its present value"
    return [Stale(key.ref, UNCHECKED, ADVICE, detail, f"keyvault check {key.ref}")]


def _can_be_asked(key: ApiKey, provider: Provider | None) -> bool:
    return bool(key.base_url or (provider and any(check.urls for check in provider.checks)))


def _is_empty(balance: Balance | None) -> bool:
    """All that is known to be left is nothing."""
    left = [a.amount for a in balance.amounts if a.means == "left"] if balance else []
    try:
        return bool(left) and all(amount and Decimal(amount) <= 0 for amount in left)
    except InvalidOperation:
        return False


def _of_use(key: ApiKey, used: Used, policy: Policy, now: int) -> list[Stale]:
    """Neither read by name nor exported by name. What a plain `env` exports with all others is told, but is no use of it."""
    limit = policy.unused_after(key)
    in_bulk = f"; exported with others on {clock.day(used.exported)}" if used.exported else ""
    then = f"keyvault rm {key.ref}, and revoke it, if nobody needs it"
    if limit is None:
        return []
    if used.used is None:
        days = max(0, now - key.added) // DAY
        detail = f"in the vault for {_days(days)}, never used by name on this machine{in_bulk}"
        return [Stale(key.ref, NEVER_USED, ADVICE, detail, then)] if key.added + min(NEW, limit) <= now else []
    if used.used + limit > now:
        return []
    return [Stale(key.ref, UNUSED, ADVICE, f"last by name on this machine on {clock.day(used.used)}{in_bulk}", then)]


def _of_rotation(key: ApiKey, now: int) -> list[Stale]:
    """A rotation that nobody goes on with; one that waits for the end of its grace is not stuck."""
    rotation = key.rotation
    if rotation is None or max(rotation.at, rotation.promoted + rotation.grace) + DAY > now:
        return []
    detail = f"at the step {rotation.step} since {clock.day(rotation.at)}"
    return [Stale(key.ref, ROTATION_STUCK, ADVICE, escape(detail), _replace(key))]


def _duplicates(keys: Sequence[ApiKey]) -> list[Stale]:
    """Keys of the same value, told once with the first of them; and one value that goes to several variables."""
    same: dict[str, list[str]] = {}
    found = []
    for key in keys:
        same.setdefault(key.value.fingerprint, []).append(key.ref)
        by_field: dict[str, list[str]] = {}
        for variable, field in key.variables.items():
            by_field.setdefault(field, []).append(variable)
        for variables in by_field.values():
            if len(variables) > 1:
                detail = f"one value in {len(variables)} variables: {', '.join(sorted(variables))}"
                found.append(Stale(key.ref, DUPLICATE, ADVICE, detail, f"keyvault edit {key.ref} --env NAME keeps one"))
    for refs in same.values():
        if len(refs) > 1:
            detail = f"the same value as {', '.join(refs[1:])}"
            found.append(Stale(refs[0], DUPLICATE, ADVICE, detail, f"keep one of them: keyvault rm {refs[1]}"))
    return found


def _replace(key: ApiKey) -> str:
    return f"keyvault rotate --resume {key.ref}" if key.rotation else f"keyvault rotate {key.ref}"


def _days(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"
