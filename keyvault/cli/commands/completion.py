"""`keyvault completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from keyvault.cli import render
from keyvault.cli.app import common
from keyvault.core.errors import InvalidInput

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@common
def command(shell: str) -> None:
    """Print a completion script: commands and options. Names of keys are sealed, so they are not completed."""
    from keyvault.cli.app import app

    made = get_completion_class(shell)
    if made is None:
        raise InvalidInput(f"no completion for {shell}", f"known: {', '.join(_SHELLS)}")
    render.out(made(app, {}, "keyvault", "_KEYVAULT_COMPLETE").source() + "\n")
