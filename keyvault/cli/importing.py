"""What `import` and `discover` share: the preview, taking in, and the offer to clean up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keyvault.cli import render
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.text import escape, mask
from keyvault.discover.plan import Planned, take_in
from keyvault.vault.vault import Vault


def show(planned: Sequence[Planned]) -> None:
    """The preview as a table."""
    headings = ("KEY", "VENDOR IS", "VARIABLE", "VALUE", "FROM", "ACTION")
    rows = [
        (str(p.ref), p.sure, ", ".join(p.variables), mask(p.value.reveal()), ", ".join(map(escape, places(p))), p.action)
        for p in planned
    ]
    render.table(headings, rows)


def places(item: Planned) -> list[str]:
    """Where the value itself stands; its further parts lie beside it."""
    return [f.where for f in item.places if f.variable not in {part.variable for part in item.fields.values()}]


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
        session.confirm(f"take {count(len(to_do), 'key')} in?", yes=yes)
        take_in(vault, to_do, clock.now())
        session.tell_notices(vault)
    return len(to_do)


def count(number: int, what: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
