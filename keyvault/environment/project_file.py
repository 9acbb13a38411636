"""Writing a `.keyvault.toml`: from the names in a project's `.env` or `.env.example`, never from their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable
from keyvault.environment.project import Entry
from keyvault.providers.identify import by_variable, candidates, field_by_variable
from keyvault.vault.keys import ApiKey

_HEAD = """\
# Which keys this project needs, by name. No values: it may be committed.
# keyvault allow   lets it choose among your keys;  keyvault project check   says what is missing.
"""


def propose(variables: Iterable[str], keys: Sequence[ApiKey]) -> tuple[list[Entry], list[str]]:
    """An entry for each variable that a key of the vault has, or a vendor's programs read; and the variables left out."""
    entries, left_out = [], []
    for variable in dict.fromkeys(variables):
        try:
            check_variable(variable)
        except InvalidInput:
            left_out.append(variable)
            continue
        entry = _from_vault(variable, keys) or _from_catalogue(variable, keys)
        if entry:
            entries.append(entry)
        else:
            left_out.append(variable)
    return entries, left_out


def _from_vault(variable: str, keys: Sequence[ApiKey]) -> Entry | None:
    having = [key for key in keys if variable in key.variables]
    best = next((key for key in having if key.is_default), None) or (having[0] if len(having) == 1 else None)
    return Entry(variable, best.ref, best.variables[variable], True) if best else None


def _from_catalogue(variable: str, keys: Sequence[ApiKey]) -> Entry | None:
    if provider := by_variable(variable):
        return Entry(variable, _ref(provider.id, keys), "", True)
    if part := field_by_variable(variable):
        return Entry(variable, _ref(part[0].id, keys), part[1], True)
    return None


def _ref(provider_id: str, keys: Sequence[ApiKey]) -> str:
    own = [key.ref for key in keys if key.name.provider == provider_id]
    return own[0] if len(own) == 1 else f"{provider_id}/default"


def _is_plainly_a_name(text: str) -> bool:
    """In a broken .env, a piece of a value can stand where a name should: a line of a private key ends in = as well."""
    return re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", text) is not None and not candidates(text)


def text_of(entries: Iterable[Entry], left_out: Sequence[str]) -> str:
    """The file's text."""
    lines = [_HEAD, "[env]"]
    for entry in entries:
        ref = entry.ref.removesuffix("/default")
        named = f'{{ key = "{ref}", field = "{entry.field}" }}' if entry.field else f'"{ref}"'
        lines.append(f"{entry.variable} = {named}")
    if names := [name for name in left_out if _is_plainly_a_name(name)]:
        lines += ["", f"# Not keys that keyvault knows, so left out: {', '.join(names)}"]
    return "\n".join(lines) + "\n"
