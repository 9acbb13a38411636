"""What taking found keys in would do: which name each gets, and what is there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from keyvault.core.refs import DEFAULT_LABEL, KeyRef
from keyvault.core.secret import Secret
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.discover.found import Found
from keyvault.discover.sources.base import slug
from keyvault.formats import of_file
from keyvault.providers import catalogue, identify
from keyvault.providers.schema import Provider
from keyvault.vault import changes
from keyvault.vault.keys import MOST_FIELDS, VALUE_FIELD, ApiKey
from keyvault.vault.vault import Transaction, Vault

_LONGEST_PATH = 1024
ADD, REPLACE, SAME, KEPT, MORE = "add", "replace", "already there", "exists, kept", "add variable"
BY_SHAPE, BY_SOURCE, BY_NAME, UNKNOWN = "certain", "from the source", "by its name", "unknown"


class Part(NamedTuple):
    """A further field of a credential."""

    variable: str
    value: Secret
    secret: bool


class Planned(NamedTuple):
    """One key to take in: every variable it is exported as, its further fields, and every place where it was found."""

    ref: KeyRef
    variables: tuple[str, ...]
    value: Secret
    sure: str
    action: str
    fields: dict[str, Part]
    places: tuple[Found, ...]

    @property
    def changes_vault(self) -> bool:
        """There is something to do."""
        return self.action in (ADD, REPLACE, MORE)


class _Vendors:
    """Whose variable or value is this? Asked often, so the answers are kept."""

    def __init__(self) -> None:
        self._keys: dict[str, Provider | None] = {}
        self._fields: dict[str, tuple[Provider, str] | None] = {}

    def field(self, variable: str) -> tuple[Provider, str] | None:
        if variable not in self._fields:
            self._fields[variable] = identify.field_by_variable(variable)
        return self._fields[variable]

    def of(self, item: Found) -> tuple[str, str]:
        """The vendor's id, or an empty string, and how sure that is. A shape that only one vendor's keys have decides."""
        owner = identify.owner_of(item.value.reveal())
        if owner:
            return owner.id, BY_SHAPE
        if item.provider:
            return item.provider, BY_SOURCE
        if item.variable not in self._keys:
            self._keys[item.variable] = identify.by_variable(item.variable)
        named = self._keys[item.variable]
        return (named.id, BY_NAME) if named else ("", UNKNOWN)


class _Credential(NamedTuple):
    """A value with what belongs to it, before it has a name."""

    provider: str
    sure: str
    label: str
    variables: dict[str, None]
    value: Secret
    fields: dict[str, Part]
    places: list[Found]

    def same(self, other: _Credential) -> bool:
        """No part says otherwise."""
        common = self.fields.keys() & other.fields.keys()
        return all(self.fields[name].value.reveal() == other.fields[name].value.reveal() for name in common)

    def joined(self, other: _Credential) -> _Credential:
        """Both as one; whoever is surer tells the vendor."""
        order = (BY_SHAPE, BY_SOURCE, BY_NAME, UNKNOWN)
        first, second = (self, other) if order.index(self.sure) <= order.index(other.sure) else (other, self)
        same_vendor = first.provider == second.provider
        return first._replace(
            label=first.label or (second.label if same_vendor else ""),
            variables=self.variables | other.variables,
            fields={**second.fields, **first.fields} if same_vendor else first.fields,
            places=[*self.places, *other.places],
        )


def plan(vault: Vault, found: Iterable[Found], *, replace: bool) -> tuple[list[Planned], list[str]]:
    """One entry a key, in the order found, and a line about each part of a credential that does not plainly belong to one.

    Equal values are one key with several places. A part belongs to the only key of its vendor in its file, or its group.
    """
    vendors = _Vendors()
    found = list(found)
    credentials, unclaimed = _credentials(found, vendors)
    merged: dict[str, list[_Credential]] = {}
    for one in credentials:
        alike = merged.setdefault(one.value.reveal(), [])
        at = next((n for n, other in enumerate(alike) if other.same(one)), None)
        if at is None:
            alike.append(one)
        else:
            alike[at] = alike[at].joined(one)
    present = {key.ref: key for key in vault.all_keys()}
    by_value: dict[str, list[ApiKey]] = {}
    for key in present.values():
        by_value.setdefault(key.value.fingerprint, []).append(key)
    planned: dict[KeyRef, Planned] = {}
    for one in [one for alike in merged.values() for one in alike]:
        entry = _named(one, planned, by_value.get(vault.fingerprint(one.value.reveal()), []))
        planned[entry.ref] = entry._replace(action=_action(vault, present.get(str(entry.ref)), entry, replace=replace))
    return list(planned.values()), unclaimed


def _credentials(found: list[Found], vendors: _Vendors) -> tuple[list[_Credential], list[str]]:
    fields = [(f, owner) for f in found if (owner := vendors.field(f.variable))]
    keys = [(f, *vendors.of(f)) for f in found if not vendors.field(f.variable)]
    owners = {(f.path, f.group, provider, f.value.reveal()) for f, provider, _ in keys if provider}
    per_vendor = Counter((path, group, provider) for path, group, provider, _ in owners)
    rivals = Counter((p, g, v) for p, g, v, _ in {(f.path, f.group, f.variable, f.value.reveal()) for f, _ in fields})
    parts: dict[tuple[str, str, str], list[tuple[Found, Provider, str]]] = {}
    for f, (vendor, name) in fields:
        if per_vendor[f.path, f.group, vendor.id] == rivals[f.path, f.group, f.variable] == 1:
            parts.setdefault((f.path, f.group, vendor.id), []).append((f, vendor, name))
    claimed: set[int] = set()
    made = []
    for item, provider, sure in keys:
        own = parts.get((item.path, item.group, provider), [])
        claimed |= {id(f) for f, _, _ in own}
        known = catalogue.load(provider) if provider else None
        variable = item.variable or (known.variables[0] if known else _variable(item))
        own_fields = {name: Part(f.variable, f.value, vendor.fields[name].secret) for f, vendor, name in own}
        places = [item, *(f for f, _, _ in own)]
        made.append(_Credential(provider, sure, item.label, {variable: None}, item.value, own_fields, places))
    unclaimed = [
        f"{escape(f.where)} gives {f.variable} without the one key of {vendor.id} that it belongs to, and was skipped"
        for f, (vendor, _) in fields
        if id(f) not in claimed
    ]
    return made, unclaimed


def _named(one: _Credential, planned: dict[KeyRef, Planned], alike: list[ApiKey]) -> Planned:
    """The credential under the name it has in the vault already, or else under a free one."""
    places = tuple({(f.path, f.line, f.variable): f for f in one.places}.values())
    value, fields, variables = one.value, dict(list(one.fields.items())[:MOST_FIELDS]), tuple(one.variables)
    there = [key for key in alike if key.name not in planned]
    best = next((key for key in there if key.name.provider == one.provider), there[0] if there else None)
    if best:
        return Planned(best.name, variables, value, one.sure, ADD, fields, places)
    label = slug(one.label)
    if one.provider:
        base = KeyRef(one.provider, label or DEFAULT_LABEL)
    else:
        base = KeyRef("custom", label or slug(variables[0].replace("_", "-")) or "key")
    return Planned(_free(base, planned), variables, value, one.sure, ADD, fields, places)


def take_in(vault: Vault, planned: Iterable[Planned], at: int) -> None:
    """Put what is new into the vault, and note with every key which files hold it; one commit, and none where nothing is new.

    When the vendor made the keys is not known.
    """
    with vault.transaction("import") as tx:
        for item in planned:
            if item.changes_vault:
                _take(tx, item, at)
            if item.action != KEPT:
                _note_places(tx, item)


def _take(tx: Transaction, item: Planned, at: int) -> None:
    values = _values(item)
    variables = dict.fromkeys(item.variables, VALUE_FIELD) | {part.variable: name for name, part in item.fields.items()}
    secrecy = {name: part.secret for name, part in item.fields.items()}
    if item.action == ADD:
        changes.add(tx, str(item.ref), values, {"variables": variables, "fields": secrecy}, at)
        return
    before = tx.get(str(item.ref))
    details: changes.Details = {"variables": {**before.variables, **variables}, "fields": {**before.fields, **secrecy}}
    if item.action == REPLACE:
        details["created"] = None
        changes.edit(tx, str(item.ref), details, at, {**tx.vault.values(before), **values})
    else:
        changes.edit(tx, str(item.ref), {"variables": details["variables"]}, at)


def _note_places(tx: Transaction, item: Planned) -> None:
    """So that a rotation finds these files again."""
    for place in (f for f in item.places if f.line and len(f.path) < _LONGEST_PATH):
        variable = place.variable if place.variable in item.variables else next(iter(item.variables), "")
        if variable:
            changes.register_place(tx, str(item.ref), of_file(place.path) or "file", absolute(place.path), variable)


def forget_places(vault: Vault, refs: Iterable[str], path: str) -> None:
    """A file has been cleaned: it holds these keys no more."""
    with vault.transaction("place") as tx:
        for ref in dict.fromkeys(refs):
            changes.forget_place(tx, ref, absolute(path))


def holds(vault: Vault, item: Planned) -> bool:
    """Whether the vault, read anew, has these very values, and exports them as these variables."""
    key = vault.find(str(item.ref))
    if key is None or not key.live:
        return False
    wanted = dict.fromkeys(item.variables, VALUE_FIELD) | {part.variable: name for name, part in item.fields.items()}
    return _values(item).items() <= vault.values(key).items() and wanted.items() <= dict(key.variables).items()


def _values(item: Planned) -> dict[str, str]:
    return {VALUE_FIELD: item.value.reveal()} | {name: part.value.reveal() for name, part in item.fields.items()}


def _action(vault: Vault, present: ApiKey | None, item: Planned, *, replace: bool) -> str:
    if present is None:
        return ADD
    if _values(item).items() <= vault.open_key(present.ref)[1].items():
        wanted = {*item.variables, *(part.variable for part in item.fields.values())}
        return SAME if wanted <= set(present.variables) else MORE
    return REPLACE if replace else KEPT


def _variable(item: Found) -> str:
    """A variable for a value that has none: after its label."""
    name = slug(item.label).upper().replace("-", "_").replace(".", "_")
    return f"{name}_TOKEN" if name[:1].isalpha() else "TOKEN"


def _free(ref: KeyRef, taken: dict[KeyRef, Planned]) -> KeyRef:
    """A second value for the same name gets a number of its own."""
    number, free = 1, ref
    while free in taken:
        number += 1
        free = KeyRef(ref.provider, f"{ref.label}-{number}")
    return free
