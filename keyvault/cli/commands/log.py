"""`keyvault log`."""

from __future__ import annotations

import click

from keyvault.cli import options, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.text import escape


@click.command()
@click.option("-n", "--number", type=click.IntRange(1, 10**9), default=50, show_default=True, help="How many, newest first.")
@options.as_json
@common
@click.pass_obj
def command(session: Session, number: int, as_json: bool) -> None:
    """What was changed, and when."""
    vault = session.open()
    rows = vault.log(number)
    names = {key.id: key.ref for key in vault.read(vault.keys_in)}
    entries = [
        {
            "seq": row.seq,
            "at": clock.rfc3339(row.at),
            "what": escape(row.what),
            "keys": [names.get(key, f"purged {key[:8]}") for key in row.keys],
            "total": row.total,
            "abandoned": row.abandoned[0] if row.abandoned else None,
        }
        for row in rows
    ]
    if as_json:
        render.json_out({"log": entries})
        return
    lines = []
    for row, entry in zip(rows, entries, strict=True):
        shown = ", ".join(names.get(key, f"purged {key[:8]}") for key in row.keys[:3]) + (
            f" and {row.total - 3} more" if row.total > 3 else ""
        )
        if row.abandoned:
            shown = f"in place of change {row.abandoned[0]}"
        lines.append((str(row.seq), str(entry["at"]), str(entry["what"]), shown))
    render.table(("CHANGE", "TIME", "WHAT", "KEYS"), lines)
