"""One secret in the operating system's keyring, asked for through a helper process that can be killed.

A keyring may hang, load plug-ins or print what it likes, so it is never touched in this process: `keyring_helper` does
one thing and exits, and is killed when it takes too long. Nothing here opens a dialog unless `interactive` says that a
person is there. The vault keeps a single item, so one question is asked however many keys there are.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from keyvault.core import settings
from keyvault.core.errors import InvalidInput, Unreachable
from keyvault.core.text import escape

if TYPE_CHECKING:
    import subprocess

QUICK = 3.0  # seconds: a probe, or nobody at the terminal
PATIENT = 60.0  # seconds: a person may have to find and answer a dialog
SECRET_BYTES = 32

_STILL = "the passphrase still unlocks the vault, and so do a recovery code and a key file"


class KeyringUnavailable(Unreachable):
    """There is no keyring here, it cannot be used, or it answered something that keyvault did not write."""


class KeyringLocked(Unreachable):
    """The keyring is locked and opens only for a person."""


class KeyringDismissed(Unreachable):
    """The dialog was dismissed, or nothing could show it (the two look alike from here)."""


class KeyringTimeout(Unreachable):
    """The keyring did not answer in time."""


class Item(NamedTuple):
    """What an item is called. Not secret: other programs of the user see it."""

    service: str
    user: str


_ANYTHING = Item("keyvault", "probe")


def probe(timeout: float = QUICK) -> str:
    """The name of the keyring that answers here and is unlocked, such as "SecretService". Never opens a dialog.

    Raises KeyringUnavailable, KeyringLocked, KeyringTimeout.
    """
    return _ask("probe", _ANYTHING, timeout=timeout)[1]


def read(item: Item, *, timeout: float = QUICK, interactive: bool = False) -> bytes | None:
    """The secret of `item`, or None if an unlocked keyring has no such item.

    Raises KeyringUnavailable, KeyringLocked, KeyringDismissed, KeyringTimeout.
    """
    word, text = _ask("read", item, timeout=timeout, interactive=interactive)
    if word == "missing":
        return None
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if secret.hex() != text or len(secret) != SECRET_BYTES:
        raise KeyringUnavailable("the keyring's item for this vault does not hold what keyvault wrote", _STILL)
    return secret


def take(service: str, user: str, *, timeout: float = QUICK, interactive: bool = False) -> str | None:
    """What another program keeps in the keyring, or None; without `user`, any item of the service. It is not changed.

    Raises InvalidInput, KeyringUnavailable, KeyringLocked, KeyringDismissed, KeyringTimeout.
    """
    for name in (service, user):
        if len(name) > 500 or not name.isprintable() or name.startswith("-"):
            raise InvalidInput("this is no name of a keyring item", "write keyring:SERVICE or keyring:SERVICE/USER")
    word, text = _call("take", Item(service, user), b"", timeout, interactive=interactive)
    if word == "missing":
        return None
    try:
        return bytes.fromhex(text).decode()
    except ValueError as exc:
        raise KeyringUnavailable("the keyring's helper process gave no text", _STILL) from exc


def write(item: Item, secret: bytes, *, timeout: float = QUICK, interactive: bool = False) -> None:
    """Put `secret` (32 bytes) into the keyring, replacing what `item` held; it has been read back when this returns.

    Raises InvalidInput, KeyringUnavailable, KeyringLocked, KeyringDismissed, KeyringTimeout.
    After a KeyringTimeout the item may or may not have been written.
    """
    if len(secret) != SECRET_BYTES:
        raise InvalidInput(f"an unlock secret has {SECRET_BYTES} bytes")
    _ask("write", item, secret=secret, timeout=timeout, interactive=interactive)


def delete(item: Item, *, timeout: float = QUICK, interactive: bool = False) -> None:
    """Take `item` out of the keyring; it is not there when this returns, whether or not it was before.

    Raises KeyringUnavailable, KeyringLocked, KeyringDismissed, KeyringTimeout.
    """
    _ask("delete", item, timeout=timeout, interactive=interactive)


def _ask(verb: str, item: Item, *, secret: bytes = b"", timeout: float, interactive: bool = False) -> tuple[str, str]:
    """Run the helper for one verb on an item of our own."""
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", name) for name in item):
        raise InvalidInput("the name of a keyring item is letters, digits, dot, dash, underscore and slash")
    return _call(verb, item, secret, timeout, interactive=interactive)


def _call(verb: str, item: Item, secret: bytes, timeout: float, *, interactive: bool) -> tuple[str, str]:
    """Run the helper for one verb. Returns ("done", text) or ("missing", ""); everything else is raised."""
    import time

    environment = settings.helper_environment()
    if sys.platform not in ("darwin", "win32"):
        environment["DBUS_SESSION_BUS_ADDRESS"] = _session_bus(environment)
    start = time.monotonic()
    code, answer, noise = _run(
        [verb, "ask" if interactive else "quiet", *item], secret.hex().encode() + b"\n", environment, timeout
    )
    # Exactly one word and one line: a helper that says anything else is not believed.
    match = re.fullmatch(rb"([a-z]{1,20})\n([ -~]{0,600000})\n", answer) if code is not None else None
    word, text = (match[1].decode(), match[2].decode()) if match else ("", "")
    if code == 0 and word in ("done", "missing"):
        return word, text
    if code is None or word == "timeout":
        raise KeyringTimeout(f"the keyring did not answer in {time.monotonic() - start:.1f} s", _STILL)
    if word == "locked":
        raise KeyringLocked("the keyring is locked", f"unlock it on the desktop, or try again on a terminal; {_STILL}")
    if word == "dismissed":
        raise KeyringDismissed("the dialog that unlocks the keyring was dismissed, or could not be shown", _STILL)
    if word == "unavailable":
        raise KeyringUnavailable(f"the keyring cannot be used: {escape(text)}", _STILL)
    reason = escape(text) if word == "failed" else _last_line(noise) or f"exit code {code}"
    raise KeyringUnavailable(f"the keyring's helper process failed: {reason}", _STILL)


def _session_bus(environment: dict[str, str]) -> str:
    """The D-Bus socket of this login session. An address that would start a bus or a program is not followed."""
    import os
    import stat

    given = environment.get("DBUS_SESSION_BUS_ADDRESS", "")
    if given:
        for address in given.split(";"):
            if address.startswith(("unix:path=", "unix:abstract=")):
                return address
        raise KeyringUnavailable("the keyring cannot be used: DBUS_SESSION_BUS_ADDRESS does not name a local socket", _STILL)
    uid = 0
    if sys.platform != "win32":
        uid = os.getuid()
    path = os.path.join(environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}", "bus")
    try:
        found = os.stat(path)
    except OSError:
        found = None
    if found is None or not stat.S_ISSOCK(found.st_mode) or found.st_uid != uid:
        raise KeyringUnavailable("there is no keyring here: no D-Bus session (usual over SSH, in containers and in CI)", _STILL)
    return f"unix:path={path}"


def _run(arguments: list[str], request: bytes, environment: dict[str, str], timeout: float) -> tuple[int | None, bytes, bytes]:
    """Run the helper. Returns its exit code (None: killed, out of time), stdout and stderr. No process is left over."""
    import contextlib
    import subprocess

    # -P: the current folder holds no modules of ours. -s only if this process runs so: people install with pip --user.
    command = [sys.executable, "-P", *(["-s"] if sys.flags.no_user_site else [])]
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            [*command, "-m", "keyvault.store.keyring_helper", *arguments],
            bufsize=0,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as exc:
        raise KeyringUnavailable(f"the keyring's helper process does not start: {escape(str(exc.strerror))}", _STILL) from exc
    # communicate() would close stdin. Left open, it tells the helper that we live: should we be killed, it exits too.
    stdin, process.stdin = process.stdin, None
    try:
        with contextlib.suppress(BrokenPipeError):  # it died early; its exit code and stderr say why
            if stdin:
                stdin.write(request)
        answer, noise = process.communicate(timeout=timeout)
        return process.returncode, answer, noise
    except subprocess.TimeoutExpired:
        return None, b"", b""
    finally:
        _end(process)
        for end in (stdin, process.stdout, process.stderr):
            if end:
                end.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the helper and its group, and reap it."""
    import contextlib
    import os
    import signal

    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended by itself just now
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_line(noise: bytes) -> str:
    """The end of what a failed helper wrote. It closes its stderr before it holds a secret."""
    lines = noise[-2000:].decode("utf-8", "replace").strip().splitlines()
    return escape(lines[-1][:200]) if lines else ""
