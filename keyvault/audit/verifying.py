"""Ask vendors whether keys that lie in clear still work: only on request, and where the shape alone tells whose they are."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from keyvault.audit.findings import HISTORY, OWN, PLAIN, STAGED, Leak
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.searching import fingerprint
from keyvault.core import git
from keyvault.core.errors import KeyvaultError
from keyvault.core.git import GitFailed
from keyvault.core.secret import Secret
from keyvault.core.settings import absolute
from keyvault.liveness.check import Result, check
from keyvault.liveness.requests import Subject
from keyvault.providers import catalogue, identify
from keyvault.store.files import read_named

NOT_ASKED = "not_asked"
_LARGEST = 64 * 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9_\-.+/=:]{8,}")


class Values:
    """The values behind findings: of own keys from the plan, of others read once more from where they lie."""

    def __init__(self, plan: Plan) -> None:
        self._key = plan.fingerprint_key
        self._own = {(key.ref, fingerprint(self._key, key.value.reveal())): key.value for key in plan.own}

    def of(self, leak: Leak) -> Secret | None:
        """The value, or None where it cannot be read again as it was found."""
        if leak.kind == OWN:
            return self._own.get((leak.ref, leak.fingerprint))
        if leak.form != PLAIN or leak.line < 1 or not leak.provider:
            return None
        text = _text(leak)
        lines = text.split(b"\n") if text is not None else []
        if leak.line > len(lines):
            return None
        for value in _candidates(lines[leak.line - 1].decode("utf-8", "replace"), leak.provider):
            if fingerprint(self._key, value) == leak.fingerprint:
                return Secret(value)
        return None


def verify(
    leaks: Sequence[Leak],
    values: Values,
    own: Callable[[Leak, Secret], Subject | None],
    on_result: Callable[[Result], None] = lambda _: None,
) -> list[Leak]:
    """The findings with what the vendors said; each value is asked about once, and at one vendor.

    `own` makes the question about a key of the vault, which may have a base URL of its own. Raises as `check` does.
    """
    asked: dict[str, Subject] = {}
    for leak in leaks:
        value = None if leak.fingerprint in asked else values.of(leak)
        subject = _subject(leak, value, own) if value else None
        if subject:
            asked[leak.fingerprint] = subject
    said = dict(zip(asked, check(list(asked.values()), on_result=on_result), strict=True))
    return [leak._replace(verdict=said[leak.fingerprint].verdict if leak.fingerprint in said else NOT_ASKED) for leak in leaks]


def _subject(leak: Leak, value: Secret, own: Callable[[Leak, Secret], Subject | None]) -> Subject | None:
    if leak.kind == OWN:
        return own(leak, value)
    owner = identify.owner_of(value.reveal())
    return Subject(leak.path, owner, value, {}, "") if owner and owner.id == leak.provider else None


def _candidates(line: str, provider_id: str) -> Iterator[str]:
    """What on a line could be that vendor's key."""
    provider = catalogue.load(provider_id)
    for pattern in provider.patterns if provider else ():
        yield from (found[0] for found in re.finditer(pattern.regex, line))
    yield from _TOKEN.findall(line)


def _text(leak: Leak) -> bytes | None:
    """The text in which it was found, or None where that is gone."""
    try:
        if leak.source in (HISTORY, STAGED):
            return _of_git(leak)
        return read_named(absolute(leak.path), _LARGEST)
    except (KeyvaultError, OSError, ValueError):
        return None


def _of_git(leak: Leak) -> bytes | None:
    """From the commit that it was found in, or from the index."""
    path = absolute(leak.path)
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    try:
        top = git.top_of(folder)
        inside = os.path.relpath(path, top).replace(os.sep, "/")
        return git.ask(top, "cat-file", "blob", f"{leak.commit}:{inside}")
    except GitFailed:
        return None
