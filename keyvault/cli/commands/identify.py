"""`keyvault identify`."""

from __future__ import annotations

import click

from keyvault.cli import exits, options, render, terminal, value_input
from keyvault.cli.app import common
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core.errors import NotFound
from keyvault.providers import identify
from keyvault.providers.identify import Candidate


@click.command()
@value_input.options
@options.as_json
@common
@click.pass_obj
def command(session: Session, stdin: bool, file: str | None, from_env: str | None, as_json: bool) -> int:
    """Say whose key a value is, by its shape alone. It is sent nowhere, and not stored."""
    value = value_input.read_value(session, "key to look at", stdin=stdin, file=file, from_env=from_env).strip()
    found = identify.candidates(value)
    if as_json:
        entries = [{"provider": c.provider.id, "kind": c.pattern.kind, "certain": c.certain} for c in found]
        render.json_out({"candidates": entries})
        return exits.DONE
    if not found:
        raise NotFound("no vendor in the catalogue has keys of this shape", "keyvault providers lists the vendors")
    render.table(("VENDOR", "NAME", "KIND", ""), [_row(candidate) for candidate in found])
    if not found[0].certain:
        terminal.tip("the shape alone does not tell which of these it is")
    return exits.DONE


def _row(found: Candidate) -> tuple[str, str, str, str]:
    doubt = "its checksum is wrong: mistyped, or cut" if found.checksum_wrong else "possible"
    return found.provider.id, found.provider.name, found.pattern.kind, said("certain" if found.certain else doubt)
