"""Ask the vendors of many keys at once whether the keys still work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from keyvault.liveness import verdict
from keyvault.liveness.asking import SECONDS, ask_all
from keyvault.liveness.requests import Subject, Unready, check_for, is_declared, requests_for, without_key
from keyvault.liveness.verdict import MEANINGS, Reading
from keyvault.net.client import Client, NoAnswer, Request
from keyvault.providers.identify import owner_of
from keyvault.providers.schema import Check


class Result(NamedTuple):
    """What is known about one key now. `status` is None where no answer came; `then` says what to do next."""

    ref: str
    verdict: str
    status: int | None
    reason: str
    then: str

    @property
    def usable(self) -> bool | None:
        """Yes, no, or not known."""
        return verdict.usable(self.verdict)


def check(
    subjects: Sequence[Subject],
    *,
    strict: bool = False,
    seconds: float = SECONDS,
    on_result: Callable[[Result], None] = lambda _: None,
) -> list[Result]:
    """A result for each key, in the order given; `on_result` hears each as it comes.

    Raises InvalidInput for a proxy setting that makes no sense.
    """

    async def one(asker: Client, subject: Subject) -> Result:
        return await _check_one(asker, subject, strict=strict)

    return ask_all(subjects, one, seconds=seconds, on_answer=on_result)


class _Heard(NamedTuple):
    """What one address said."""

    host: str
    reading: Reading
    status: int | None


async def _check_one(asker: Client, subject: Subject, *, strict: bool) -> Result:
    found = check_for(subject)
    if isinstance(found, Unready):
        return _not_asked(subject, found)
    requests = requests_for(subject, found)
    if isinstance(requests, Unready):
        return _not_asked(subject, requests)
    heard: list[_Heard] = []
    for request in requests[:1] if strict else requests:
        heard.append(await _hear(asker, subject, found, request, strict=strict))
        if heard[-1].reading.verdict not in (verdict.INVALID, verdict.INVALID_HERE, verdict.UNREACHABLE):
            return _result(subject, _elsewhere(heard[-1]) if len(heard) > 1 else heard[-1])
    return _result(subject, _together(heard))


async def _hear(asker: Client, subject: Subject, check: Check, request: Request, *, strict: bool) -> _Heard:
    answer = await asker.send(request)
    if isinstance(answer, NoAnswer):
        kind = verdict.UNREACHABLE if answer.sent else verdict.UNKNOWN
        return _Heard(request.host, Reading(kind, f"{request.host}: {answer.reason}"), None)
    reading = verdict.read_strictly(check, answer) if strict else verdict.read(check, answer)
    if reading.verdict == verdict.VALID and (check.ask_without_key or not is_declared(subject)):
        stranger = await asker.send(without_key(request, subject.value.reveal()))
        if isinstance(stranger, NoAnswer) or not verdict.refuses(check, stranger):
            same = not isinstance(stranger, NoAnswer) and verdict.read(check, stranger).verdict == verdict.VALID
            finding = "gives the same answer without a key" if same else "does not say whether it would refuse a stranger"
            reading = Reading(verdict.UNKNOWN, f"{request.host} {finding}, so it proves nothing")
    return _Heard(request.host, reading, answer.status)


def _not_asked(subject: Subject, unready: Unready) -> Result:
    return _result(subject, _Heard("", Reading(verdict.UNKNOWN, unready.why), None), unready.then)


def _elsewhere(heard: _Heard) -> _Heard:
    """Where it is not the vendor's usual address that knows the key, programs have to be told the other one."""
    return heard._replace(reading=heard.reading._replace(why=f"at {heard.host}: {heard.reading.why or 'it works'}"))


def _together(heard: list[_Heard]) -> _Heard:
    """What several addresses of one vendor say together: a key is invalid only where each of them has rejected it."""
    rejecting = [h for h in heard if h.reading.verdict != verdict.UNREACHABLE]
    silent = [h for h in heard if h.reading.verdict == verdict.UNREACHABLE]
    if len(heard) == 1 or not rejecting:
        return heard[0]
    hosts = " and ".join(h.host for h in rejecting)
    if silent:
        unheard = " and ".join(h.host for h in silent)
        reading = Reading(verdict.INVALID_HERE, f"rejected by {hosts}; {unheard} could not be reached")
    else:
        known = next((f"{h.reading.why}; " for h in rejecting if h.reading.verdict == verdict.INVALID and h.reading.why), "")
        reading = Reading(verdict.INVALID, f"{known}rejected by {hosts}")
    return _Heard(hosts, reading, rejecting[0].status)


def _result(subject: Subject, heard: _Heard, then: str | None = None) -> Result:
    kind = heard.reading.verdict
    _, meaning, advice = MEANINGS[kind]
    why = heard.reading.why or meaning
    then = advice.format(ref=subject.ref, page=subject.page) if then is None else then
    if kind == verdict.INVALID and (owner := owner_of(subject.value.reveal())) and owner != subject.provider:
        why = f"{why}; it looks like a key of {owner.name}"
        then = f"keyvault rename {subject.ref} {owner.id}/{subject.ref.partition('/')[2]}, if it is one"
    return Result(subject.ref, kind, heard.status, why, then)
