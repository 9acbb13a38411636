"""`keyvault shell`."""

from __future__ import annotations

import difflib
import os

import click

from keyvault.cli import render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.text import escape
from keyvault.environment import installed, startup_file, startup_lines
from keyvault.environment.shell import detect_shell
from keyvault.environment.startup_file import StartUpFile
from keyvault.environment.startup_lines import SHELLS

_SHELL = click.argument("shell", type=click.Choice(SHELLS), required=False)
_YES = click.option("--yes", is_flag=True, help="Do not ask, and replace a block that was edited by hand.")


@click.group(no_args_is_help=False)
@common
def command() -> None:
    """Set keyvault up in a shell's start-up file, or take it out again."""


@command.command("install")
@_SHELL
@click.option("--env", "at_start", is_flag=True, help="Instead of the hook: set the keys once, whenever a shell starts.")
@_YES
@common
@click.pass_obj
def install(session: Session, shell: str | None, at_start: bool, yes: bool) -> None:
    """Put one marked block into the start-up file of SHELL, or of the calling shell: the line for `hook`, never a key.

    Shows the change and asks. For r the block sets the keys whenever R starts. What is written never asks for a passphrase.
    """
    name = shell or _calling_shell()
    where = startup_lines.place(name)
    body = startup_lines.lines(name, installed.command(), at_start=at_start)
    file = startup_file.read(where.path)
    wanted = startup_file.with_block(file.data, body, new=file.mode is None)
    if wanted == file.data:
        terminal.tip(f"nothing to do: {escape(where.path)} has the block")
        return
    _agree(session, where.path, file, wanted, yes=yes)
    startup_file.write(file, wanted)
    called = "R" if name == "r" else name
    terminal.tip(f"wrote {escape(file.path)}; it counts for every {called} that starts from now on")


@command.command("uninstall")
@_SHELL
@_YES
@common
@click.pass_obj
def uninstall(session: Session, shell: str | None, yes: bool) -> None:
    """Take exactly that block out again."""
    where = startup_lines.place(shell or _calling_shell())
    file = startup_file.read(where.path)
    wanted = startup_file.without_block(file.data)
    if wanted == file.data:
        terminal.tip(f"nothing to do: {escape(where.path)} has no block of keyvault's")
        return
    _agree(session, where.path, file, wanted, yes=yes)
    if startup_file.made_by_block(file.data) or (where.own and not wanted):
        startup_file.remove(file)
    else:
        startup_file.write(file, wanted)
    terminal.tip(f"took the block out of {escape(file.path)}")


def _calling_shell() -> str:
    name = detect_shell()
    if name not in SHELLS:
        raise InvalidInput("cannot tell which shell this is for", "name it: " + ", ".join(SHELLS))
    return name


def _agree(session: Session, path: str, file: StartUpFile, wanted: bytes, *, yes: bool) -> None:
    """Show the change and ask. Raises KeyvaultError, also for a block that somebody has edited."""
    found = startup_file.find(file.data)
    if found and not found.untouched and not yes:
        raise KeyvaultError(f"the block in {escape(file.path)} was edited by hand", "--yes replaces or removes it all the same")
    if os.path.realpath(os.path.dirname(path)) != os.path.dirname(file.path) or os.path.islink(path):
        terminal.warn(f"{path} is a link; {file.path} is what changes")
    render.out(_changes(file, wanted))
    session.confirm("Change the file?", yes=yes)


def _changes(file: StartUpFile, wanted: bytes) -> str:
    """A diff without context: the lines around may hold what is nobody's business."""
    before, after = (data.decode("utf-8", "replace").splitlines() for data in (file.data, wanted))
    shown = escape(file.path)
    lines = difflib.unified_diff(before, after, shown, shown, n=0, lineterm="")
    return "".join(escape(line) + "\n" for line in lines)
