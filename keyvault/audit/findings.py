"""What an audit finds. None of it holds a value: four characters at most, and a keyed fingerprint."""

from __future__ import annotations

from typing import NamedTuple

OWN, UNKNOWN = "own", "unknown"
PLAIN, BASE64, URL, JSON, UTF16, GZIP = "plain", "base64", "url", "json", "utf-16", "gzip"
TREE, HISTORY, STAGED, HOME = "tree", "history", "staged", "home"
BAD, ADVICE = "bad", "advice"


class Leak(NamedTuple):
    """A key that lies in clear. `path`: the file, or where git had it; `line` and `column` from 1, 0 where there are none.

    `kind` is own (a value of the vault: `ref` says which, `current` whether it is in use) or unknown (the shape of a vendor's
    key: `what` is the kind of key). `form`: how it was wrapped. `tail`: the last four characters, of long values only.
    `fingerprint`: the same value has the same one, and it tells nothing of the value. `commit`: where it was in history.
    `verdict`: what the vendor said, where it was asked.
    """

    path: str
    line: int
    column: int
    provider: str
    what: str
    kind: str
    form: str
    tail: str
    fingerprint: str
    source: str
    ref: str = ""
    current: bool = False
    commit: str = ""
    verdict: str = ""


class Stale(NamedTuple):
    """Something about a key or the vault that wants doing. `reason` is a frozen word; `then` says what to type.

    `severity`: bad counts for the exit code, advice does not. `ref` is empty where it is about the vault.
    """

    ref: str
    reason: str
    severity: str
    detail: str
    then: str


class Skipped(NamedTuple):
    """What was not looked at, and why."""

    path: str
    why: str


class Age(NamedTuple):
    """How old a key is, in days; `known`: false where it is at least that."""

    ref: str
    days: int
    known: bool
    limit: int | None


class Report(NamedTuple):
    """All that an audit found. `at`: seconds of the epoch. `searched`: files, objects and bytes that were looked through."""

    at: int
    stale: tuple[Stale, ...] = ()
    ages: tuple[Age, ...] = ()
    leaks: tuple[Leak, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    searched: tuple[int, int, int] = (0, 0, 0)
