"""Why a variable has the value it has: the key behind it, what that one shadows, and what else could interfere here."""

from __future__ import annotations

import os
from typing import NamedTuple

from keyvault.core import settings
from keyvault.core.errors import KeyvaultError
from keyvault.core.text import mask
from keyvault.environment.resolve import Choice, choose, chosen_by_default, one_each
from keyvault.environment.selection import PROJECT, Selection
from keyvault.providers.identify import owner_of
from keyvault.store.files import read_named
from keyvault.vault.keys import ApiKey
from keyvault.vault.state import State
from keyvault.vault.vault import Vault

_LARGEST_FILE = 1024 * 1024

UNSET, EMPTY, SAME, OTHER = "not set", "set to nothing", "set to this key", "set to another value"


class Provenance(NamedTuple):
    """`choice` is what `env` gives here, or None. `shadowed`: other live keys that want the variable, each with the reason why
    it does not get it. `now`: what this process's environment holds, `shown` masked. `notes`: what else a person should know.
    """

    variable: str
    choice: Choice | None
    source: str
    shadowed: list[tuple[str, str]]
    now: str
    shown: str
    notes: list[str]


def trace(vault: Vault, selection: Selection, variable: str) -> Provenance:
    """All that decides about one variable here. Raises as `resolve` does."""

    def query(state: State) -> tuple[Choice | None, list[ApiKey], str, list[str]]:
        chosen = choose(vault, state, selection)
        choice = next((c for c in chosen.choices if c.variable == variable), None)
        live = sorted((key for key in vault.keys_in(state) if key.live), key=lambda key: key.ref)
        value = vault.values_in(state, [(choice.key, choice.key.value)])[0][choice.field] if choice else ""
        notes = [text for text in (*chosen.warnings, *chosen.missing) if variable in text or text in selection.warnings]
        return choice, [key for key in live if variable in key.variables or (choice and key.id == choice.key.id)], value, notes

    choice, rivals, value, notes = vault.read(query)
    shadowed = [(key.ref, _why_not(key, rivals, selection)) for key in rivals if choice is None or key.id != choice.key.id]
    present = settings.variable(variable)
    now = UNSET if present is None else EMPTY if not present else SAME if choice and present == value else OTHER
    if now == EMPTY:
        notes.append("an empty variable counts as set for many programs, so they look no further")
    notes += _strangers(choice, value, present if now == OTHER else None)
    notes += _files_that_interfere(variable)
    return Provenance(variable, choice, _source(selection), shadowed, now, mask(present) if present else "", notes)


def _source(selection: Selection) -> str:
    if selection.source != PROJECT:
        return "the default: every vendor's default or only key"
    return f"project {selection.path}" + (f", profile {selection.profile}" if selection.profile else "")


def _why_not(key: ApiKey, rivals: list[ApiKey], selection: Selection) -> str:
    if selection.source == PROJECT:
        return "the project does not name it"
    if not key.auto:
        return "it is given out only when named"
    if key not in chosen_by_default(rivals):
        return "its vendor has a default key"
    return "several keys want the variable" if one_each(chosen_by_default(rivals))[1] else "another key has it"


def _strangers(choice: Choice | None, value: str, present: str | None) -> list[str]:
    """Values that look like another vendor's."""
    notes = []
    owner = owner_of(value) if value else None
    if choice and owner and owner.id != choice.key.name.provider:
        notes.append(f"the value of {choice.key.ref} looks like a key of {owner.name}")
    stranger = owner_of(present) if present else None
    if stranger and (choice is None or stranger.id != choice.key.name.provider):
        notes.append(f"the value in this environment looks like a key of {stranger.name}")
    return notes


def _files_that_interfere(variable: str) -> list[str]:
    """Files here that programs read by themselves and that set the variable too."""
    notes = []
    for name, reader in ((".env", "programs that load .env"), (".Renviron", "R")):
        if _sets(name, variable):
            notes.append(f"{name} in this folder sets {variable} too; {reader} may take it from there")
    if os.path.isfile(".Renviron") and os.path.isfile(os.path.expanduser("~/.Renviron")) and not _is_home():
        notes.append(".Renviron in this folder keeps R from reading the one in your home folder")
    return notes


def _sets(name: str, variable: str) -> bool:
    try:
        text = read_named(os.path.join(settings.absolute("."), name), _LARGEST_FILE).decode("utf-8", "replace")
    except KeyvaultError:
        return False
    starts = (f"{variable}=", f"export {variable}=")
    return any(line.strip().startswith(starts) for line in text.splitlines())


def _is_home() -> bool:
    return os.path.realpath(".") == os.path.realpath(os.path.expanduser("~"))
