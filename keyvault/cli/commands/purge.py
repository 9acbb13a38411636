"""`keyvault purge`."""

from __future__ import annotations

import click

from keyvault.cli import options, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import AlreadyExists
from keyvault.core.refs import parse_ref
from keyvault.vault import changes


@click.command()
@click.argument("ref")
@click.option("--versions", is_flag=True, help="Erase only the earlier values of a key that stays.")
@options.yes
@common
@click.pass_obj
def command(session: Session, ref: str, versions: bool, yes: bool) -> None:
    """Erase for good: a removed key with all its values, or the earlier values of a live one.

    Backups made before still hold them.
    """
    vault = session.open()
    name = str(parse_ref(ref))
    key = vault.find(name)
    if key is None:
        raise vault.no_such_key(name)
    if key.live and not versions:
        raise AlreadyExists(f'key "{name}" is in use', f"keyvault rm {name} first; or --versions for its earlier values")
    what = "the earlier values of " if versions else ""
    session.confirm(f"erase {what}{name} for good?", yes=yes)
    with vault.transaction("purge") as tx:
        erased = changes.purge(tx, name, clock.now(), versions_only=versions)
    session.tell_notices(vault)
    terminal.tip(f"erased {erased} {'value' if erased == 1 else 'values'}")
