"""Many keys at once, and few at a time for each vendor."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from keyvault.liveness.requests import Subject
from keyvault.net import client
from keyvault.net.client import Client

T = TypeVar("T")

SECONDS = 10.0
_AT_ONE_VENDOR = 8  # some vendors bar an address that asks about many bad keys at the same time


def ask_all(
    subjects: Sequence[Subject],
    ask: Callable[[Client, Subject], Awaitable[T]],
    *,
    seconds: float,
    on_answer: Callable[[T], None],
) -> list[T]:
    """What `ask` finds for each key, in the order given; `on_answer` hears each as it comes. `seconds` for each attempt.

    Raises InvalidInput for a proxy setting that makes no sense.
    """

    async def all_at_once() -> list[T]:
        turns: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_AT_ONE_VENDOR))
        async with client.opened(seconds) as asker:

            async def one(subject: Subject) -> T:
                async with turns[subject.ref.partition("/")[0]]:
                    found = await ask(asker, subject)
                on_answer(found)
                return found

            return list(await asyncio.gather(*(one(subject) for subject in subjects)))

    return asyncio.run(all_at_once())
