"""`keyvault edit`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import details, terminal, value_input
from keyvault.cli.app import common
from keyvault.cli.commands.add import warn_about
from keyvault.cli.given import GIVEN
from keyvault.cli.places import place_of
from keyvault.cli.session import Session
from keyvault.core import clock, settings
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import parse_ref
from keyvault.vault import changes
from keyvault.vault.changes import Details
from keyvault.vault.keys import VALUE_FIELD


@click.command()
@click.argument("ref")
@click.option("--value", "new_value", is_flag=True, help="Give it a new value; the present one stays in its history.")
@value_input.options
@details.options
@click.option("--leaked/--not-leaked", default=None, help="The value got where it should not be: rotate it first.")
@click.option("--place", type=GIVEN, multiple=True, metavar="FILE", help="A file that holds the key, for rotate. Repeatable.")
@click.option("--no-place", type=GIVEN, multiple=True, metavar="FILE", help="A file that does not hold it any more.")
@common
@click.pass_obj
def command(
    session: Session, /, ref: str, new_value: bool, stdin: bool, file: str | None, from_env: str | None, **said: Any
) -> None:
    """Change what is known about a key, or with --value the key itself."""
    if not new_value and (stdin or file or from_env):
        raise InvalidInput("--stdin, --file and --from-env go with --value", "add --value")
    vault = session.open()
    key = vault.get(str(parse_ref(ref)))
    # Each opens a way round the question: of some vendors a field names the host that the key is sent to.
    if said["confirm"] is False or said["base_url"] is not None or said["field"] or said["secret_field"]:
        session.approve([key])
    now = clock.now()
    values: dict[str, str] = {}
    if new_value:
        values[VALUE_FIELD] = value_input.read_value(
            session, f"new key for {key.ref}", stdin=stdin, file=file, from_env=from_env
        )
    fields, secrecy = details.read_fields(session, key.name.provider, said, key.fields)
    values |= fields
    places = [place_of(text, key) for text in said["place"]]
    known: Details = details.read_details(said, dict(key.tags), key.created or now, now)
    if said["leaked"] is not None:
        known["leaked"] = now if said["leaked"] else None
    if new_value and "created" not in known:
        known["created"] = now
    details.variables_for(key.name.provider, said, {**key.fields, **secrecy}, dict(key.variables))  # a slip is told early
    if not values and not any(said[name] not in (None, ()) for name in said):
        raise InvalidInput(
            "nothing to change was given", "say what, as in --value or --note TEXT; keyvault edit --help lists all"
        )
    with vault.transaction("edit") as tx:
        present = tx.get(key.ref)  # another edit may have come while the person was asked: only what was said changes
        all_fields = {**present.fields, **secrecy}
        known["fields"] = all_fields
        known["variables"] = details.variables_for(present.name.provider, said, all_fields, dict(present.variables))
        if said["tag"]:
            known["tags"] = details.merged_tags(said["tag"], present.tags)
        merged = {**vault.values(present), **values} if values else None
        changed = changes.edit(tx, key.ref, known, now, merged)
        for kind, path, variable in places:
            changes.register_place(tx, key.ref, kind, path, variable)
        for path in said["no_place"]:
            changes.forget_place(tx, key.ref, settings.absolute(path))
            changes.forget_place(tx, key.ref, path)  # a repository is no path
    session.tell_notices(vault)
    if new_value:
        warn_about(values[VALUE_FIELD], key.name)
        if any(v.fingerprint == changed.value.fingerprint for v in key.versions):
            terminal.warn("the key has had this value before")
    terminal.tip(f"changed {key.ref}")
