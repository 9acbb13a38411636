"""What an agent is on every platform: the keys that it was handed, for how long, and whether they are still wanted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from keyvault.agent import handing, protocol
from keyvault.agent.lifetime import Lifetime
from keyvault.agent.protocol import NOT_SERVED, Reply
from keyvault.agent.warm import Handed, signature
from keyvault.cli import agents, exits, terminal
from keyvault.core import settings
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.vault.vault import Vault


def tell_begun(lifetime: Lifetime, *, in_foreground: bool) -> None:
    """To the person in front of it, or to who started it. After that it has nothing to do with stdin and stdout."""
    if in_foreground:
        terminal.tip(f"unlocked, {agents.for_so_long(lifetime.left())}")
    else:
        _say(handing.READY)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nowhere, fd)


def tell_failed(exc: KeyvaultError, *, in_foreground: bool) -> int:
    """Why it did not begin; the exit code."""
    if in_foreground:
        terminal.error(exc)
    else:
        _say(f"{exc.message}\n{exc.hint}".encode())
    return exits.code_of(exc)


def _say(text: bytes) -> None:
    try:
        os.write(1, text)
    except OSError:
        return  # who started us has gone on


class Keeper:
    """Keeps keys."""

    def __init__(self, handed: Handed) -> None:
        self.lifetime = Lifetime(handed.limits)
        self._handed = handed
        self._where = settings.Settings(handed.home, handed.state, False, None, "", None, "", "")
        self._ended = ""
        self._served = 0
        self._program = signature([os.path.dirname(os.path.abspath(__file__))])

    def status(self) -> bytes:
        """What `status --json` shows."""
        import json

        limits = self._handed.limits
        told = {"unlocked": True, "vault": self._handed.home, "pid": os.getpid(), **self.lifetime.left()}
        told |= {
            "lock_on_suspend": limits.on_suspend,
            "lock_on_screen_lock": limits.on_screen_lock,
            "served": self._served,
        }
        return json.dumps(told).encode()

    def still_wanted(self) -> str:
        """Why there is nothing left to serve, or an empty string. Asked every few seconds."""
        if not os.path.lexists(self._where.vault_path):
            return "the vault is gone"
        if signature([os.path.dirname(os.path.abspath(__file__))]) != self._program:
            return "keyvault was changed"
        return "the vault has another key" if self._handed.keys.refused else self._ended

    def hand_out(self, vault: Vault, notices: Sequence[str] = ()) -> Reply:
        """The keys, for a command that needs them. Not where a key needs a yes at each use: nobody would ask any more.

        `notices` is what the vault said to us, and will not say again to who has the keys.
        """
        keys, asks = self._handed.keys, any(key.confirm for key in vault.all_keys())
        if asks and not notices:
            return Reply(NOT_SERVED)
        about = "\0".join([keys.vault_id, str(keys.epoch), "\n".join(notices), ""]).encode("utf-8", "surrogatepass")
        return protocol.data(about + (b"" if asks else keys.joined()))


def no_screen_lock() -> NoReturn:
    """Raises InvalidInput."""
    raise InvalidInput("the screen lock is heard on Linux only", "set lock_on_screen_lock = false in config.toml")
