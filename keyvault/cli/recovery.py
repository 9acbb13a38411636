"""The recovery code, handed to a person or a file: nobody should ever have only one way in."""

from __future__ import annotations

import secrets

from keyvault.cli import terminal
from keyvault.cli.session import Session
from keyvault.core.errors import AlreadyExists, InvalidInput, KeyvaultError
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.files import create_private
from keyvault.unlock import recovery
from keyvault.vault import slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.slots import RECOVERY

_TRIES = 3


def new_slot(session: Session, file: str | None, *, none: bool) -> SlotSecret | None:
    """A recovery slot whose code the person has, or None if they refused one. Raises InvalidInput, KeyvaultError."""
    if none:
        return None
    secret = slots.new_secret(RECOVERY)
    code = recovery.encode(secret)
    if file:
        _write(session, file, code)
    elif session.someone_there:
        _show(code)
    else:
        raise InvalidInput(
            "there is no terminal to show the recovery code on",
            "add --recovery-file FILE; init and rekey take --no-recovery as well",
        )
    return SlotSecret(RECOVERY, secret)


def _write(session: Session, path: str, code: str) -> None:
    import os

    path = absolute(path)
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "choose another --recovery-file")
    create_private(path, f"{code}\n".encode())
    session.new_files.append(path)


def _show(code: str) -> None:
    """On the terminal only, and part of it is typed back, so that it is on paper before the vault exists."""
    groups = code.split("-")
    terminal.say("\nRecovery code. It opens the vault when everything else is lost. Write it on paper:\n")
    terminal.say(f"    {'-'.join(groups[:5])}-\n    {'-'.join(groups[5:])}\n")
    asked = secrets.randbelow(len(groups))
    for _ in range(_TRIES):
        typed = terminal.ask(f"Type group {asked + 1} of {len(groups)} of your copy: ")
        if recovery.same_group(typed, groups[asked]):
            return
        terminal.warn("that is not what it says")
    raise KeyvaultError("the recovery code was not copied", "nothing was changed; --no-recovery goes without one")
