"""`keyvault show`."""

from __future__ import annotations

import click

from keyvault.cli import options, render
from keyvault.cli.app import common
from keyvault.cli.commands.list_keys import age, as_dict, balance_text, verdict_text
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.refs import parse_ref
from keyvault.core.text import escape, mask
from keyvault.environment.resolve import only_when_named
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.usage import Used


@click.command()
@click.argument("ref")
@options.as_json
@common
@click.pass_obj
def command(session: Session, ref: str, as_json: bool) -> None:
    """All about one key. Its value is masked; further fields that are not secret are shown."""
    vault = session.open()
    key, values = vault.open_key(str(parse_ref(ref)))
    used = session.usage(vault).read().get(key.id, Used(None, None))
    if as_json:
        plain = {name: values[name] for name, secret in key.fields.items() if not secret}
        render.json_out(as_dict(key, used) | {"plain_fields": plain})
        return
    number, newest = key.number(key.value), key.number(key.versions[-1])
    rows = [
        ("key", key.ref),
        (
            "value",
            f"{mask(values[VALUE_FIELD])}  (version {number} of {newest}, fingerprint {key.value.fingerprint})",
        ),
        *((f"field {name}", mask(values[name]) if secret else escape(values[name])) for name, secret in key.fields.items()),
        *(("variable", f"{variable}{f' = field {field}' if field else ''}") for variable, field in key.variables.items()),
        ("age", age(key, clock.now())),
        ("created", _day(key.created, said("unknown"))),
        ("added", _day(key.added)),
        ("changed", _day(key.changed)),
        ("last used", _day(used.used)),
        ("last exported", _day(used.exported)),
        ("verdict", _verdict(key)),
        *((("balance", balance_text(key)),) if key.balance_now else ()),
        ("expires", _day(key.expires)),
        ("rotate after", f"{key.rotate_after // clock.DAY}d" if key.rotate_after is not None else "-"),
        *((("rotation", f"{escape(key.rotation.step)} since {_day(key.rotation.at)}"),) if key.rotation else ()),
        *((("leaked", _day(key.leaked)),) if key.leaked is not None else ()),
        *((f"lies in ({escape(place.kind)})", escape(place.path)) for place in key.places),
        *((f"tag {escape(name)}", escape(value)) for name, value in key.tags.items()),
        *((what, escape(text)) for what, text in _texts(key._asdict())),
    ]
    if why := only_when_named(key):
        rows.append(("exported", why))
    render.pairs(rows)


def _verdict(key: ApiKey) -> str:
    """The verdict, its day, and its cause."""
    if (checked := key.checked_now) is None:
        return f"- (keyvault check {key.ref} asks the vendor)"
    return f"{verdict_text(key, checked.at)} on {clock.day(checked.at)}: {escape(checked.reason)}"


def _texts(fields: dict[str, object]) -> list[tuple[str, str]]:
    names = ("base_url", "vendor_name", "vendor_id", "scopes", "note")
    return [(name.replace("_", " "), str(fields[name])) for name in names if fields[name]]


def _day(at: int | None, otherwise: str = "-") -> str:
    return otherwise if at is None else clock.day(at)
