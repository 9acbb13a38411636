"""Which variables a shell or a child gets, and from which key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, parse_ref
from keyvault.vault.keys import ApiKey
from keyvault.vault.vault import Vault


class Resolved(NamedTuple):
    """Variables in a stable order with the values they get, the keys these came from, and what people should know."""

    variables: list[tuple[str, str]]
    keys: list[ApiKey]
    warnings: list[str]


class Choice(NamedTuple):
    """A variable, and the key and field it gets its value from."""

    variable: str
    key: ApiKey
    field: str


def resolve(vault: Vault, refs: Sequence[str] = ()) -> Resolved:
    """The named keys' variables; without names, those of every key that is exported on its own.

    Raises NotFound, InvalidInput, VaultCorrupt.
    """
    warnings: list[str] = []
    if refs:
        keys = [vault.get(str(parse_ref(ref))) for ref in dict.fromkeys(refs)]
    else:
        keys, warnings = chosen_by_default(vault.all_keys())
    choices, conflicts = choose(keys)
    if refs and conflicts:
        raise InvalidInput(conflicts[0], "name only one of them")
    wanted = list({choice.key.id: choice.key for choice in choices}.values())
    values = dict(zip((key.id for key in wanted), vault.values_of(wanted), strict=True))
    variables = [(choice.variable, values[choice.key.id][choice.field]) for choice in choices]
    return Resolved(variables, wanted, warnings + conflicts)


def variables_of(vault: Vault, refs: Sequence[str] = ()) -> list[str]:
    """The names of the variables that resolve() would give, for taking them back."""
    keys = [vault.get(str(parse_ref(ref))) for ref in refs] if refs else chosen_by_default(vault.all_keys())[0]
    return [choice.variable for choice in choose(keys)[0]]


def chosen_by_default(keys: Iterable[ApiKey]) -> tuple[list[ApiKey], list[str]]:
    """Each provider's `default` key, or its only one; none, and a warning, where it has several and no default."""
    by_provider: dict[str, list[ApiKey]] = {}
    for key in keys:
        if key.auto:
            by_provider.setdefault(key.name.provider, []).append(key)
    chosen, warnings = [], []
    for provider, candidates in by_provider.items():
        default = [key for key in candidates if key.is_default] or (candidates if len(candidates) == 1 else [])
        chosen += default
        if not default:
            names = ", ".join(key.name.label for key in candidates[:5]) + (", ..." if len(candidates) > 5 else "")
            warnings.append(f"{provider} has {len(candidates)} keys ({names}) and none is the default, so none is exported")
    return chosen, warnings


def choose(keys: Iterable[ApiKey]) -> tuple[list[Choice], list[str]]:
    """One key a variable. Where two keys want the same variable neither gets it, and a warning says so."""
    wanted: dict[str, list[Choice]] = {}
    for key in keys:
        for variable, field in key.variables.items():
            wanted.setdefault(check_variable(variable), []).append(Choice(variable, key, field))
    choices = [candidates[0] for candidates in wanted.values() if len(candidates) == 1]
    conflicts = [
        f"{variable} is wanted by {' and '.join(c.key.ref for c in candidates[:4])}, so none of them sets it"
        for variable, candidates in wanted.items()
        if len(candidates) > 1
    ]
    return choices, conflicts
