"""Whose key is this? By its shape alone; a key is never sent anywhere to find out."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from keyvault.providers.catalogue import everyone
from keyvault.providers.schema import Pattern, Provider

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TRUST = {"high": 0, "medium": 1, "low": 2}


class Candidate(NamedTuple):
    """A vendor whose keys can look like this. `certain`: no other vendor's do, and the checksum, if there is one, is right."""

    provider: Provider
    pattern: Pattern
    certain: bool
    checksum_wrong: bool = False


def candidates(value: str) -> list[Candidate]:
    """The vendors whose keys have this shape, the likeliest first; at most one entry each."""
    found: dict[str, Candidate] = {}
    for provider in everyone():
        fitting = [p for p in provider.patterns if re.fullmatch(p.regex, value)]
        if fitting:
            best = min(fitting, key=lambda pattern: _rank(provider, pattern))
            found[provider.id] = Candidate(provider, best, False, not checksum_fits(best, value))
    own = [c for c in found.values() if not c.pattern.generic]
    alone = own[0].provider.id if len(own) == 1 and not own[0].checksum_wrong else None
    ranked = sorted(found.values(), key=lambda c: (c.provider.id != alone, *_rank(c.provider, c.pattern), c.provider.id))
    return [c._replace(certain=c.provider.id == alone) for c in ranked]


def owner_of(value: str) -> Provider | None:
    """The one vendor whose key this certainly is, or None."""
    return next((c.provider for c in candidates(value) if c.certain), None)


def by_variable(variable: str) -> Provider | None:
    """The vendor whose programs read this variable for its key; the one that names it first, where several do."""
    readers = [p for p in everyone() if variable in p.variables]
    return min(readers, key=lambda p: p.variables.index(variable), default=None)


def field_by_variable(variable: str) -> tuple[Provider, str] | None:
    """The vendor and the field of its credential that programs read from this variable."""
    for provider in everyone():
        for name, field in provider.fields.items():
            if field.variable == variable:
                return provider, name
    return None


def _rank(provider: Provider, pattern: Pattern) -> tuple[bool, int, int]:
    return pattern.generic, -len(pattern.prefix), _TRUST[pattern.confidence or provider.confidence]


def checksum_fits(pattern: Pattern, value: str) -> bool:
    """Whether the checksum is right, or there is none.

    The last six characters are the CRC-32 of what lies between the first underscore and them, in base 62.
    Source: GitHub, "Behind GitHub's new authentication token formats" (2021); npm's tokens are made the same way.
    """
    if not pattern.checksum:
        return True
    body, digits = value[value.index("_") + 1 : -6], value[-6:]
    if set(digits) - set(_BASE62):
        return False
    number = 0
    for digit in digits:
        number = number * 62 + _BASE62.index(digit)
    return number == zlib.crc32(body.encode())
