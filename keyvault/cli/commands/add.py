"""`keyvault add`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import details, pages, terminal, value_input
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import AlreadyExists, InvalidInput
from keyvault.core.refs import KeyRef, is_variable, parse_ref
from keyvault.providers import catalogue, identify
from keyvault.vault import changes
from keyvault.vault.changes import Details
from keyvault.vault.keys import VALUE_FIELD


@click.command()
@click.argument("ref", type=GIVEN, required=False)
@value_input.options
@details.options
@click.option("--open", "open_page", is_flag=True, help="Open the vendor's page where keys are made first.")
@common
@click.pass_obj
def command(
    session: Session, /, ref: str | None, stdin: bool, file: str | None, from_env: str | None, open_page: bool, **said: Any
) -> None:
    """Put a key in, under REF: a vendor, or vendor/label.

    Asks for the value and does not show it. REF may be left out where the value's shape tells the vendor.
    """
    name = _name_of(ref) if ref else None
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
    if open_page:
        if name is None:
            raise InvalidInput("--open needs to know the vendor", "keyvault add VENDOR --open")
        pages.open_console(catalogue.get(name.provider), print_url=False)
    value = value_input.read_value(session, f"key for {name or 'the vault'}", stdin=stdin, file=file, from_env=from_env)
    name = name or _name_from(value)
    fields, secrecy = details.read_fields(session, name.provider, said, {})
    known["fields"] = secrecy
    known["variables"] = details.variables_for(name.provider, said, secrecy, {})
    if said["base_url"] is not None and (removed := vault.find(str(name))):  # rollback would bring its values to that address
        session.approve([removed])
    with vault.transaction("add") as tx:
        key = changes.add(tx, str(name), {VALUE_FIELD: value, **fields}, known, now)
    session.tell_notices(vault)
    warn_about(value, name)
    same = [k.ref for k in vault.all_keys() if k.ref != key.ref and k.value.fingerprint == key.value.fingerprint]
    if same:
        terminal.warn(f"{same[0]} has the same value")
    terminal.tip(f"added {key.ref} as {', '.join(key.variables)}")


def _name_of(ref: str) -> KeyRef:
    """The name that was given. Raises InvalidInput; where a variable was named, it says what to type in its place."""
    try:
        return parse_ref(ref)
    except InvalidInput as exc:
        if owner := identify.by_variable(ref):
            hint = f"keyvault add {owner.id}"
        elif found := identify.field_by_variable(ref):
            hint = f"it belongs to the key of {found[0].id}: keyvault add {found[0].id}"
        elif is_variable(ref):
            hint = f"keyvault add VENDOR --env {ref}"
        else:
            raise
        raise InvalidInput(exc.message, hint) from exc


def warn_about(value: str, name: KeyRef) -> None:
    """Say what looks like a mistake about a value; it was stored all the same."""
    for doubt in value_input.doubts(value):
        terminal.warn(doubt)
    found = identify.candidates(value.strip())
    if found and found[0].checksum_wrong and found[0].provider.id == name.provider:
        terminal.warn("its checksum is wrong: it was mistyped, or cut")
    if found and found[0].certain and found[0].provider.id != name.provider:
        terminal.warn(f"this looks like a key of {found[0].provider.name}, and was stored as {name}")


def _name_from(value: str) -> KeyRef:
    found = identify.candidates(value.strip())
    if found and found[0].certain:
        return parse_ref(found[0].provider.id)
    likely = [candidate.provider.id for candidate in found[:4]]
    raise InvalidInput(
        f"the value could be a key of {', '.join(likely)}; its shape does not tell"
        if likely
        else "the value does not tell whose key it is",
        f"name it: keyvault add {likely[0] if likely else 'VENDOR'}, or {likely[0] if likely else 'VENDOR'}/LABEL",
    )
