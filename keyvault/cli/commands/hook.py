"""`keyvault hook`, for what `keyvault.cli.quick` leaves to click."""

from __future__ import annotations

import click

from keyvault.cli import hooking
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.environment.hook import SHELLS


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--plan", is_flag=True, hidden=True, help="What to load in this folder; the printed code asks for it.")
@common
@click.pass_obj
def command(session: Session, shell: str, plan: bool) -> int:
    """Print code for a start-up file that loads a project's keys on entering its folder, and takes them back on leaving.

    bash and zsh: eval "$(keyvault hook bash)". `shell install` puts such a line into the right file.
    """
    return hooking.run(session, shell, plan=plan)
