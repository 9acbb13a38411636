"""Which variables a shell or a child gets, and from which key."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, parse_ref
from keyvault.vault.keys import ApiKey
from keyvault.vault.state import State
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

    def query(state: State) -> Resolved:
        choices, conflicts = choose(_keys(vault, state, refs))
        if refs and conflicts:
            raise InvalidInput(conflicts[0], "name only one of them")
        keys = list({choice.key.id: choice.key for choice in choices}.values())
        opened = vault.values_in(state, [(key, key.value) for key in keys])
        values = {key.id: fields for key, fields in zip(keys, opened, strict=True)}
        return Resolved([(c.variable, values[c.key.id][c.field]) for c in choices], keys, conflicts)

    return vault.read(query)


def variables_of(vault: Vault, refs: Sequence[str] = ()) -> list[str]:
    """The names of the variables that resolve() would give, for taking them back."""
    return vault.read(lambda state: [choice.variable for choice in choose(_keys(vault, state, refs))[0]])


def _keys(vault: Vault, state: State, refs: Sequence[str]) -> list[ApiKey]:
    if refs:
        return list({key.id: key for key in (vault.get_in(state, str(parse_ref(ref))) for ref in refs)}.values())
    return chosen_by_default(sorted((key for key in vault.keys_in(state) if key.live), key=lambda key: key.ref))


def chosen_by_default(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """What is exported without being named: each provider's `default` key, and where there is none, all its keys."""
    by_provider: dict[str, list[ApiKey]] = {}
    for key in keys:
        if key.auto:
            by_provider.setdefault(key.name.provider, []).append(key)
    return [key for group in by_provider.values() for key in ([k for k in group if k.is_default] or group)]


def choose(keys: Iterable[ApiKey]) -> tuple[list[Choice], list[str]]:
    """One key a variable. Where two keys want the same variable neither gets it, and a warning says so."""
    wanted: dict[str, list[Choice]] = {}
    for key in keys:
        for variable, field in key.variables.items():
            wanted.setdefault(check_variable(variable), []).append(Choice(variable, key, field))
    choices = [candidates[0] for candidates in wanted.values() if len(candidates) == 1]
    conflicts = [
        f"{variable} is wanted by {_names(candidates)}, so none of them sets it; a label `default` would decide"
        for variable, candidates in wanted.items()
        if len(candidates) > 1
    ]
    return choices, conflicts


def _names(candidates: list[Choice]) -> str:
    return " and ".join(c.key.ref for c in candidates[:4]) + (" and others" if len(candidates) > 4 else "")
