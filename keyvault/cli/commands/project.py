"""`keyvault project`."""

from __future__ import annotations

import os

import click

from keyvault.cli import exits, options, render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import AlreadyExists, NotFound
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.environment import project, project_file
from keyvault.environment.resolve import choose
from keyvault.environment.selection import FILE, Selection, nearest
from keyvault.environment.trust import Trust
from keyvault.store import files

_NAMED_IN = (".env.example", ".env.sample", ".env.template", ".env", ".env.local", ".Renviron")
_LARGEST = 1024 * 1024


@click.group(no_args_is_help=False)
@common
def command() -> None:
    """A project's own list of keys, by name: .keyvault.toml."""


@command.command("init")
@click.argument("sources", nargs=-1, metavar="[FILE]...")
@common
@click.pass_obj
def init(session: Session, sources: tuple[str, ...]) -> None:
    """Write .keyvault.toml from the names in FILE, or in this folder's .env files.

    Values are not looked at, and stay where they are.
    """
    path = os.path.join(os.path.realpath(absolute(".")), FILE)
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "edit it, or remove it first")
    read = sources or tuple(name for name in _NAMED_IN if os.path.lexists(name))
    if not read:
        raise NotFound("no .env or .env.example here", "name a file, or write .keyvault.toml by hand: keyvault project --help")
    variables = [name for source in read for name in _names_in(source)]
    entries, left_out = project_file.propose(variables, session.open().all_keys())
    text = project_file.text_of(entries, left_out)
    made = project.parse(path, text.encode())
    files.create_private(path, text.encode(), 0o644)  # names only, made to be committed
    Trust(session.settings.state).allow(made)
    render.out(text)
    terminal.tip(f"wrote {escape(path)}; keyvault project check says what is missing")


@command.command("check")
@click.option("--profile", metavar="P", help="With that profile; else all of them are checked.")
@options.as_json
@common
@click.pass_obj
def check(session: Session, profile: str | None, as_json: bool) -> int:
    """Say which keys the project needs and the vault has not, and how to add them. The exit code is 3 if any is missing."""
    path = project_here(None)
    standing = Trust(session.settings.state).look_at(path)
    found = standing.project
    vault = session.open()
    missing: list[tuple[str, str]] = []
    profiles = [profile] if profile is not None else ["", *found.profiles]
    for name in profiles:
        selection = Selection((), tuple(found.entries(name)), path, name)
        missing += [(name, line) for line in vault.read(lambda state, s=selection: choose(vault, state, s).missing)]  # type: ignore[misc]
    lines = list(dict.fromkeys(line for _, line in missing))
    if as_json:
        render.json_out({"path": path, "allowed": standing.allowed, "missing": lines})
    else:
        for line in lines:
            render.tell(escape(line) + "\n")
        if not lines:
            terminal.tip("nothing is missing")
        if not standing.allowed:
            terminal.tip("the project is not allowed yet: keyvault allow")
    return exits.NOT_FOUND if lines else exits.DONE


def project_here(path: str | None) -> str:
    """The real path of the project file: at `path` (the file or its folder), or the nearest one. Raises NotFound."""
    folder = absolute(path if path is not None else ".")
    if path is not None and os.path.basename(folder) == FILE:
        folder = os.path.dirname(folder)
    found = nearest(folder)
    if found is None or (path is not None and os.path.dirname(found) != os.path.realpath(folder)):
        raise NotFound(
            f"no {FILE} there" if path is not None else f"no {FILE} here or above",
            "keyvault project init makes one",
        )
    return found


def _names_in(source: str) -> list[str]:
    from io import StringIO

    from dotenv.parser import parse_stream

    text = files.read_named(absolute(source), _LARGEST).decode("utf-8", "replace")
    return [binding.key for binding in parse_stream(StringIO(text)) if binding.key and binding.value is not None]
