"""`keyvault env`, for all that `keyvault.cli.quick` leaves to click."""

from __future__ import annotations

import click

from keyvault.cli.app import common
from keyvault.cli.exporting import Request, run
from keyvault.cli.session import Session
from keyvault.formats import DIALECTS, FORMATS


@click.command()
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--format", "format_name", default="auto", metavar="F", help=f"One of auto, {', '.join(FORMATS)}.")
@click.option("--dialect", default="portable", type=click.Choice(DIALECTS), help="Whose reading of .env files to write for.")
@click.option("-o", "--output", default="", metavar="FILE", help="Write into FILE, keeping what else is in it.")
@click.option("--unset", is_flag=True, help="Print what takes the variables back.")
@click.option("--reveal", is_flag=True, help="Show values on a terminal too.")
@common
@click.pass_obj
def command(
    session: Session, refs: tuple[str, ...], format_name: str, dialect: str, output: str, unset: bool, reveal: bool
) -> int:
    """Print keys as variables: eval "$(keyvault env)".

    Without REF: each vendor's default key, or its only one.
    """
    if output and format_name == "auto":
        format_name = "renviron" if output.endswith(".Renviron") else "dotenv"
    return run(session, Request(refs, format_name, dialect, output, unset, reveal))
