"""`keyvault which`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import exits, options, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.refs import check_variable
from keyvault.core.text import escape
from keyvault.environment.provenance import EMPTY, OTHER, SAME, UNSET, Provenance, trace
from keyvault.environment.selection import PROJECT, select
from keyvault.vault.keys import VALUE_FIELD

_NOW = {UNSET: "not set", EMPTY: "set to nothing", SAME: "set to this key", OTHER: "set to another value"}


@click.command()
@click.argument("variable", metavar="VAR")
@click.option("--profile", metavar="P", help="As with `env`.")
@options.as_json
@common
@click.pass_obj
def command(session: Session, variable: str, profile: str | None, as_json: bool) -> int:
    """Say which key VAR gets here and why, what it shadows, and what this shell has in it now.

    The exit code is 3 where no key gives it a value.
    """
    check_variable(variable)
    vault = session.open()
    found = trace(vault, select(session.settings, (), profile), variable)
    if as_json:
        render.json_out(_as_dict(found))
    else:
        render.pairs([(what, escape(text)) for what, text in _rows(found)])
    return exits.DONE if found.choice else exits.NOT_FOUND


def _rows(found: Provenance) -> list[tuple[str, str]]:
    rows = [("variable", found.variable)]
    if choice := found.choice:
        key = choice.key
        rows.append(
            ("key", f"{key.ref}, version {key.number(key.value)}" + (f", field {choice.field}" if choice.field else ""))
        )
        rows.append(("because of", _source(found)))
    else:
        rows.append(("key", "none: keyvault env gives it no value here"))
        rows.append(("looked at", _source(found)))
    rows += [("shadows", f"{ref}: {why}") for ref, why in found.shadowed]
    rows.append(("this shell", _NOW[found.now] + (f" ({found.shown})" if found.now == OTHER else "")))
    return rows + [("note", note) for note in found.notes]


def _source(found: Provenance) -> str:
    chosen = found.selection
    if chosen.source != PROJECT:
        return "the default: every vendor's default or only key"
    return f"project {chosen.path}" + (f", profile {chosen.profile}" if chosen.profile else "")


def _as_dict(found: Provenance) -> dict[str, Any]:
    choice = found.choice
    return {
        "variable": found.variable,
        "ref": choice.key.ref if choice else None,
        "field": choice.field if choice and choice.field != VALUE_FIELD else None,
        "version": choice.key.number(choice.key.value) if choice else None,
        "source": found.selection.source,
        "project": found.selection.path or None,
        "profile": found.selection.profile or None,
        "shadows": [{"ref": ref, "reason": why} for ref, why in found.shadowed],
        "environment": found.now,
        "notes": found.notes,
    }
