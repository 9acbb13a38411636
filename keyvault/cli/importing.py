"""What `import` and `discover` share: the preview, taking in, and the offer to clean up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyvault.cli import render, terminal
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import KeyvaultError
from keyvault.core.text import counted, escape, mask
from keyvault.discover import reading, windows_variables
from keyvault.discover.clean import Cleaning, carry_out, changed_since, held, marked_in
from keyvault.discover.clean import undo as put_back
from keyvault.discover.found import Found
from keyvault.discover.plan import Planned, forget_places, take_in
from keyvault.unlock.opening import originals_of
from keyvault.vault.vault import Vault


def show(planned: Sequence[Planned]) -> None:
    """The preview as a table."""
    headings = ("KEY", "VENDOR IS", "VARIABLE", "VALUE", "FROM", "ACTION")
    rows = []
    for p in planned:
        where = ", ".join(escape(f.where) for f in main_places(p))
        rows.append((str(p.ref), p.sure, ", ".join(p.variables), mask(p.value.reveal()), where, p.action))
    render.table(headings, rows)


def main_places(item: Planned) -> list[Found]:
    """Where the value itself stands; its further parts lie beside it."""
    parts = {part.variable for part in item.fields.values()}
    return [f for f in item.places if f.variable not in parts]


def as_json(planned: Sequence[Planned], skipped: Sequence[str]) -> dict[str, Any]:
    """The preview as docs/reference/json.md has it; never a value."""
    return {
        "keys": [
            {
                "ref": str(p.ref),
                "vendor_is": p.sure,
                "env": list(p.variables),
                "masked": mask(p.value.reveal()),
                "fields": {name: "secret" if part.secret else "plain" for name, part in p.fields.items()},
                "places": [{"path": f.path, "line": f.line or None, "variable": f.variable or None} for f in p.places],
                "action": p.action,
            }
            for p in planned
        ],
        "skipped": list(skipped),
    }


def take(session: Session, vault: Vault, planned: Sequence[Planned], *, yes: bool) -> int:
    """Ask, and put into the vault what is new; how many keys that were."""
    to_do = [p for p in planned if p.changes_vault]
    if to_do:
        session.confirm(f"take {counted(len(to_do), 'key')} in?", yes=yes)
    take_in(vault, planned, clock.now())
    session.tell_notices(vault)
    return len(to_do)


def clean(session: Session, vault: Vault, planned: Sequence[Planned], kind: str, *, yes: bool) -> None:
    """Offer, for each file, to take out what the vault was seen to hold; the original is sealed and put away first."""
    originals = originals_of(session.settings, vault)
    there = held(vault, planned)
    files = dict.fromkeys(f.path for p in planned for f in p.places if (f.variable, f.value.reveal()) in there)
    _clean_windows(session, there, planned, yes=yes)
    for path in files:
        if path == windows_variables.PLACE:
            continue
        try:
            cleaning = reading.cleaning_of(path, kind, there)
            if cleaning is None:
                continue
            for line in cleaning.left:
                terminal.warn(line)
            if not cleaning.gone:
                continue
            _show_changes(cleaning)
            what = f"take {counted(len(cleaning.gone), 'value')} out of {escape(path)}?"
            if not yes and not (session.someone_there and terminal.confirm(what)):
                terminal.warn(f"{escape(path)} was left as it is")
                continue
            carry_out(cleaning, originals, clock.now())
            if not cleaning.left:
                forget_places(vault, (item.ref for item in cleaning.gone), path)
        except KeyvaultError as exc:
            terminal.warn(
                f"{exc.message if escape(path) in exc.message else f'{escape(path)}: {exc.message}'}; it was left as it is"
            )
        else:
            terminal.tip(f"cleaned {escape(path)}; keyvault import --undo FILE puts it back as it was")


def _clean_windows(session: Session, there: dict[tuple[str, str], str], planned: Sequence[Planned], *, yes: bool) -> None:
    """Offer to remove permanent variables of Windows. The vault has their values, so nothing else is put away."""
    places = [f for p in planned for f in p.places if f.path == windows_variables.PLACE]
    values = {f.variable: f.value.reveal() for f in places if (f.variable, f.value.reveal()) in there}
    what = f"remove {', '.join(values)} from your permanent variables?"
    if values and (yes or (session.someone_there and terminal.confirm(what))):
        terminal.tip(f"removed {counted(len(windows_variables.remove(values)), 'variable')}; programs that run keep theirs")


def _show_changes(cleaning: Cleaning) -> None:
    render.out(f"{escape(cleaning.file.path)}\n")
    for line, before, after in cleaning.changes:
        render.out(f"-{line}: {before}\n" + (f"+{line}: {after}\n" if after else ""))


def undo(session: Session, vault: Vault, path: str, *, yes: bool) -> None:
    """Put a file back as it was before its last cleaning. Raises NotFound, KeyvaultError where it has changed since."""
    originals = originals_of(session.settings, vault)
    session.approve(marked_in(vault, path, originals))
    if changed_since(path, originals) and not yes:
        raise KeyvaultError(
            f"{escape(path)} was changed after it was cleaned, so nothing was put back", "--yes puts the original in its place"
        )
    put_back(path, originals)
    terminal.tip(f"{escape(path)} is as it was, with its values in plain text")
