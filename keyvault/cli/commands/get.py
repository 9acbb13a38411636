"""`keyvault get`."""

from __future__ import annotations

import click

from keyvault.cli import render, streams, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import parse_ref
from keyvault.core.text import escape
from keyvault.environment.resolve import open_key
from keyvault.vault.keys import VALUE_FIELD
from keyvault.vault.usage import USED

CLEAR_AFTER = 45  # seconds


@click.command()
@click.argument("ref")
@click.option("--reveal", is_flag=True, help="Print the value, byte for byte.")
@click.option("--copy", is_flag=True, help=f"Put it on the clipboard for {CLEAR_AFTER} seconds.")
@click.option("--field", type=GIVEN, metavar="N", help="A further field instead of the main value.")
@click.option("--version", "number", type=int, metavar="N", help="An earlier value; `keyvault history REF` lists them.")
@common
@click.pass_obj
def command(session: Session, ref: str, reveal: bool, copy: bool, field: str | None, number: int | None) -> None:
    """Print or copy one value. Needs --reveal or --copy."""
    if reveal == copy:
        raise InvalidInput("say how you want the value", "--reveal prints it, --copy puts it on the clipboard")
    if copy:
        streams.only_here()
    vault = session.open()
    key, values = open_key(vault, str(parse_ref(ref)), session.approve, number)
    part = VALUE_FIELD if field is None else field
    if part not in values:
        raise NotFound(f"{key.ref} has no field {escape(part[:40])}", f"keyvault show {key.ref}")
    usage = session.usage(vault)
    session.close(vault)
    if copy:
        from keyvault.cli import clipboard

        clipboard.copy(values[part], CLEAR_AFTER)
        terminal.tip(f"copied; the clipboard is cleared in {CLEAR_AFTER} s")
    else:
        render.out(values[part] + ("\n" if terminal.is_terminal(1) else ""))
    usage.note([key.id], USED, clock.now())
