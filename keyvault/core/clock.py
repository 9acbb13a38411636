"""Points in time are whole seconds since 1970, UTC; people see RFC 3339."""

from __future__ import annotations

import re
import sys
import time

from keyvault.core.errors import InvalidInput
from keyvault.core.text import escape

DAY = 86_400
LATEST = 253_402_300_799  # 9999-12-31T23:59:59Z
_SPAN = r"(\d{1,6})([hdwmy])\Z"
_HOURS = {"h": 1, "d": 24, "w": 7 * 24, "m": 30 * 24, "y": 365 * 24}


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def is_time(at: int) -> bool:
    """Whether a number can be a point in time."""
    return 0 <= at <= LATEST


def uptime() -> tuple[str, int]:
    """Which run of the machine this is, and its seconds so far, sleep included: no clock that is set moves them.

    ("", 0) where the system does not tell.
    """
    if sys.platform != "linux":
        return "", 0
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(64).strip(), int(time.clock_gettime(time.CLOCK_BOOTTIME))
    except (OSError, UnicodeDecodeError):
        return "", 0


def rfc3339(at: int) -> str:
    """`at` as `2026-11-22T02:31:00Z`."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def day(at: int) -> str:
    """`at` as `2026-11-22`."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def parse_span(text: str) -> int:
    """Read `90d`, `12h`, `6w`, `3m` (30 days each) or `1y` (365 days) as seconds. Raises InvalidInput."""
    match = re.match(_SPAN, text)
    if not match:
        raise InvalidInput(f'"{escape(text[:40])}" is not a span of time', "write a number and h, d, w, m or y, as in 90d")
    return int(match[1]) * _HOURS[match[2]] * 3600


def span(seconds: int) -> str:
    """A span for people, in minutes begun: `8 h`, `1 h 30 min`, `5 min`."""
    hours, minutes = divmod(-(-max(0, seconds) // 60), 60)
    return f"{hours} h" if hours and not minutes else f"{hours} h {minutes} min" if hours else f"{minutes} min"


def parse_time(text: str, *, relative_to: int | None = None) -> int:
    """Read `2026-11-22`, RFC 3339, or, if `relative_to` is given, a span counted from it. Raises InvalidInput."""
    if relative_to is not None and re.match(_SPAN, text):
        return min(relative_to + parse_span(text), LATEST)
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidInput(
            f'"{escape(text[:40])}" is not a date', "write 2026-11-22, 2026-11-22T10:00:00Z, or a span such as 90d"
        ) from exc
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    seconds = int(at.timestamp())
    if not is_time(seconds):
        raise InvalidInput(f'"{escape(text[:40])}" is out of range', "dates lie between 1970 and 9999")
    return seconds
