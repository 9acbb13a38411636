"""Load and look up vendors. A vendor is data: adding one is adding a file."""

from __future__ import annotations

import os
import tomllib
from functools import cache
from typing import NamedTuple

_FOLDER = os.path.join(os.path.dirname(__file__), "vendors")


class Field(NamedTuple):
    """A further part of a credential, and the variable that programs read it from."""

    variable: str
    secret: bool


class Provider(NamedTuple):
    """One vendor. `variables`: the first is the one its own SDK reads. `patterns` match a whole key and no other vendor's."""

    id: str
    name: str
    aliases: tuple[str, ...]
    variables: tuple[str, ...]
    patterns: tuple[str, ...]
    fields: dict[str, Field]
    base_url: str
    console_url: str


@cache
def load(provider_id: str) -> Provider | None:
    """The vendor of that id, or None."""
    path = os.path.join(_FOLDER, f"{provider_id}.toml")
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        data = tomllib.load(file)
    return Provider(
        id=data["id"],
        name=data["name"],
        aliases=tuple(data.get("aliases", ())),
        variables=tuple(data["variables"]),
        patterns=tuple(data.get("patterns", ())),
        fields={name: Field(**field) for name, field in data.get("fields", {}).items()},
        base_url=data.get("base_url", ""),
        console_url=data.get("console_url", ""),
    )


@cache
def ids() -> tuple[str, ...]:
    """The ids of all vendors, in order."""
    return tuple(sorted(name.removesuffix(".toml") for name in os.listdir(_FOLDER) if name.endswith(".toml")))


def everyone() -> list[Provider]:
    """All vendors, by id."""
    return [provider for provider_id in ids() if (provider := load(provider_id))]
