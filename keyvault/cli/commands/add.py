"""`keyvault add`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import details, terminal, value_input
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, InvalidInput
from keyvault.core.refs import KeyRef, parse_ref
from keyvault.providers.identify import by_value
from keyvault.vault import changes
from keyvault.vault.changes import Details
from keyvault.vault.keys import VALUE_FIELD


@click.command()
@click.argument("ref", type=GIVEN, required=False)
@value_input.options
@details.options
@common
@click.pass_obj
def command(session: Session, /, ref: str | None, stdin: bool, file: str | None, from_env: str | None, **said: Any) -> None:
    """Put a key in, under REF: a vendor, or vendor/label.

    Asks for the value and does not show it. REF may be left out where the value's shape tells the vendor.
    """
    name = parse_ref(ref) if ref else None
    vault = session.open()
    if name and (there := vault.find(str(name))) and there.live:
        raise AlreadyExists(
            f'key "{name}" exists', f"keyvault edit --value {name} gives it a new value; {name.provider}/LABEL adds another"
        )
    now = clock.now()
    known: Details = {"created": None if file or from_env else now}
    known |= details.read_details(said, {}, now, now)
    if name:
        details.variables_for(name.provider, said, {}, {})  # a slip is told before the value is asked for
    value = value_input.read_value(session, f"key for {name or 'the vault'}", stdin=stdin, file=file, from_env=from_env)
    name = name or _name_from(value)
    fields, secrecy = details.read_fields(session, name.provider, said, {})
    known["fields"] = secrecy
    known["variables"] = details.variables_for(name.provider, said, secrecy, {})
    with vault.transaction("add") as tx:
        key = changes.add(tx, str(name), {VALUE_FIELD: value, **fields}, known, now)
    session.tell_notices(vault)
    warn_about(value, name)
    same = [k.ref for k in vault.all_keys() if k.ref != key.ref and k.value.fingerprint == key.value.fingerprint]
    if same:
        terminal.warn(f"{same[0]} has the same value")
    terminal.tip(f"added {key.ref} as {', '.join(key.variables)}")


def warn_about(value: str, name: KeyRef) -> None:
    """Say what looks like a mistake about a value; it was stored all the same."""
    for doubt in value_input.doubts(value):
        terminal.warn(doubt)
    owners = by_value(value)
    if owners and all(owner.id != name.provider for owner in owners):
        terminal.warn(f"this looks like a key of {owners[0].name}, and was stored as {name}")


def _name_from(value: str) -> KeyRef:
    owners = by_value(value)
    if len(owners) != 1:
        raise InvalidInput("the value does not tell whose key it is", "name it: keyvault add VENDOR or VENDOR/LABEL")
    return parse_ref(owners[0].id)
