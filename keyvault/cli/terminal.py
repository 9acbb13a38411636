"""Talking to a person: errors, warnings and tips on stderr, questions on the terminal itself. Nothing here touches stdout.

One law for all lines: `keyvault: kind: text`, lower case, no full stop, never a value.
"""

from __future__ import annotations

import os
import sys

from keyvault.core.errors import KeyvaultError
from keyvault.core.text import escape


class Interrupted(Exception):
    """The person pressed Ctrl-C or Ctrl-D at a question."""


def error(exc: KeyvaultError) -> None:
    """Say what failed and what to do."""
    _line("error", exc.message)
    if exc.hint:
        _line("hint", exc.hint)


def warn(text: str) -> None:
    """Something the person should know even in a script."""
    _line("warning", text)


def tip(text: str) -> None:
    """Something that only helps a person who is watching."""
    if is_terminal(2):
        _line("tip", text)


def say(text: str) -> None:
    """A plain line of a conversation."""
    _write(text + "\n")


def is_terminal(fd: int) -> bool:
    """Whether a standard stream is a terminal."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def can_ask() -> bool:
    """Whether there is a terminal to ask on, whatever stdin and stdout are."""
    if os.name != "posix":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ask_hidden(prompt: str) -> str:
    """A line typed or pasted without echo. Raises Interrupted."""
    from getpass import getpass

    try:
        return getpass(prompt)
    except (EOFError, KeyboardInterrupt) as exc:
        raise Interrupted from exc


def ask(prompt: str) -> str:
    """A line typed with echo. Raises Interrupted."""
    try:
        if os.name != "posix":
            sys.stderr.write(prompt)
            sys.stderr.flush()
            return sys.stdin.readline().rstrip("\r\n")
        with open("/dev/tty", "r+b", buffering=0) as tty:
            tty.write(prompt.encode())
            line = b""
            while not line.endswith(b"\n"):
                chunk = tty.read(1024)
                if not chunk:
                    raise Interrupted
                line += chunk
            return line.decode("utf-8", "replace").rstrip("\r\n")
    except KeyboardInterrupt as exc:
        raise Interrupted from exc


def confirm(question: str) -> bool:
    """Yes or no; no is the default."""
    return ask(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _line(kind: str, text: str) -> None:
    _write(f"keyvault: {kind}: {escape(text)}\n")


def _write(text: str) -> None:
    try:
        sys.stderr.buffer.write(text.encode("utf-8", "replace"))
        sys.stderr.flush()
    except (OSError, AttributeError, ValueError):
        return  # nobody can hear
