"""Is it a key at all? Start-up files and settings hold much that is none."""

from __future__ import annotations

import re
from functools import cache

from keyvault.discover.found import Found, could_be_secret, says_secret
from keyvault.providers.identify import by_variable, field_by_variable, owner_of

_URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]{4,}@")


@cache
def is_known(variable: str) -> bool:
    """The catalogue knows the variable, as a key's or as another part of a credential."""
    return bool(by_variable(variable) or field_by_variable(variable))


def is_key(variable: str, value: str) -> bool:
    """The catalogue knows the variable, or the value's shape, or both name and value look like a secret's."""
    if is_known(variable):
        return True
    if _URL_WITH_PASSWORD.match(value):
        return True
    return could_be_secret(value) and (says_secret(variable) or owner_of(value) is not None)


def is_secret(found: Found) -> bool:
    """Something to take out of its file: a port or a switch that was taken in with the rest of a .env file stays there."""
    value = found.value.reveal()
    return bool(found.provider) or sounds_like_key(found.variable) or is_key(found.variable, value)


def sounds_like_key(variable: str) -> bool:
    """By its name alone."""
    return says_secret(variable) or is_known(variable)
