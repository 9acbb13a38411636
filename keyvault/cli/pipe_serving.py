"""What the agent does on Windows: it hands the keys to commands, which run in their own process."""

from __future__ import annotations

import ntpath
import signal

from keyvault.agent import handing
from keyvault.agent.pipe_server import PipeServer, listen
from keyvault.agent.protocol import NOT_SERVED, Call, Reply
from keyvault.agent.warm import KeysDoNotFit
from keyvault.cli import exits
from keyvault.cli.keeper import Keeper, no_screen_lock, tell_begun, tell_failed
from keyvault.core.errors import KeyvaultError, VaultCorrupt
from keyvault.unlock.opening import existing_store
from keyvault.vault.anchor import Anchors
from keyvault.vault.vault import Vault


def take_over(*, in_foreground: bool) -> int:
    """Be the agent for what is handed over on stdin, until it ends; the exit code. Tells first whether it began."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # in the foreground Ctrl-C ends it at once, and not after its next look around
    try:
        handed = handing.receive(0)
        if handed.limits.on_screen_lock:
            no_screen_lock()
        agent = Agent(handed)
        agent.look()
        user, listener = listen(handed.home)
    except KeyvaultError as exc:
        return tell_failed(exc, in_foreground=in_foreground)
    tell_begun(agent.lifetime, in_foreground=in_foreground)
    try:
        PipeServer(listener, user, agent.lifetime, agent.serve, agent.status, agent.still_wanted).run()
    finally:
        handed.keys.wipe()
    return exits.DONE


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
