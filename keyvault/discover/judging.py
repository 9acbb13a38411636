"""Is it a key at all? Start-up files and settings hold much that is none."""

from __future__ import annotations

from functools import cache

from keyvault.discover.found import could_be_secret, says_secret
from keyvault.providers.identify import by_variable, field_by_variable, owner_of


@cache
def is_known(variable: str) -> bool:
    """The catalogue knows the variable, as a key's or as another part of a credential."""
    return bool(by_variable(variable) or field_by_variable(variable))


def is_key(variable: str, value: str) -> bool:
    """The catalogue knows the variable, or the value's shape, or both name and value look like a secret's."""
    if is_known(variable):
        return True
    return could_be_secret(value) and (says_secret(variable) or owner_of(value) is not None)


def sounds_like_key(variable: str) -> bool:
    """By its name alone."""
    return says_secret(variable) or is_known(variable)
