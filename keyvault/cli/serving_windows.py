"""What the agent does on Windows: it hands the keys to commands, which run in their own process."""

from __future__ import annotations

import ntpath
import os
import signal

from keyvault.agent import handing
from keyvault.agent.pipe_server import PipeServer, listen
from keyvault.agent.protocol import NOT_SERVED, Call, Reply
from keyvault.agent.warm import KeysDoNotFit
from keyvault.cli import exits
from keyvault.cli.keeper import Keeper, no_screen_lock
from keyvault.core.errors import KeyvaultError, VaultCorrupt
from keyvault.unlock.opening import existing_store
from keyvault.vault.anchor import Anchors
from keyvault.vault.vault import Vault


def take_over() -> int:
    """Be the agent for what is handed over on stdin, until it ends; the exit code. Tells on stdout whether it began."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # in the foreground Ctrl-C ends it at once, and not after its next look around
    try:
        handed = handing.receive(0)
        if handed.limits.on_screen_lock:
            no_screen_lock()
        agent = Agent(handed)
        agent.look()
        user, listener = listen(handed.home)
    except KeyvaultError as exc:
        _say(exc.message.encode() + b"\n")
        return exits.code_of(exc)
    _say(handing.READY)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(nowhere, fd)
    try:
        PipeServer(listener, user, agent.lifetime, agent.serve, agent.status, agent.still_wanted).run()
    finally:
        handed.keys.wipe()
    return exits.DONE


def _say(text: bytes) -> None:
    try:
        os.write(1, text)
    except OSError:
        return  # who started us has gone on


class Agent(Keeper):
    """Opens the vault at each request, as a command would, and closes it: here nobody can replace a file that is open."""

    def serve(self, call: Call) -> Reply:
        """The keys, if they are asked for this vault and these notes of this machine."""
        if [ntpath.normcase(word) for word in call.words] != [ntpath.normcase(word) for word in self._handed[:2]]:
            return Reply(NOT_SERVED)
        self._served += 1
        try:
            return self.look()
        except (KeysDoNotFit, VaultCorrupt) as exc:
            self._ended = exc.message
        except (KeyvaultError, OSError):
            pass  # the client says it
        return Reply(NOT_SERVED)

    def look(self) -> Reply:
        """Open the vault, and close it; what is to be answered. Raises KeyvaultError."""
        store = existing_store(self._where)
        try:
            vault = Vault(store, self._handed.keys, Anchors(self._where.state))
            return self.hand_out(vault, vault.notices)
        finally:
            store.close()
