"""Findings that are known and accepted: a file that can be committed, and that changes only when they do.

An entry is a value's keyed hash and a path, so that it outlives edits of the file around it. The key, a random salt, stands in
the file, so that everybody who has it gets the same hashes and no hash means anything beside it. There are no line numbers and
no dates. A key of the vault that is in use is never let through, whatever a file says. A value of fewer than 16 characters is
not written: whoever has the salt could find it by guessing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from keyvault.audit.findings import OWN, Leak
from keyvault.core.errors import InvalidInput
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.crypto.primitives import random_bytes
from keyvault.store import files

_LARGEST = 64 * 1024 * 1024
_FORM = 1
_PUBLIC_MODE = 0o644  # nothing in it is secret, and it is made to be committed


class Entry(NamedTuple):
    """One accepted finding. `rule` says what it was taken for, for people who read the file; it decides nothing."""

    path: str
    fingerprint: str
    rule: str


class Baseline(NamedTuple):
    """What a file at `path` accepts."""

    path: str
    salt: bytes
    entries: tuple[Entry, ...] = ()

    def new_ones(self, leaks: Iterable[Leak]) -> list[Leak]:
        """The findings that it does not cover."""
        known = {(entry.path, entry.fingerprint) for entry in self.entries}
        return [leak for leak in leaks if _in_use(leak) or (self._place(leak), leak.fingerprint) not in known]

    def accepting(self, leaks: Iterable[Leak]) -> Baseline:
        """A baseline of just these findings, less those that cannot be accepted."""
        rules = {(entry.path, entry.fingerprint): entry.rule for entry in self.entries}
        found = {(self._place(leak), leak.fingerprint): _rule(leak) for leak in leaks if acceptable(leak)}
        return self._replace(entries=tuple(sorted(Entry(*place, rules.get(place, rule)) for place, rule in found.items())))

    def _place(self, leak: Leak) -> str:
        """The path from the baseline's own folder on, so that it is the same in every checkout and from every folder."""
        whole, folder = absolute(leak.path), os.path.dirname(absolute(self.path))
        home = os.path.expanduser("~")
        for root, sign in ((folder, ""), (home, "~/")):
            if whole.startswith(os.path.join(root, "")):
                return escape(sign + os.path.relpath(whole, root).replace(os.sep, "/"))
        return escape(whole)


def new(path: str) -> Baseline:
    """An empty one with a salt of its own."""
    return Baseline(path, random_bytes(16))


def read(path: str) -> Baseline:
    """The one in a file. Raises NotFound, UnsafeFile, InvalidInput."""
    try:
        told = json.loads(files.read_named(path, _LARGEST))
        form, salt = told["keyvault_baseline"], bytes.fromhex(told["salt"])
        entries = tuple(_entry(one) for one in told["findings"])
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise _wrong(path) from exc
    if form != _FORM or len(salt) != 16:
        raise _wrong(path)
    return Baseline(path, salt, entries)


def write(baseline: Baseline) -> None:
    """Put it into its file, a line for each finding, sorted. A file that says the same already is left. Raises StoreFailed."""
    rows = [json.dumps(dict(zip(("path", "fingerprint", "rule"), entry, strict=True))) for entry in sorted(baseline.entries)]
    body = "[\n" + ",\n".join(f"    {row}" for row in rows) + "\n  ]" if rows else "[]"
    text = f'{{\n  "keyvault_baseline": {_FORM},\n  "salt": "{baseline.salt.hex()}",\n  "findings": {body}\n}}\n'
    path = absolute(baseline.path)
    if os.path.lexists(path):
        info = files.check_private(path, open_to_others=True)
        if files.read_named(path, _LARGEST) != text.encode():
            files.replace_own(path, text.encode(), info.st_mode & 0o777)
    else:
        files.create_private(path, text.encode(), _PUBLIC_MODE)


def acceptable(leak: Leak) -> bool:
    """It is no key in use, and its value too long to be guessed from its hash; only such ones have a tail."""
    return bool(leak.tail) and not _in_use(leak)


def _in_use(leak: Leak) -> bool:
    return leak.kind == OWN and leak.current


def _rule(leak: Leak) -> str:
    return escape(f"{leak.kind}: {leak.ref}" if leak.kind == OWN else f"{leak.provider or leak.kind}: {leak.what}")


def _entry(told: Any) -> Entry:
    entry = Entry(told["path"], told["fingerprint"], told["rule"])
    if {type(text) for text in entry} != {str}:
        raise TypeError
    return entry


def _wrong(path: str) -> InvalidInput:
    return InvalidInput(f"{escape(path)} is no baseline of keyvault", "--write-baseline FILE makes one")
