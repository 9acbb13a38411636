"""`keyvault discover`."""

from __future__ import annotations

import click

from keyvault.cli import importing, options, progress, render, terminal
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import NotFound
from keyvault.core.text import escape, mask
from keyvault.discover import places
from keyvault.discover.places import Discovery
from keyvault.discover.plan import Planned, plan


@click.command()
@click.argument("paths", type=GIVEN, nargs=-1, metavar="[PATH]...")
@options.yes
@options.replace
@click.option("--clean", is_flag=True, help="With --yes: take the values out of the files too; the originals are sealed first.")
@click.option("--json", "as_json", is_flag=True, help="What was found as JSON; nothing is taken in.")
@common
@click.pass_obj
def command(session: Session, paths: tuple[str, ...], yes: bool, replace: bool, clean: bool, as_json: bool) -> None:
    """Find keys that lie about in plain text, and take them in.

    Looks in the usual places of the home folder, and below PATH (the current folder if none is given). Follows no links.
    """
    import os

    for path in paths:
        if not os.path.lexists(path):
            raise NotFound(f"{escape(path)} does not exist", "check the path")
    files, left_out = places.files(paths or (os.curdir,))
    with progress.of(len(files), "looking", plain=as_json) as step:
        found = places.discover(files, left_out, step)
    vault = session.open()
    planned, unclaimed = plan(vault, found.found, replace=replace)
    if as_json:
        render.json_out(_as_json(planned, found, found.skipped + unclaimed))
        return
    for line in found.skipped + unclaimed:
        terminal.warn(line)
    if not planned:
        terminal.tip("no keys lie about in plain text in these places")
        return
    _show(planned, found)
    importing.take(session, vault, planned, yes=yes)
    if clean or (not yes and session.someone_there):
        importing.clean(session, vault, planned, "", yes=yes)


def _show(planned: list[Planned], found: Discovery) -> None:
    """A row for each place; those of one key stand together."""
    rows = []
    now = clock.now()
    for item in planned:
        about = (str(item.ref), item.sure, ", ".join(item.variables), mask(item.value.reveal()))
        for number, one in enumerate(importing.main_places(item)):
            place = found.places.get(one.path)
            age = f"{max(0, now - place.modified) // clock.DAY}d" if place else "-"
            open_to = "others can read it" if place and place.open_to_others else ""
            first = about if number == 0 else ("", "", "", "")
            rows.append((*first, escape(one.where), age, item.action if number == 0 else "", open_to))
    render.table(("KEY", "VENDOR IS", "VARIABLE", "VALUE", "FOUND IN", "CHANGED", "ACTION", ""), rows)


def _as_json(planned: list[Planned], found: Discovery, skipped: list[str]) -> dict[str, object]:
    made = importing.as_json(planned, skipped)
    for key in made["keys"]:
        for place in key["places"]:
            seen = found.places.get(place["path"])
            place["changed"] = clock.rfc3339(seen.modified) if seen else None
            place["mode"] = f"{seen.mode:04o}" if seen else None
            place["open_to_others"] = seen.open_to_others if seen else None
    return made
