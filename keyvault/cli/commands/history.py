"""`keyvault history`."""

from __future__ import annotations

import click

from keyvault.cli import options, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.refs import parse_ref
from keyvault.vault.keys import ApiKey, Version


@click.command()
@click.argument("ref")
@options.as_json
@common
@click.pass_obj
def command(session: Session, ref: str, as_json: bool) -> None:
    """The values a key has had, oldest first; `get --version N` reveals one."""
    vault = session.open()
    name = str(parse_ref(ref))
    key = vault.find(name)
    if key is None:
        raise vault.no_such_key(name)
    versions = [
        {
            "version": key.number(version),
            "stored": clock.rfc3339(version.at),
            "fingerprint": version.fingerprint or None,
            "state": _state(key, version),
        }
        for version in key.versions
    ]
    if as_json:
        render.json_out({"ref": key.ref, "versions": versions})
    else:
        rows = [(str(v["version"]), str(v["stored"]), str(v["fingerprint"] or "-"), str(v["state"])) for v in versions]
        render.table(("VERSION", "STORED", "FINGERPRINT", "STATE"), rows)


def _state(key: ApiKey, version: Version) -> str:
    if not version.blob:
        return "purged"
    if version.id == key.current:
        return "current"
    if key.rotation and version.id in (key.rotation.old, key.rotation.new):
        return "retiring" if key.rotation.promoted else "pending"
    return "earlier"
