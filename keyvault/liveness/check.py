"""Ask the vendors of many keys at once whether the keys still work."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keyvault.liveness import verdict
from keyvault.liveness.requests import Subject, Unready, check_for, is_declared, requests_for, without_key
from keyvault.liveness.verdict import MEANINGS, Reading
from keyvault.net import client
from keyvault.net.client import Client, NoAnswer, Request
from keyvault.providers.schema import Check

SECONDS = 10.0
_AT_ONE_VENDOR = 8  # some vendors bar an address that asks about many bad keys at the same time


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

    async def all_at_once() -> list[Result]:
        turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONE_VENDOR))

        async def one(subject: Subject) -> Result:
            async with turns[subject.ref.partition("/")[0]]:
                result = await _check_one(asker, subject, strict=strict)
            on_result(result)
            return result

        async with client.opened(seconds) as asker:
            return list(await asyncio.gather(*(one(subject) for subject in subjects)))

    return asyncio.run(all_at_once())


class _Heard(NamedTuple):
    """What one address said."""

    host: str
    reading: Reading
    status: int | None


async def _check_one(asker: Client, subject: Subject, *, strict: bool) -> Result:
    found = check_for(subject)
    requests = found if isinstance(found, Unready) else requests_for(subject, found)
    if isinstance(requests, Unready) or isinstance(found, Unready):
        unready = requests if isinstance(requests, Unready) else found
        assert isinstance(unready, Unready)
        return _result(subject, _Heard("", Reading(verdict.UNKNOWN, unready.why), None), unready.then)
    heard: list[_Heard] = []
    for request in requests[:1] if strict else requests:
        heard.append(await _hear(asker, subject, found, request, strict=strict))
        if heard[-1].reading.verdict not in (verdict.INVALID, verdict.INVALID_HERE, verdict.UNREACHABLE):
            return _result(subject, _elsewhere(heard[-1]) if len(heard) > 1 else heard[-1])
    return _result(subject, _together(heard))


async def _hear(asker: Client, subject: Subject, check: Check, request: Request, *, strict: bool) -> _Heard:
    answer = await asker.send(request)
    if isinstance(answer, NoAnswer):
        return _Heard(request.host, Reading(verdict.UNREACHABLE, f"{request.host}: {answer.reason}"), None)
    if strict:
        return _Heard(request.host, verdict.read_strictly(answer), answer.status)
    reading = verdict.read(check, answer)
    if reading.verdict == verdict.VALID and (check.ask_without_key or not is_declared(subject)):
        stranger = await asker.send(without_key(request))
        if isinstance(stranger, NoAnswer) or verdict.read(check, stranger).verdict == verdict.VALID:
            reading = Reading(verdict.UNKNOWN, f"{request.host} gives the same answer without a key, so it proves nothing")
    return _Heard(request.host, reading, answer.status)


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
        reading = Reading(verdict.INVALID, f"rejected by {hosts}")
    return _Heard(hosts, reading, rejecting[0].status)


def _result(subject: Subject, heard: _Heard, then: str | None = None) -> Result:
    kind = heard.reading.verdict
    _, meaning, advice = MEANINGS[kind]
    return Result(
        subject.ref,
        kind,
        heard.status,
        heard.reading.why or meaning,
        advice.format(ref=subject.ref, page=subject.page) if then is None else then,
    )
