"""The conversation of `init` with a person who has not said how the vault is to open."""

from __future__ import annotations

import os

from keyvault.cli import progress, terminal
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput, Unreachable
from keyvault.core.text import escape
from keyvault.core.usual_places import config_base
from keyvault.store import os_keyring
from keyvault.vault.slots import KEY_FILE, KEYRING, PASSPHRASE

_TRIES = 3


def choose(session: Session) -> tuple[str, str | None]:
    """The kind of slot, and for a key file its path. Raises InvalidInput, Interrupted."""
    terminal.say(f"A new vault for your API keys, in {escape(session.settings.home)}")
    try:
        with progress.waiting("looking for a keyring"):
            os_keyring.probe()
        absent = ""
    except Unreachable as exc:
        absent = exc.message
    kinds = {
        KEYRING: f"not possible here: {absent}" if absent else "the keyring of your desktop; nothing to type",
        PASSPHRASE: "you type it",
        KEY_FILE: "a file; for servers and scheduled jobs, where nobody types",
    }
    terminal.say("\nHow shall it open? More ways can follow.\n")
    for kind, what in kinds.items():
        terminal.say(f"  {kind.ljust(12)}{escape(said(what))}")
    offered = [kind for kind in kinds if kind != KEYRING or not absent]
    kind = _one_of(offered)
    return kind, _path() if kind == KEY_FILE else None


def _one_of(offered: list[str]) -> str:
    """What was typed, or begun to be typed; the first where it was just Enter."""
    terminal.say("")
    for _ in range(_TRIES):
        typed = terminal.ask(f"{', '.join(offered[:-1])} or {offered[-1]}? [{offered[0]}] ").strip().lower()
        meant = [kind for kind in offered if kind == typed or (typed and kind.startswith(typed))] if typed else offered[:1]
        if len(meant) == 1:
            return meant[0]
        terminal.say(f"Please type one of: {', '.join(offered)}")
    raise InvalidInput("no way to unlock was chosen, so no vault was made", "keyvault init --unlock passphrase")


def _path() -> str:
    # On all systems: where others keep settings is beside the vault on a Mac, and is copied to other machines on Windows.
    usual = os.path.join(config_base(), "keyvault", "key")
    terminal.say("\nWhoever has the key file can open the vault, so keep it out of the vault's backups.")
    typed = terminal.ask(f"key file [{usual}]: ").strip()
    return os.path.expanduser(typed) or usual
