"""Ask the vendors what is left on keys and accounts, where they tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from keyvault.liveness import verdict
from keyvault.liveness.asking import SECONDS, ask_all
from keyvault.liveness.requests import Subject, Unready, check_for, requests_for
from keyvault.liveness.verdict import MEANINGS
from keyvault.net.client import Answer, Client, NoAnswer
from keyvault.providers.schema import Balance, Check


class Figure(NamedTuple):
    """One amount. `amount` is None where the vendor sets no limit; `means` is "left", "spent" or "used"."""

    scope: str
    means: str
    amount: Decimal | None
    unit: str
    parts: Mapping[str, Decimal]
    facts: Mapping[str, str]
    note: str


class Standing(NamedTuple):
    """What is left on one key: figures, or why there are none."""

    ref: str
    figures: tuple[Figure, ...]
    reason: str
    reached: bool


def tells(subject: Subject) -> bool:
    """The vendor has an endpoint that tells this key's balance."""
    return bool(_balances(subject))


def balances(
    subjects: Sequence[Subject], *, seconds: float = SECONDS, on_standing: Callable[[Standing], None] = lambda _: None
) -> list[Standing]:
    """The standing of each key, in the order given; `on_standing` hears each as it comes. Raises InvalidInput as `check`."""

    return ask_all(subjects, _standing, seconds=seconds, on_answer=on_standing)


def _balances(subject: Subject) -> list[Balance]:
    everything = subject.provider.balances if subject.provider else ()
    value = subject.value.reveal()
    special = [b for b in everything if b.prefix and value.startswith(b.prefix)]
    return special or [b for b in everything if not b.prefix]


async def _standing(asker: Client, subject: Subject) -> Standing:
    figures: list[Figure] = []
    reasons: list[str] = []
    reached = True
    for balance in _balances(subject):
        found, reason, answered = await _ask(asker, subject, balance)
        figures += found
        reached = reached and answered
        if reason:
            reasons.append(reason)
    if not figures and not reasons:
        reasons = ["the vendor tells no balance"]
    return Standing(subject.ref, tuple(figures), "" if figures else reasons[0], reached or bool(figures))


async def _ask(asker: Client, subject: Subject, balance: Balance) -> tuple[list[Figure], str, bool]:
    """The figures, else why there are none, and whether anybody answered. Regions are asked in turn, as `check` does."""
    check = check_for(subject)
    requests = requests_for(subject, balance, None if balance.headers or balance.basic or isinstance(check, Unready) else check)
    if isinstance(requests, Unready):
        return [], requests.why, True
    reason, silent, reached = "", "", False
    for request in requests:
        answer = await asker.send(request)
        if isinstance(answer, NoAnswer):
            silent = silent or f"{request.host}: {answer.reason}"
            continue
        reached = True
        if answer.status == 200 and not answer.is_html:
            unit = _unit(balance, request.url)
            try:
                return list(_figures(balance, _document(answer), unit)), "", True
            except (LookupError, TypeError, ValueError, InvalidOperation, RecursionError):
                pass  # told below by what a check would say of this answer
        reason = _why(check, balance, answer)
    return [], "; ".join(filter(None, (reason, silent))), reached  # one region's word tells nothing of the other


def _why(check: Check | Unready, balance: Balance, answer: Answer) -> str:
    if balance.needs and answer.status in (401, 403, 404):
        return f"it needs: {balance.needs}"
    reading = verdict.read(check, answer) if isinstance(check, Check) else verdict.Reading(verdict.UNKNOWN)
    if reading.verdict == verdict.VALID:
        return "the vendor's answer holds no figure that the catalogue knows"
    return reading.why or MEANINGS[reading.verdict][1]


def _unit(balance: Balance, url: str) -> str:
    """The unit that goes with the address; the first one for an address that the user set."""
    if len(balance.units) < 2:
        return next(iter(balance.units), "")
    hosts = [known.split("/")[2] for known in balance.urls]
    host = url.split("/")[2]
    return balance.units[hosts.index(host)] if host in hosts else balance.units[0]


def _document(answer: Answer) -> Any:
    if not answer.whole:
        raise ValueError("cut")
    return json.loads(answer.body, parse_float=Decimal, parse_int=Decimal)


def _figures(balance: Balance, document: Any, unit: str) -> Iterator[Figure]:
    """One figure, or one a currency where the amount lies in a list. Raises LookupError, TypeError, ValueError."""
    amounts = _at(document, balance.amount)
    if balance.means == "spent":  # no entry: nothing spent
        amounts = [sum((_number(a) for a in amounts), Decimal(0))]
    if not amounts:
        raise LookupError(balance.amount)
    units = [_name(text) for text in _at(document, balance.unit_path)] if balance.unit_path else [unit] * len(amounts)
    taken = _at(document, balance.minus) if balance.minus else [Decimal(0)] * len(amounts)
    parts = {name: _at(document, path, missing_ok=True) for name, path in balance.parts.items()}
    facts = {name: _fact(found[0]) for name, path in balance.facts.items() if (found := _at(document, path, missing_ok=True))}
    for number, amount in enumerate(amounts):
        scale = Decimal(balance.scale)
        left = None if amount is None else (_number(amount) - _number(taken[number])) * scale + 0  # no -0
        if left is None and not balance.null_means:
            raise ValueError("null")
        told = {name: found[number] for name, found in parts.items() if number < len(found) and found[number] is not None}
        own = {name: _number(part) * scale + 0 for name, part in told.items()}
        yield Figure(balance.scope, balance.means, left, units[number], own, facts, balance.null_means if left is None else "")


def _at(document: Any, path: str, *, missing_ok: bool = False) -> list[Any]:
    """The values at `a.b[*].c`; several where a list is gone through. Raises LookupError, TypeError."""
    found = [document]
    for step in path.split("."):
        name = step.removesuffix("[*]")
        try:
            found = [value[name] for value in found]
        except (LookupError, TypeError):
            if missing_ok:
                return []
            raise
        if step.endswith("[*]"):
            found = [value for values in found for value in _list(values)]
    return found


def _list(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise TypeError("no list")
    return values


def _number(value: Any) -> Decimal:
    """A finite number; vendors send them as text too. Raises ValueError, InvalidOperation."""
    number = Decimal(value if isinstance(value, (str, Decimal)) else "nan")
    if isinstance(value, bool) or not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError("no number")
    return number


def _name(value: Any) -> str:
    """A currency or unit as the vendor spells it. Raises ValueError."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 24:
        raise ValueError("no unit")
    return value


def _fact(value: Any) -> str:
    """A plain field as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:80] if isinstance(value, (str, Decimal)) else "-"
