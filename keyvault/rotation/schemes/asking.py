"""Sending one request of a rotation, and what an answer means before anybody looks into it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from keyvault.net import client
from keyvault.net.client import ATTEMPTS, Answer, NoAnswer, Request
from keyvault.rotation.schemes.base import Refused, Unclear

SECONDS = 30.0
_WHY = {
    400: "it does not take the request",
    401: "it does not know the key that was sent",
    403: "the key that was sent may not do this",
    404: "it knows no such address or key",
    409: "it says that this conflicts with what is there",
    422: "it does not take the request",
    429: "too many requests; try again later",
}


def ask(request: Request, *, once: bool = False, allowed: tuple[int, ...] = (200,)) -> Answer:
    """The answer, if its status is one of `allowed`. `once`: it must not be sent twice.

    Raises Refused where the vendor did nothing, Unclear where it may have.
    """

    async def send() -> Answer | NoAnswer:
        async with client.opened(SECONDS) as asker:
            return await asker.send(request, 1 if once else ATTEMPTS)

    answer = asyncio.run(send())
    if isinstance(answer, NoAnswer):
        if answer.connected:
            raise Unclear(f"{request.host} gave no answer ({answer.reason})", "look at the network, then resume")
        raise Refused(f"{request.host} was not reached: {answer.reason}", "look at the network and at HTTPS_PROXY")
    if answer.status in allowed and not answer.is_html:
        return answer
    if 400 <= answer.status < 500 and answer.status != 408 and not (answer.is_html and answer.status not in _WHY):
        raise Refused(f"{request.host} refused ({answer.status}): {_WHY.get(answer.status, 'it gives no reason we know')}")
    raise Unclear(f"{request.host} answered {answer.status}, which does not tell what was done", "resume in a while")


def document(answer: Answer) -> Any:
    """The JSON of an answer. Raises Unclear."""
    try:
        if not answer.whole:
            raise ValueError("cut")
        told = json.loads(answer.body) if answer.body.strip() else {}
        json.dumps(told, ensure_ascii=False).encode()  # half a character, written as an escape, could not be kept
        return told
    except (ValueError, RecursionError) as exc:
        raise Unclear("the vendor's answer cannot be read", "resume in a while") from exc


def at(value: Any, path: str) -> Any:
    """What stands at `a.b`, or None. An empty path is the value itself."""
    for name in path.split(".") if path else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value
