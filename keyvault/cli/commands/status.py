"""`keyvault status`."""

from __future__ import annotations

import click

from keyvault.cli import agents, exits, options, render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.text import escape


@click.command()
@options.as_json
@common
@click.pass_obj
def command(session: Session, as_json: bool) -> int:
    """Say whether an agent keeps the vault open, and for how long. The exit code is 4 where none does."""
    told = agents.status(session.settings)
    mute = not told and agents.is_mute(session.settings)
    if mute:
        terminal.warn("an agent is there and does not answer; keyvault lock ends it")
    if as_json:
        render.json_out(told or {"unlocked": False, "vault": session.settings.home})
    elif told:
        rows = [("vault", escape(session.settings.home)), ("unlocked", agents.for_so_long(told)), ("process", str(told["pid"]))]
        render.pairs(rows)
    else:
        render.pairs([("vault", escape(session.settings.home)), ("unlocked", "not known" if mute else "no agent runs")])
    return exits.DONE if told else exits.LOCKED
