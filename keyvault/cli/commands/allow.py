"""`keyvault allow`."""

from __future__ import annotations

import click

from keyvault.cli import render, terminal
from keyvault.cli.app import common
from keyvault.cli.commands.project import project_here
from keyvault.cli.session import Session
from keyvault.core.text import escape
from keyvault.environment.project import Entry
from keyvault.environment.trust import Trust


@click.command()
@click.argument("path", required=False)
@common
@click.pass_obj
def command(session: Session, path: str | None) -> None:
    """Let the project in this folder, or the one at PATH, say which keys `env` and `run` give out here.

    Shows what it asks for. It has to be allowed again only when it asks for more.
    """
    trust = Trust(session.settings.state)
    standing = trust.look_at(project_here(path))
    new = set(standing.added)
    rows = [
        (section or "-", entry.variable, _key(entry), "new" if entry in new else "")
        for section, entries in standing.project.sections.items()
        for entry in entries
    ]
    if rows:
        render.table(("PROFILE", "VARIABLE", "KEY", ""), rows)
    trust.allow(standing.project)
    terminal.tip(f"allowed {escape(standing.project.path)}")


def _key(entry: Entry) -> str:
    return entry.ref + (f" field {escape(entry.field)}" if entry.field else "") + ("" if entry.required else " (optional)")
