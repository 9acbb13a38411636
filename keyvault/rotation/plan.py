"""Which keys are to be rotated, in which order, and how: what a person sees before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import parse_ref
from keyvault.providers import catalogue
from keyvault.providers.schema import Api, Provider
from keyvault.rotation.schemes import scheme_for
from keyvault.rotation.schemes.base import MANUAL, NOTHING, PUBLIC, ROLL, Scheme
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.vault import Vault

_URGENCY = ("leaked", "invalid", "disabled", "expired", "expires soon", "old", "")


class Planned(NamedTuple):
    """A rotation that could be begun or, where `step` is set, gone on with. `missing`: why it cannot, and what to do."""

    key: ApiKey
    why: str
    scheme: Scheme
    admin: str
    step: str
    missing: str
    then: str

    @property
    def by_hand(self) -> bool:
        """A person has to bring the new value."""
        return self.scheme.makes == MANUAL

    @property
    def method(self) -> str:
        """How the new value comes about and the old one ends, in a few words."""
        vendor = provider.name if (provider := catalogue.load(self.key.name.provider)) else "the vendor"
        made = {MANUAL: "by hand", ROLL: f"{vendor} gives it a new value; THE OLD ONE IS DEAD AT ONCE"}.get(
            self.scheme.makes, f"{vendor} makes a new key"
        )
        ended = {
            NOTHING: "",
            MANUAL: "revoked by hand",
            PUBLIC: "revoked for good, for everybody",
        }.get(self.scheme.revokes, "revoked by request")
        by = f" (with {self.admin})" if self.admin else ""
        return "; ".join(part for part in (made + by, ended) if part)

    @property
    def proof(self) -> str:
        """What keyvault's own tests say of this way."""
        return "proven here against a double" if self.scheme.proven else "experimental"


def due(keys: Sequence[ApiKey], now: int, *, leaked_only: bool = False) -> list[ApiKey]:
    """The keys that should be replaced, most urgent first; those under way come before all others of their cause."""
    wanted = [key for key in keys if ((why := key.due(now)) and (why == "leaked" or not leaked_only)) or key.rotation]
    if leaked_only:
        wanted = [key for key in wanted if key.leaked is not None]
    return sorted(wanted, key=lambda key: (_URGENCY.index(key.due(now)), not key.rotation, key.ref))


def plan(vault: Vault, key: ApiKey, now: int, *, admin: str = "", by_hand: bool = False, experimental: bool = False) -> Planned:
    """How one key would be rotated. Raises NotFound for an `admin` that is not there."""
    provider = catalogue.load(key.name.provider)
    why = key.due(now)
    if key.rotation:
        value = vault.values(key, next(v for v in key.versions if v.id == key.rotation.old))[VALUE_FIELD]
        scheme = scheme_for(provider, value, by_hand=key.rotation.scheme == "manual")
        return Planned(key, why, scheme, key.rotation.admin, key.rotation.step, "", "")
    scheme = scheme_for(provider, vault.values(key)[VALUE_FIELD], by_hand=by_hand)
    missing = then = found = ""
    if scheme.by == "admin" and provider and provider.rotation.api and (scheme.makes, scheme.revokes) != (MANUAL, MANUAL):
        found = _admin(vault, key, provider, provider.rotation.api, admin)
        if found == key.ref:
            scheme, found = scheme_for(provider, by_hand=True), ""
        elif not found and scheme.makes != MANUAL:
            missing = f"for this it needs {provider.rotation.needs}"
            then = f"put it into the vault and name it: --admin REF; or bring the new value yourself: --manual {key.ref}"
    elif admin:
        found = vault.get(str(parse_ref(admin))).ref
    if not scheme.proven and not experimental:
        missing = "what is known of this vendor's requests is weak"
        then = f"--experimental uses it all the same; --manual {key.ref} lets you bring the new value"
    return Planned(key, why, scheme, found, "", missing, then)


def require(planned: Planned) -> None:
    """Raises InvalidInput where the rotation cannot be begun."""
    if planned.missing:
        raise InvalidInput(f"{planned.key.ref} cannot be rotated by request: {planned.missing}", planned.then)


def _admin(vault: Vault, key: ApiKey, provider: Provider, api: Api, named: str) -> str:
    """The key by which the vendor lets this one be replaced: the one named, the last one used, or the only one of its kind."""
    if named:
        return vault.get(str(parse_ref(named))).ref
    if key.manager:
        try:
            return vault.get(key.manager).ref
        except NotFound:
            pass  # it was removed or renamed: looked for again
    found = []
    for other in vault.all_keys():
        if other.name.provider != provider.id:
            continue
        by_variable = set(other.variables) & set(api.admin_variables)
        if by_variable or (api.admin_prefix and vault.values(other)[VALUE_FIELD].startswith(api.admin_prefix)):
            found.append(other.ref)
    return found[0] if len(found) == 1 else ""
