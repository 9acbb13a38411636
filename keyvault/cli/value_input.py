"""Where a secret value comes from: a hidden prompt, stdin, a file, a variable. Never an argument."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import click

from keyvault.cli import terminal
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import settings
from keyvault.core.errors import InvalidInput, Locked, NotFound
from keyvault.core.refs import quoted
from keyvault.core.text import escape
from keyvault.store.files import failure
from keyvault.vault.keys import LARGEST_VALUE

_OVER = LARGEST_VALUE + 1
_ASSIGNED = re.compile(r"(?:export\s+|set\s+|\$env:)?[A-Za-z_]\w*_(?:KEY|TOKEN|SECRET)\s*=\s*\S", re.ASCII | re.IGNORECASE)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say where a value comes from."""
    for option in (
        click.option("--from-env", type=GIVEN, metavar="VAR", help="Take the value from a variable of this environment."),
        click.option("--file", "file", type=GIVEN, metavar="FILE", help="Take the value from a file, byte for byte."),
        click.option("--stdin", is_flag=True, help="Take the value from standard input, byte for byte."),
    ):
        command = option(command)
    return command


def read_value(session: Session, what: str, *, stdin: bool, file: str | None, from_env: str | None) -> str:
    """The value, exactly. Raises InvalidInput, NotFound, Locked, StoreFailed."""
    if stdin + bool(file) + bool(from_env) > 1:
        raise InvalidInput("the value can come from one place only", "choose one of --stdin, --file, --from-env")
    if from_env:
        found = settings.variable(from_env)
        if found is None:
            raise NotFound(
                f"{quoted(from_env)} is not set in this environment", "--from-env takes the name of a variable, without $"
            )
        return _checked(found)
    if stdin:
        return _checked(_decode(_read_stdin()))
    if file:
        return _checked(_decode(_read_file(file)))
    return ask_value(session, what)


def ask_value(session: Session, what: str) -> str:
    """A value typed or pasted without echo. Raises Locked, InvalidInput."""
    if not session.someone_there:
        raise Locked(f"there is no terminal to ask on for the {what}", "use --stdin, --file FILE or --from-env VAR")
    value = terminal.ask_hidden(f"{what} (hidden): ")
    if not value:
        raise InvalidInput("no value was given", "nothing was changed")
    return value


def read_secret_field(session: Session, text: str) -> tuple[str, str]:
    """`NAME` asks for the field's value; `NAME=env:VAR` and `NAME=file:PATH` say where it is."""
    name, equals, source = text.partition("=")
    if not equals:
        return name, ask_value(session, name)
    kind, _, where = source.partition(":")
    if kind == "env" and where:
        return name, read_value(session, name, stdin=False, file=None, from_env=where)
    if kind == "file" and where:
        return name, read_value(session, name, stdin=False, file=where, from_env=None)
    raise InvalidInput(
        f"--secret-field {escape(name[:40])} does not take a value", "write NAME to be asked, NAME=env:VAR or NAME=file:PATH"
    )


def doubts(value: str) -> list[str]:
    """What makes a value look like a slip of the hand; it is kept as it is."""
    found = []
    if value.endswith("\n") and "\n" not in value.rstrip("\r\n"):
        found.append("the value ends with a newline, which was kept; printf instead of echo leaves it out")
    elif value != value.strip():
        found.append("the value begins or ends with a blank, which was kept")
    text = value.strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"`":
        found.append("the value is in quotes, which were kept")
    elif _ASSIGNED.match(text):
        found.append("the value begins with the name of a variable, which was kept; give what is after the =")
    return found


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise InvalidInput("standard input is closed", "give the value through a pipe, or use --file FILE")
    try:
        return sys.stdin.buffer.read(_OVER)
    except OSError as exc:
        raise failure("read", "standard input", exc) from exc


def _read_file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_OVER)
    except FileNotFoundError as exc:
        raise NotFound(f"{escape(path)} does not exist", "check the path given to --file") from exc
    except OSError as exc:
        raise failure("read", path, exc) from exc


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        if len(data) >= _OVER:
            raise InvalidInput(
                f"the value is larger than {LARGEST_VALUE // 1024} KiB", "no API key is; was it the right file?"
            ) from exc
        raise InvalidInput("the value is not UTF-8 text", "keys are text; encode binary ones, as with base64") from exc


def _checked(value: str) -> str:
    if not value:
        raise InvalidInput("the value is empty", "nothing was changed")
    return value
