"""Which variables a shell or a child gets, and from which key."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, parse_ref
from keyvault.environment.selection import Selection
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.state import State
from keyvault.vault.vault import Vault

if TYPE_CHECKING:
    from keyvault.environment.project import Entry

T = TypeVar("T")
Approve = Callable[[Sequence[ApiKey]], None]  # returns if each key may be used; raises Locked, KeyvaultError


class Choice(NamedTuple):
    """A variable, and the key and field it gets its value from."""

    variable: str
    key: ApiKey
    field: str


class Chosen(NamedTuple):
    """One choice a variable; what people should know; and what a project requires and the vault has not, a line each."""

    choices: list[Choice]
    warnings: list[str]
    missing: list[str]


class Resolved(NamedTuple):
    """Variables in a stable order with the values they get, the keys these came from, and the rest as in Chosen."""

    variables: list[tuple[str, str]]
    keys: list[ApiKey]
    warnings: list[str]
    missing: list[str]


def resolve(vault: Vault, selection: Selection, approve: Approve | None) -> Resolved:
    """The variables that were meant, with their values. Raises NotFound, InvalidInput, VaultCorrupt, and what `approve` raises.

    Keys marked `confirm` are opened after `approve` let them pass; without it they are left out, and a warning says so.
    """

    def query(state: State, approved: set[str]) -> Resolved | list[ApiKey]:
        chosen = choose(vault, state, selection)
        keys = list({choice.key.id: choice.key for choice in chosen.choices}.values())
        asking = [key for key in keys if key.confirm and key.id not in approved]
        if asking and approve:
            return asking
        if asking:
            notes = [f"{key.ref} asks before each use, so it is left out: keyvault run --only {key.ref}" for key in asking]
            choices = [choice for choice in chosen.choices if choice.key not in asking]
            keys = [key for key in keys if key not in asking]
            chosen = chosen._replace(choices=choices, warnings=[*chosen.warnings, *notes])
        opened = vault.values_in(state, [(key, key.value) for key in keys])
        values = {key.id: fields for key, fields in zip(keys, opened, strict=True)}
        pairs = [(c.variable, values[c.key.id][c.field]) for c in chosen.choices]
        return Resolved(pairs, keys, chosen.warnings, chosen.missing)

    return _approved(vault, query, approve)


def open_key(vault: Vault, ref: str, approve: Approve, number: int | None = None) -> tuple[ApiKey, dict[str, str]]:
    """`Vault.open_key`, after `approve` let the key pass. Raises NotFound, VaultCorrupt, and what `approve` raises."""

    def query(state: State, approved: set[str]) -> tuple[ApiKey, dict[str, str]] | list[ApiKey]:
        key = vault.get_in(state, ref)
        if key.confirm and key.id not in approved:
            return [key]
        return key, vault.values_in(state, [(key, key.value if number is None else key.version(number))])[0]

    return _approved(vault, query, approve)


def _approved(vault: Vault, query: Callable[[State, set[str]], T | list[ApiKey]], approve: Approve | None) -> T:
    """The answer of a query that gives the keys to be asked for first; nobody is asked while the vault is being read."""
    approved: set[str] = set()

    def look(state: State) -> T | list[ApiKey]:
        return query(state, approved)

    while isinstance(found := vault.read(look), list):
        if approve:
            approve(found)
        approved |= {key.id for key in found}
    return found


def variables_of(vault: Vault, selection: Selection) -> list[str]:
    """The names of the variables that resolve() would give, for taking them back."""
    return vault.read(lambda state: [choice.variable for choice in choose(vault, state, selection).choices])


def choose(vault: Vault, state: State, selection: Selection) -> Chosen:
    """Which key each variable gets. Raises NotFound and InvalidInput for keys that were named."""
    if selection.entries is not None:
        return _choose_for_project(vault, state, selection)
    if selection.refs:
        named = [vault.get_in(state, str(parse_ref(ref))) for ref in selection.refs]
        choices, conflicts = one_each({key.id: key for key in named}.values())
        if conflicts:
            raise InvalidInput(conflicts[0], "name only one of them")
        return Chosen(choices, list(selection.warnings), [])
    live = vault.live_in(state)
    choices, conflicts = one_each(chosen_by_default(live))
    return Chosen(choices, [*selection.warnings, *conflicts], [])


def _choose_for_project(vault: Vault, state: State, selection: Selection) -> Chosen:
    choices, missing = [], []
    for entry in selection.entries or ():
        key = vault.find_in(state, entry.ref)
        field = entry.field or (key.variables.get(entry.variable, VALUE_FIELD) if key else VALUE_FIELD)
        if key is not None and key.live and (field == VALUE_FIELD or field in key.fields):
            choices.append(Choice(entry.variable, key, field))
        elif entry.required:
            missing.append(f"{entry.variable} needs {_lacking(entry, key, field)}")
    return Chosen(choices, list(selection.warnings), missing)


def _lacking(entry: "Entry", key: ApiKey | None, field: str) -> str:
    if key is None or key.purged is not None:
        return f"key {entry.ref}, which is not in the vault: keyvault add {entry.ref}"
    if not key.live:
        return f"key {entry.ref}, which was removed: keyvault restore-key {entry.ref}"
    return f"field {field} of {entry.ref}: keyvault edit {entry.ref} --secret-field {field}"


def chosen_by_default(keys: Iterable[ApiKey]) -> list[ApiKey]:
    """What is exported without being named: each provider's `default` key, and where there is none, all its keys."""
    by_provider: dict[str, list[ApiKey]] = {}
    for key in keys:
        if not only_when_named(key):
            by_provider.setdefault(key.name.provider, []).append(key)
    return [key for group in by_provider.values() for key in ([k for k in group if k.is_default] or group)]


def only_when_named(key: ApiKey) -> str:
    """For a key that is given out only when it is named: that, in words. Else an empty string."""
    if key.confirm:
        return "only when named, and a person is asked before each use"
    return "" if key.auto else "only when named"


def one_each(keys: Iterable[ApiKey]) -> tuple[list[Choice], list[str]]:
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


def _names(candidates: Sequence[Choice]) -> str:
    return ", ".join(c.key.ref for c in candidates[:4]) + (" and others" if len(candidates) > 4 else "")
