"""What taking found keys in would do: which name each gets, and what is there already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from keyvault.core.refs import DEFAULT_LABEL, KeyRef
from keyvault.core.secret import Secret
from keyvault.core.text import escape
from keyvault.discover.dotenv_source import Found
from keyvault.providers.identify import by_variable, field_by_variable, owner_of
from keyvault.providers.schema import Provider
from keyvault.vault import changes
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.vault import Vault

ADD, REPLACE, SAME, KEPT = "add", "replace", "already there", "exists, kept"
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


class Planned(NamedTuple):
    """One key to take in, with its further fields: (variable, value, secret) by field name."""

    ref: KeyRef
    variable: str
    value: Secret
    where: str
    action: str
    fields: dict[str, tuple[str, Secret, bool]]

    @property
    def changes_vault(self) -> bool:
        """There is something to do."""
        return self.action in (ADD, REPLACE)


def plan(vault: Vault, found: Iterable[Found], *, replace: bool) -> tuple[list[Planned], list[str]]:
    """One entry a key, in the order found, and a line about each part of a credential that does not plainly belong to one.

    A value found twice under one variable is one entry. A part belongs to the only key of its vendor in its file.
    """
    found = list(found)
    present = {key.ref: key for key in vault.all_keys()}
    unique = list({(f.variable, f.value.reveal()): f for f in reversed(found)}.values())[::-1]
    fields = [(f, owner) for f in found if (owner := field_by_variable(f.variable))]
    keys = [(f, _provider(f)) for f in unique if not field_by_variable(f.variable)]
    owners = Counter((f.path, provider.id) for f, provider in keys if provider)
    rivals = Counter((path, variable) for path, variable, _ in {(f.path, f.variable, f.value.reveal()) for f, _ in fields})
    planned: dict[KeyRef, Planned] = {}
    for item, provider in keys:
        base = KeyRef(provider.id, DEFAULT_LABEL) if provider else KeyRef("custom", _label(item.variable))
        ref = _free(base, planned)
        own = {
            name: (f.variable, f.value, owner.fields[name].secret)
            for f, (owner, name) in fields
            if provider and owner.id == provider.id and f.path == item.path
            if owners[f.path, owner.id] == rivals[f.path, f.variable] == 1
        }
        key = Planned(ref, item.variable, item.value, f"{item.path}:{item.line}", ADD, own)
        planned[ref] = key._replace(action=_action(vault, present.get(str(ref)), key, replace=replace))
    claimed = {(variable, value.reveal()) for key in planned.values() for variable, value, _ in key.fields.values()}
    unclaimed = [
        f"{escape(f.path)}:{f.line} gives {f.variable} without the one key of {owner.id} that it belongs to, and was skipped"
        for f, (owner, _) in fields
        if (f.variable, f.value.reveal()) not in claimed
    ]
    return list(planned.values()), unclaimed


def take_in(vault: Vault, planned: Iterable[Planned], at: int) -> None:
    """Put planned keys into the vault, in one commit. When the vendor made them is not known."""
    with vault.transaction("import") as tx:
        for item in planned:
            values = _values(item)
            variables = {item.variable: VALUE_FIELD} | {variable: name for name, (variable, _, _) in item.fields.items()}
            secrecy = {name: secret for name, (_, _, secret) in item.fields.items()}
            if item.action == REPLACE:
                before = tx.get(str(item.ref))
                details: changes.Details = {
                    "variables": {**before.variables, **variables},
                    "fields": {**before.fields, **secrecy},
                    "created": None,
                }
                changes.edit(tx, str(item.ref), details, at, {**vault.values(before), **values})
            else:
                changes.add(tx, str(item.ref), values, {"variables": variables, "fields": secrecy}, at)


def _provider(item: Found) -> Provider | None:
    return by_variable(item.variable) or owner_of(item.value.reveal())


def _values(item: Planned) -> dict[str, str]:
    return {VALUE_FIELD: item.value.reveal()} | {name: value.reveal() for name, (_, value, _) in item.fields.items()}


def _action(vault: Vault, present: ApiKey | None, item: Planned, *, replace: bool) -> str:
    if present is None:
        return ADD
    if _values(item).items() <= vault.open_key(present.ref)[1].items():
        return SAME
    return REPLACE if replace else KEPT


def _label(variable: str) -> str:
    return _NOT_IN_A_NAME.sub("-", variable.lower()).strip("-")[:60].strip("-") or "key"


def _free(ref: KeyRef, taken: dict[KeyRef, Planned]) -> KeyRef:
    """A second value for the same name gets a number of its own."""
    number, free = 1, ref
    while free in taken:
        number += 1
        free = KeyRef(ref.provider, f"{ref.label}-{number}")
    return free
