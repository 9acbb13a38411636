"""`keyvault deny`."""

from __future__ import annotations

import click

from keyvault.cli import terminal
from keyvault.cli.app import common
from keyvault.cli.commands.project import project_here
from keyvault.cli.session import Session
from keyvault.core.text import escape
from keyvault.environment.trust import Trust


@click.command()
@click.argument("path", required=False)
@common
@click.pass_obj
def command(session: Session, path: str | None) -> None:
    """Ignore the project in this folder, or the one at PATH, without a word. `allow` takes it back."""
    found = project_here(path)
    Trust(session.settings.state).deny(found)
    terminal.tip(f"denied {escape(found)}")
