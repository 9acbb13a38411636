"""Whose key is this? By its shape alone; a key is never sent anywhere to find out."""

from __future__ import annotations

import re

from keyvault.providers.catalogue import Provider, everyone


def by_value(value: str) -> list[Provider]:
    """The vendors whose own key pattern this value has; shapes that several vendors share are not patterns."""
    return [p for p in everyone() if any(re.fullmatch(pattern, value) for pattern in p.patterns)]


def by_variable(variable: str) -> Provider | None:
    """The vendor whose programs read this variable for its key."""
    return next((p for p in everyone() if variable in p.variables), None)


def field_by_variable(variable: str) -> tuple[Provider, str] | None:
    """The vendor and the field of its credential that programs read from this variable."""
    for provider in everyone():
        for name, field in provider.fields.items():
            if field.variable == variable:
                return provider, name
    return None
