"""How long an agent may stay: on a clock that counts sleep and that nobody sets."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from keyvault.core import clock
from keyvault.core.errors import InvalidInput

USUAL = 8 * 3600
TICK = 5.0  # seconds between two looks at the clocks where nobody asks
_NAP = 2.0  # seconds that the clocks may drift apart without sleep


class Limits(NamedTuple):
    """Seconds in all, seconds without a request (0: any number), and whether sleep and the screen's lock end it."""

    longest: int = USUAL
    idle: int = 0
    on_suspend: bool = False
    on_screen_lock: bool = False


def with_sleep() -> float:
    """Seconds of a clock that runs while the machine sleeps. macOS: the monotonic one does."""
    if sys.platform == "win32":
        return windows_with_sleep()
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def awake() -> float:
    """Seconds of a clock that stands while the machine sleeps."""
    if sys.platform == "win32":
        return windows_awake()
    return time.monotonic()


def windows_with_sleep() -> float:
    """The first of them on Windows."""
    from keyvault.core import windows_calls

    return int(windows_calls.api().GetTickCount64()) / 1000


def windows_awake() -> float:
    """The second. Raises Failed."""
    from ctypes import byref, c_uint64

    from keyvault.core import windows_calls

    ticks = c_uint64()
    windows_calls.checked(windows_calls.api().QueryUnbiasedInterruptTime(byref(ticks)))
    return ticks.value / 10_000_000


class Lifetime:
    """The clocks of one agent."""

    def __init__(
        self, limits: Limits, clock_with_sleep: Callable[[], float] = with_sleep, awake: Callable[[], float] = awake
    ) -> None:
        self.limits = limits
        self._now = clock_with_sleep
        self._awake = awake
        self._began = self._asked = clock_with_sleep()
        self._asleep = self._began - awake()

    def over(self) -> str:
        """Why it is over, or an empty string."""
        now = self._now()
        if now - self._began >= self.limits.longest:
            return "its time is up"
        if self.limits.idle and now - self._asked >= self.limits.idle:
            return "nobody asked for long"
        if self.limits.on_suspend and now - self._awake() - self._asleep > _NAP:
            return "the machine slept"
        return ""

    def asked(self) -> None:
        """Somebody needed it."""
        self._asked = self._now()

    def left(self) -> dict[str, int | None]:
        """Seconds left in all, and without a request."""
        now = self._now()
        idle = round(self.limits.idle - (now - self._asked)) if self.limits.idle else None
        return {"expires_in": round(self.limits.longest - (now - self._began)), "idle_expires_in": idle}


def span(text: str) -> int:
    """`8h`, `90min` or `2d` as seconds. Raises InvalidInput."""
    minutes = text.removesuffix("min")
    in_minutes = text.endswith("min") and minutes.isascii() and minutes.isdigit() and len(minutes) <= 6
    found = int(minutes) * 60 if in_minutes else clock.parse_span(text)
    if not 0 < found <= 366 * clock.DAY:
        raise InvalidInput("the agent stays for more than no time, and at most a year", "write 8h, 90min or 2d")
    return found
