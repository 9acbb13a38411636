"""Why a variable has the value it has: the key behind it, what that one shadows, and what else could interfere here."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from keyvault.core import settings
from keyvault.core.errors import KeyvaultError
from keyvault.core.text import mask
from keyvault.environment.resolve import Choice, choose, chosen_by_default, only_when_named
from keyvault.environment.selection import Selection
from keyvault.providers.identify import owner_of
from keyvault.store.files import read_named
from keyvault.vault.keys import ApiKey
from keyvault.vault.state import State
from keyvault.vault.vault import Vault

_LARGEST_FILE = 1024 * 1024

UNSET, EMPTY, SAME, OTHER = "unset", "empty", "same", "other"


class Provenance(NamedTuple):
    """`choice` is what `env` gives here by `selection`, or None. `shadowed`: other live keys that want the variable, each with
    the reason why it does not get it. `now`: what this process's environment holds (UNSET, EMPTY, SAME as the choice, OTHER),
    `shown` masked. `notes`: what else a person should know.
    """

    variable: str
    choice: Choice | None
    selection: Selection
    shadowed: list[tuple[str, str]]
    now: str
    shown: str
    notes: list[str]


def trace(vault: Vault, selection: Selection, variable: str) -> Provenance:
    """All that decides about one variable here. Raises as `resolve` does."""

    def query(state: State) -> tuple[Choice | None, list[ApiKey], str, list[str]]:
        chosen = choose(vault, state, selection)
        choice = next((c for c in chosen.choices if c.variable == variable), None)
        live = vault.live_in(state)
        value = vault.values_in(state, [(choice.key, choice.key.value)])[0][choice.field] if choice else ""
        notes = [
            text
            for text in (*chosen.warnings, *chosen.missing)
            if text.startswith(f"{variable} ") or text in selection.warnings
        ]
        return choice, live, value, notes

    choice, live, value, notes = vault.read(query)
    rivals = [key for key in live if variable in key.variables and (choice is None or key.id != choice.key.id)]
    shadowed = [(key.ref, _why_not(key, live, variable, selection)) for key in rivals]
    present = settings.variable(variable)
    now = UNSET if present is None else EMPTY if not present else SAME if choice and present == value else OTHER
    if now == EMPTY:
        notes.append("an empty variable counts as set for many programs, so they look no further")
    notes += _strangers(choice, value, present if now == OTHER else None)
    notes += _files_that_interfere(variable)
    return Provenance(variable, choice, selection, shadowed, now, mask(present) if present else "", notes)


def _why_not(key: ApiKey, live: list[ApiKey], variable: str, selection: Selection) -> str:
    if selection.entries is not None:
        named = any(entry.variable == variable and entry.ref == key.ref for entry in selection.entries)
        return "it has not the field that the project names" if named else "the project does not name it"
    if why := only_when_named(key):
        return f"it is given out {why}"
    if key not in chosen_by_default(live):
        return "its vendor has a default key"
    return "several keys want the variable"


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
    return re.search(rf"^\s*(?:export\s+)?{variable}\s*=", text, re.MULTILINE) is not None


def _is_home() -> bool:
    return os.path.realpath(".") == os.path.realpath(os.path.expanduser("~"))
