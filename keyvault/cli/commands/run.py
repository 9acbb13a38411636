"""`keyvault run`."""

from __future__ import annotations

import click

from keyvault.cli import options, streams, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.settings import child_environment
from keyvault.environment.redact import SHORTEST
from keyvault.environment.selection import select
from keyvault.vault.usage import USED


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--only", multiple=True, metavar="REF", help="Give it only this key. Repeatable.")
@options.profile
@click.option("--redact", is_flag=True, help="Mask the values in its output where that goes to a pipe or a file.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD [ARG]...")
@common
@click.pass_obj
def command(session: Session, only: tuple[str, ...], profile: str | None, redact: bool, words: tuple[str, ...]) -> int:
    """Run a program with keys in its environment: those that `env` would print here.

    The program takes keyvault's place: its signals, terminal and exit code are its own.
    """
    if not words:
        raise InvalidInput("no program to run", "keyvault run -- CMD ARG...")
    if redact:
        streams.only_here()
    vault = session.open()
    resolved = session.resolve(vault, select(session.settings, only, profile))
    for warning in resolved.warnings:
        terminal.warn(warning)
    if resolved.missing:
        raise NotFound(f"the project is not ready: {resolved.missing[0]}", "keyvault project check lists all that is missing")
    nul = [name for name, value in resolved.variables if "\0" in value]
    if nul:
        raise InvalidInput(
            f"the value of {nul[0]} holds a NUL character, which no environment can carry", "use --only to name others"
        )
    session.usage(vault).note((key.id for key in resolved.keys), USED, clock.now())
    session.remind(vault, resolved.keys)
    session.close(vault)
    added = dict(resolved.variables)
    masked = list(added.values()) if redact else []
    for name, value in added.items():
        if redact and len(value) < SHORTEST:
            terminal.warn(f"the value of {name} is too short to be masked")
    return session.become(list(words), child_environment(added), masked)
