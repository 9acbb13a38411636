"""`keyvault import`."""

from __future__ import annotations

import click

from keyvault.cli import importing, options, render, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.core.text import counted
from keyvault.discover import reading
from keyvault.discover.plan import plan
from keyvault.discover.sources import KINDS


@click.command("import")
@click.argument("sources", type=GIVEN, nargs=-1, metavar="SOURCE...")
@click.option("--from", "kind", type=click.Choice(KINDS), help="What kind of source it is, where name and content do not tell.")
@click.option("--all", "settings_too", is_flag=True, help="Of .env files take what is no secret too, such as a port.")
@options.yes
@options.replace
@click.option("--clean", is_flag=True, help="Then offer to take the values out of the files; the originals are sealed first.")
@click.option("--undo", type=GIVEN, metavar="FILE", help="Put FILE back as it was before its last cleaning.")
@click.option("--json", "as_json", is_flag=True, help="The preview as JSON; nothing is taken in without --yes.")
@common
@click.pass_obj
def command(session: Session, /, sources: tuple[str, ...], kind: str | None, undo: str | None, **flags: bool) -> None:
    """Take keys in from files and other programs' stores. Shows what it found, and asks.

    The sources are touched by --clean alone.
    """
    if bool(undo) == bool(sources):
        raise InvalidInput("import needs a source" if not undo else "--undo takes no source", "keyvault import --help")
    if undo:
        importing.undo(session, session.open(), undo, yes=flags["yes"])
        return
    ask = terminal.ask_hidden if session.someone_there else None
    found, skipped = reading.read_all(sources, kind or "", ask, settings_too=flags["settings_too"])
    vault = session.open()
    planned, unclaimed = plan(vault, found, replace=flags["replace"])
    if flags["as_json"]:
        render.json_out(importing.as_json(planned, skipped + unclaimed))
        if not flags["yes"]:
            return
    else:
        for line in skipped + unclaimed:
            terminal.warn(line)
        if not planned:
            terminal.tip("nothing to import")
            return
        importing.show(planned)
    taken = importing.take(session, vault, planned, yes=flags["yes"])
    if flags["clean"]:
        importing.clean(session, vault, planned, kind or "", yes=flags["yes"])
    elif taken:
        terminal.tip(f"took {counted(taken, 'key')} in; the files still hold the values in plain text: --clean")
