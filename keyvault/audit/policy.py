"""After how long a key counts as old, unused or unchecked: [audit] of the user's config.toml, else what is usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from keyvault.core.clock import DAY, parse_span
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import quoted
from keyvault.core.text import escape
from keyvault.providers.schema import Provider
from keyvault.store import config_file
from keyvault.vault.keys import ApiKey

NEVER = "never"


class Limits(NamedTuple):
    """Spans in seconds. None: nothing was said; 0: never."""

    rotate_after: int | None = None
    unused_after: int | None = None
    unchecked_after: int | None = None


class Policy(NamedTuple):
    """The limits for all keys, and those for the keys of one vendor, which go before them."""

    general: Limits = Limits()
    vendors: Mapping[str, Limits] = {}

    def rotate_after(self, key: ApiKey, provider: Provider | None) -> int | None:
        """What the key itself says, else the person of this vendor, else of all, else the vendor; None for never."""
        if key.rotate_after is not None:
            return key.rotate_after
        said = self._said(key, "rotate_after")
        if said is None and provider and provider.rotation.rotate_after:
            said = parse_span(provider.rotation.rotate_after)
        return said or None

    def unused_after(self, key: ApiKey) -> int | None:
        """How long a key may lie unused; 180 days if nobody said; None for ever."""
        return self._or_usual(key, "unused_after", 180)

    def unchecked_after(self, key: ApiKey) -> int | None:
        """How long an answer of the vendor counts; 90 days if nobody said; None for ever."""
        return self._or_usual(key, "unchecked_after", 90)

    def _or_usual(self, key: ApiKey, name: str, days: int) -> int | None:
        said = self._said(key, name)
        return days * DAY if said is None else said or None

    def _said(self, key: ApiKey, name: str) -> int | None:
        own: int | None = getattr(self.vendors.get(key.name.provider, Limits()), name)
        general: int | None = getattr(self.general, name)
        return general if own is None else own


def configured() -> Policy:
    """What config.toml says. Raises InvalidInput for anything there that would be ignored, UnsafeFile."""
    table = config_file.table("audit")
    if table is None:
        raise _wrong("audit", "is no table", 'write [audit], and below it rotate_after = "90d"')
    said = dict(table)
    vendors = said.pop("vendors", {})
    if not isinstance(vendors, dict) or not all(isinstance(limits, dict) for limits in vendors.values()):
        raise _wrong(
            "audit.vendors", "is no table of vendors", 'write [audit.vendors.openai], and below it rotate_after = "30d"'
        )
    return Policy(_limits("audit", said), {name: _limits(f"audit.vendors.{name}", limits) for name, limits in vendors.items()})


def _limits(where: str, said: Mapping[str, Any]) -> Limits:
    if unknown := sorted(set(said) - set(Limits._fields)):
        raise _wrong(where, f"says {quoted(unknown[0])}, which means nothing", f"it may say {', '.join(Limits._fields)}")
    return Limits(**{name: _span(f"{name} of {where}", value) for name, value in said.items()})


def _span(what: str, value: Any) -> int:
    try:
        if value == NEVER:
            return 0
        if isinstance(value, str) and (span := parse_span(value)):
            return span
    except InvalidInput as exc:
        raise _wrong(what, "is not a span of time", f'write "90d", or "{NEVER}"') from exc
    raise _wrong(what, "is not a span of time", f'write "90d", or "{NEVER}"')


def _wrong(where: str, why: str, then: str) -> InvalidInput:
    return InvalidInput(f"{escape(config_file.path())}: {escape(where[:100])} {why}", then)
