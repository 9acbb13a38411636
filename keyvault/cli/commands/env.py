"""`keyvault env`, for all that `keyvault.cli.quick` leaves to click."""

from __future__ import annotations

import click

from keyvault.cli import exits, explaining, options
from keyvault.cli.app import common
from keyvault.cli.exporting import Request, run
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.formats import DIALECTS, FORMATS, of_file


@click.command()
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--format", "format_name", default="auto", metavar="F", help=f"One of auto, {', '.join(FORMATS)}.")
@click.option(
    "--dialect",
    default="portable",
    type=click.Choice(DIALECTS),
    help="Which reader of .env files to write for; portable is what all read alike.",
)
@click.option(
    "-o",
    "--output",
    type=GIVEN,
    metavar="FILE",
    help="Write into FILE and keep its other lines. The format is dotenv if none is given.",
)
@options.profile
@click.option("--explain", is_flag=True, help="Say where each variable would come from, instead of printing values.")
@click.option("--unset", is_flag=True, help="Print what removes these variables from the shell again.")
@click.option("--reveal", is_flag=True, help="Show values on a terminal too.")
@common
@click.pass_obj
def command(
    session: Session,
    refs: tuple[str, ...],
    format_name: str,
    dialect: str,
    output: str,
    profile: str | None,
    explain: bool,
    unset: bool,
    reveal: bool,
) -> int:
    """Print keys as variables: eval "$(keyvault env)".

    Without REF: what the project in this folder names, if you allowed it; else each vendor's default key, or all its keys
    where none is called default. On a terminal, values are masked.
    """
    if explain:
        explaining.explain(session, refs, profile)
        return exits.DONE
    if output and format_name == "auto":
        format_name = "renviron" if of_file(output) == "renviron" else "dotenv"
    return run(session, Request(refs, format_name, dialect, output, unset, reveal, profile))
