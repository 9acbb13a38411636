"""Talking to a person: errors, warnings and tips on stderr, questions on the terminal itself. Nothing here touches stdout.

One law for all lines: `keyvault: kind: text`, lower case, no full stop, never a value.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from keyvault.cli import streams
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.text import escape

if TYPE_CHECKING:
    from io import FileIO

_TERMINAL_LINE = 4095  # bytes; Linux drops what is longer (termios(3), canonical mode)

_LONGEST = 1000  # characters of a message


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
    """Plain lines of a conversation."""
    from keyvault.cli.language import said_lines

    _write(said_lines(text) + "\n")


def is_terminal(fd: int) -> bool:
    """Whether a standard stream is a terminal."""
    if client := streams.caller():
        return client.terminals[fd]
    try:
        return os.isatty(fd)
    except OSError:
        return False


def columns() -> int:
    """How many columns standard output shows; 0 where it is no terminal, or one that does not say."""
    if client := streams.caller():
        return client.columns
    try:
        return os.get_terminal_size(1).columns if is_terminal(1) else 0
    except OSError:
        return 0


def shows_colour(fd: int) -> bool:
    """A standard stream is a terminal that shows colour, and the person has not said no (https://no-color.org)."""
    from keyvault.core.settings import variable

    wanted = not variable("NO_COLOR") and variable("TERM") not in (None, "", "dumb")
    return wanted and sys.platform != "win32" and is_terminal(fd)


def can_ask() -> bool:
    """Whether there is a terminal to ask on, whatever stdin and stdout are."""
    streams.only_here()
    if sys.platform == "win32":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def ask_hidden(prompt: str) -> str:
    """A line typed or pasted without echo, whole or not at all: getpass would take a part. Raises Interrupted, InvalidInput."""
    streams.only_here()
    if sys.platform == "win32":
        from getpass import getpass

        try:
            return getpass(escape(_said(prompt)))
        except (EOFError, KeyboardInterrupt) as exc:
            raise Interrupted from exc
    import termios
    from select import select

    try:
        with open("/dev/tty", "r+b", buffering=0) as tty:
            before = termios.tcgetattr(tty)
            hidden, single = before.copy(), before.copy()
            hidden[3] &= ~termios.ECHO
            single[3] &= ~(termios.ECHO | termios.ICANON)  # half a line counts as input too
            try:
                termios.tcsetattr(tty, termios.TCSAFLUSH, hidden)
                line = _ask_on(tty, prompt)
                termios.tcsetattr(tty, termios.TCSANOW, single)
                more = b""
                while (
                    not more.strip(b"\r\n") and select([tty], [], [], 0.05)[0]
                ):  # ends of lines behind a pasted one are no text
                    more = tty.read(1024) or b"\x04"
            finally:
                termios.tcsetattr(tty, termios.TCSAFLUSH, before)
                tty.write(b"\n")
    except (KeyboardInterrupt, OSError, termios.error) as exc:  # the last two: the terminal is gone
        raise Interrupted from exc
    if more.strip(b"\r\n"):
        raise InvalidInput("more than one line was pasted", "--stdin or --file FILE takes text of several lines")
    if len(line) >= _TERMINAL_LINE:
        raise InvalidInput("the terminal cuts lines as long as this one", "--stdin or --file FILE takes it whole")
    try:
        return line.decode()
    except UnicodeDecodeError as exc:
        raise InvalidInput("what was typed is not UTF-8 text", "check the terminal's encoding") from exc


def ask(prompt: str) -> str:
    """A line typed with echo. Raises Interrupted, also where the terminal is gone."""
    streams.only_here()
    try:
        if sys.platform == "win32":
            sys.stderr.write(escape(_said(prompt)))
            sys.stderr.flush()
            if not (line := sys.stdin.readline()):
                raise Interrupted
            return line.rstrip("\r\n")
        with open("/dev/tty", "r+b", buffering=0) as tty:
            return _ask_on(tty, prompt).decode("utf-8", "replace")
    except (KeyboardInterrupt, OSError) as exc:
        raise Interrupted from exc


def _ask_on(tty: FileIO, prompt: str) -> bytes:
    """A line, without its end. Raises Interrupted where the input ends."""
    tty.write(escape(_said(prompt)).encode())
    line = b""
    while not line.endswith(b"\n"):
        chunk = tty.read(1024)
        if not chunk:
            raise Interrupted
        line += chunk
    return line.rstrip(b"\r\n")


def confirm(question: str) -> bool:
    """Yes or no; no is the default."""
    return ask(f"{_said(question)} [y/N] ").strip().lower() in ("y", "yes")


def _line(kind: str, text: str) -> None:
    shown = escape(_said(text))
    if len(shown) > _LONGEST:  # a name of any length may have been given; what is wrong with it stands at the end
        shown = f"{shown[: _LONGEST // 2]}…{shown[-_LONGEST // 2 :]}"
    _write(f"keyvault: {_said(kind)}: {shown}\n")


def _said(text: str) -> str:
    from keyvault.cli.language import said

    return said(text)


def _write(text: str) -> None:
    if client := streams.caller():
        client.write(streams.ERR, text.encode("utf-8", "replace"))
        return
    try:
        # Past the buffers: what they could not write would fail again at exit, and change the exit code.
        with open(sys.stderr.fileno(), "wb", buffering=0, closefd=False) as stream:
            data = text.encode("utf-8", "replace")
            while data:
                data = data[stream.write(data) :]
    except (OSError, AttributeError, ValueError):
        return  # nobody can hear
