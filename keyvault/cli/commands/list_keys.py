"""`keyvault list`."""

from __future__ import annotations

import fnmatch
from typing import Any

import click

from keyvault.cli import options, render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.text import escape, money
from keyvault.vault.keys import ApiKey
from keyvault.vault.usage import Used

_NEVER = Used(None, None)


@click.command()
@click.argument("pattern", required=False)
@click.option("--removed", is_flag=True, help="List the removed keys instead.")
@options.as_json
@common
@click.pass_obj
def command(session: Session, pattern: str | None, removed: bool, as_json: bool) -> None:
    """List keys; PATTERN is part of a name, a variable, a tag, or a glob such as openai/*."""
    vault = session.open()
    keys = [key for key in vault.all_keys(removed=removed) if pattern is None or matches(key, pattern)]
    used = session.usage(vault).read()
    if as_json:
        render.json_list_out("keys", (as_dict(key, used.get(key.id, _NEVER)) for key in keys))
    elif keys:
        now = clock.now()
        columns = ["KEY", "AGE", "LAST USED", "EXPIRES", "VERDICT", "BALANCE", "ROTATION", "VARIABLES"]
        rows = [_row(key, used.get(key.id, _NEVER), now) for key in keys]
        shown = [n for n in range(len(columns)) if n not in (4, 5, 6) or any(row[n] != "-" for row in rows)]
        render.table([columns[n] for n in shown], [[row[n] for n in shown] for row in rows])
    else:
        terminal.tip("no keys" if pattern else "no keys yet: keyvault add openai, or keyvault import .env")


def matches(key: ApiKey, pattern: str) -> bool:
    """The pattern fits the key's name, a variable, or a tag."""
    wanted = pattern.lower()
    texts = [key.ref, *key.variables, *(f"{name}={value}" for name, value in key.tags.items())]
    return any(wanted in text.lower() or fnmatch.fnmatchcase(text.lower(), wanted) for text in texts)


def as_dict(key: ApiKey, used: Used) -> dict[str, Any]:
    """A key as `--json` shows it; the shape is documented in docs/reference/json.md."""
    return {
        "ref": key.ref,
        "provider": key.name.provider,
        "env": list(key.variables),
        "created": _time(key.created),
        "added": _time(key.added),
        "changed": _time(key.changed),
        "last_used": _time(used.used),
        "last_exported": _time(used.exported),
        "expires": _time(key.expires),
        "rotate_after_days": key.rotate_after // clock.DAY if key.rotate_after is not None else None,
        "fingerprint": key.value.fingerprint,
        "verdict": key.checked_now.verdict if key.checked_now else None,
        "checked": _time(key.checked_now.at) if key.checked_now else None,
        "balance": [amount._asdict() for amount in key.balance_now.amounts] if key.balance_now else None,
        "balance_at": _time(key.balance_now.at) if key.balance_now else None,
        "versions": sum(1 for version in key.versions if version.blob),
        "fields": {name: "secret" if secret else "plain" for name, secret in key.fields.items()},
        "tags": dict(key.tags),
        "note": key.note,
        "base_url": key.base_url,
        "vendor_name": key.vendor_name,
        "vendor_id": key.vendor_id,
        "scopes": key.scopes,
        "auto": key.auto,
        "confirm": key.confirm,
        "rotation": key.rotation.step if key.rotation else None,
        "due": key.due(clock.now()) or None,
        "leaked": _time(key.leaked),
        "places": [place._asdict() for place in key.places],
        "removed": _time(key.deleted),
    }


def age(key: ApiKey, now: int) -> str:
    """How old the current value is; "at least" where only the vault's own date is known. Never negative."""
    since = key.value.at if len(key.versions) > 1 else key.created
    days = max(0, now - (since if since is not None else key.added)) // clock.DAY
    return f"{days}d" if since is not None else f">={days}d"


def _row(key: ApiKey, used: Used, now: int) -> tuple[str, ...]:
    last = max(used.used or 0, used.exported or 0)
    expires = "-" if key.expires is None else clock.day(key.expires) + (" expired" if key.expires <= now else "")
    used_on = clock.day(last) if last else "-"
    rotation = key.rotation.step if key.rotation else "leaked" if key.leaked is not None else "-"
    told = verdict_text(key, now), balance_text(key), escape(rotation)
    return key.ref, age(key, now), used_on, expires, *told, ", ".join(key.variables)


def verdict_text(key: ApiKey, now: int) -> str:
    """What the vendor last said, and how many days ago if not today."""
    if (checked := key.checked_now) is None:
        return "-"
    days = max(0, now - checked.at) // clock.DAY
    return escape(checked.verdict.replace("_", " ")) + (f" ({days}d ago)" if days else "")


def balance_text(key: ApiKey) -> str:
    """What was last told to be left."""
    amounts = key.balance_now.amounts if key.balance_now else ()
    return ", ".join(escape(money(a.amount, a.unit) + (f" {a.means}" if a.means != "left" else "")) for a in amounts) or "-"


def _time(at: int | None) -> str | None:
    return None if at is None else clock.rfc3339(at)
