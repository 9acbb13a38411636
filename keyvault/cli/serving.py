"""What the agent does: it runs the same commands for its clients, with their folder and environment and the open vault."""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # which the type checker wants to hear first

import gc
import os
import re
from typing import TYPE_CHECKING

from keyvault.agent import handing, place, protocol
from keyvault.agent.client import DATA, EXEC, NOT_SERVED, SERVED
from keyvault.agent.protocol import Call, Reply
from keyvault.agent.server import Server
from keyvault.agent.warm import Handed, KeysDoNotFit, Signature, WarmUsage, WarmVault, signature
from keyvault.cli import exits, quick, streams, terminal
from keyvault.cli.keeper import Keeper, no_screen_lock, tell_begun, tell_failed
from keyvault.cli.session import Session
from keyvault.core import settings
from keyvault.core.errors import KeyvaultError, VaultCorrupt
from keyvault.core.harden import harden_process
from keyvault.unlock.opening import existing_store
from keyvault.unlock.unlocker import Unlocker
from keyvault.vault.anchor import Anchors, files_of
from keyvault.vault.usage import Usage
from keyvault.vault.vault import Vault

if TYPE_CHECKING:
    from keyvault.agent.screen_lock import ScreenLock
    from keyvault.environment.resolve import Resolved
    from keyvault.environment.selection import Selection
    from keyvault.formats.base import Format, Rendered

_OF_ITS_OWN = ("--debug", "--help", "-h")  # they show places in the program, or are as wide as the terminal
_UTF8 = re.compile(r"(?i)C|POSIX|.*\.utf-?8(@.*)?")


def take_over(*, in_foreground: bool) -> int:
    """Be the agent for what is handed over on stdin, until it ends; the exit code. Tells first whether it began."""
    harden_process()
    try:
        handed = handing.receive(0)
        agent = Agent(handed)
        screen = _screen_lock() if handed.limits.on_screen_lock else None
        agent.vault().all_keys()  # the first client does not wait for them to be decoded
        gc.freeze()  # they stay: looking through them for garbage takes long, so what answers leave behind can be seen to often
        gc.set_threshold(5000)
        here = place.take(handed.home)
    except KeyvaultError as exc:
        return tell_failed(exc, in_foreground=in_foreground)
    tell_begun(agent.lifetime, in_foreground=in_foreground)
    try:
        Server(here, agent.lifetime, agent.serve, agent.status, agent.still_wanted, screen).run()
    finally:
        handed.keys.wipe()
        place.leave(here)
    return exits.DONE


def _screen_lock() -> ScreenLock:
    if sys.platform != "linux":
        no_screen_lock()
    from keyvault.agent.screen_lock import ScreenLock

    return ScreenLock()


class Agent(Keeper):
    """The open vault, and what is done with it for clients."""

    def __init__(self, handed: Handed) -> None:
        super().__init__(handed)
        path = self._where.vault_path
        self._files = [path, *files_of(handed.state, handed.keys.vault_id, path)]
        self._served_before = 0
        self.untold: list[str] = []  # what the vault said once, and no answer that was sent has said yet
        self._open: WarmVault | None = None
        self._looked: Signature = ()
        self._usage: WarmUsage | None = None
        self._stood_in: tuple[bytes, bytes] | None = None  # folder and environment of the client before: most have its own
        self._asked: settings.Settings

    def vault(self) -> WarmVault:
        """The vault as it is now. One that is damaged, older, or another's ends the agent. Raises KeyvaultError."""
        try:
            return self._vault()
        except (KeysDoNotFit, VaultCorrupt) as exc:
            self._ended = exc.message
            raise

    def _vault(self) -> WarmVault:
        """Opened anew where anything about its files changed."""
        present = self._signature()
        if self._open is None or present != self._looked:
            self._close()
            store = existing_store(self._where)
            try:
                self._open = WarmVault(store, self._handed.keys, Anchors(self._handed.state))
            except BaseException:
                store.close()
                raise
            self._usage = None
            self._looked = self._signature()
        self._open.refresh()
        return self._open

    def usage(self, vault: Vault) -> Usage:
        """The usage file, kept open too."""
        if self._usage is None:
            self._usage = WarmUsage(self._handed.state, vault.header.vault_id, vault.root.fingerprint_key)
        return self._usage

    def serve(self, call: Call) -> Reply:
        """Answer `call` or `keys`; what cannot be served is left to the client, and leaves nothing behind."""
        try:
            if not self._stand_in(call):
                return Reply(NOT_SERVED)
            return self.hand_out(self.vault()) if call.verb == "keys" else self._run(call)
        except (KeyvaultError, OSError, streams.NotServed):
            self._close()
        finally:
            streams.serve(None)
            os.chdir("/")
        return Reply(NOT_SERVED)

    def still_wanted(self) -> str:
        """Why there is nothing left to serve, or an empty string. What is not asked for is let go of."""
        if self._served == self._served_before and self._open is not None:
            self._open.forget()
        self._served_before = self._served
        return super().still_wanted()

    def _run(self, call: Call) -> Reply:
        words = call.words
        if not words or words[0] not in SERVED or any(word in _OF_ITS_OWN for word in words):
            return Reply(NOT_SERVED)
        caller = streams.Caller(call.terminals, call.columns, call.pid)
        streams.serve(caller)
        session = WarmSession(self, words, self._asked)
        code = quick.run(words, session)
        if self._handed.keys.refused:  # meanwhile
            return Reply(NOT_SERVED)
        if session.told:
            self.untold.clear()
        self._served += 1
        if session.program is not None:
            return Reply(EXEC, 0, (*caller.said, (DATA, session.program)))
        return Reply(0, code, tuple(caller.said))

    def _stand_in(self, call: Call) -> bool:
        """Be where the client is, with its environment; whether it means this vault. Raises OSError, InvalidInput."""
        os.chdir(call.folder)
        if (call.folder, call.environment) == self._stood_in:
            return True
        self._stood_in = None
        environment = protocol.variables(call.environment)
        if not _same_text(environment):
            return False
        settings.take_environment(environment)
        self._asked = settings.load()
        ours = (self._asked.home, self._asked.state) == (self._handed.home, self._handed.state)
        if ours and not settings.unlocking_given():
            self._stood_in = call.folder, call.environment
        return self._stood_in is not None

    def _signature(self) -> Signature:
        folders = tuple(info[:4] for info in signature([self._where.home, self._where.state]))
        return folders + signature(self._files)

    def hear(self, vault: Vault) -> None:
        """Take what the vault has to say."""
        self.untold += (notice for notice in vault.notices if notice not in self.untold)
        vault.notices.clear()

    def _close(self) -> None:
        if self._open is not None:
            self.hear(self._open)
            self._open.store.close()
        self._open = None


class WarmSession(Session):
    """One request: everything that needs the client's own process ends in NotServed."""

    def __init__(self, agent: Agent, words: list[str], asked: settings.Settings) -> None:
        super().__init__(words)
        self._settings = asked
        self._agent = agent
        self._chosen: tuple[WarmVault, Selection]
        self.program: bytes | None = None  # what the client is to become
        self.told = False  # all that there was

    def open(self, unlocker: Unlocker | None = None, *, believe_store: bool = False) -> Vault:
        """The open vault."""
        if unlocker or believe_store:
            streams.not_served()
        try:
            vault = self._agent.vault()
        except KeyvaultError as exc:  # the client says it, with the person to unlock
            raise streams.NotServed from exc
        self.tell_notices(vault)
        return vault

    def tell_notices(self, vault: Vault) -> None:
        """Say once what the vault has to say; again where the client did it by itself and heard nothing of this."""
        self._agent.hear(vault)
        for notice in self._agent.untold:
            terminal.warn(notice)
        self.told = True

    def close(self, vault: Vault) -> None:
        """It stays open."""

    def resolve(self, vault: Vault, selection: Selection) -> Resolved:
        """As it was found before in this state: nobody was asked then, for here nobody can be."""
        assert isinstance(vault, WarmVault)
        self._chosen = vault, selection
        find = super().resolve
        return vault.remember(selection, lambda found: len(found.keys), lambda: find(vault, selection))

    def render(self, form: Format, resolved: Resolved) -> Rendered:
        """As it was written before. What is for shells hangs on nothing but the variables."""
        write = super().render
        if not form.is_shell:
            return write(form, resolved)
        vault, selection = self._chosen
        return vault.remember((form.name, selection), lambda _: len(resolved.keys), lambda: write(form, resolved))

    def usage(self, vault: Vault) -> Usage:
        """When keys were used on this machine."""
        return self._agent.usage(vault)

    def become(self, words: list[str], environment: dict[str, str], masked: list[str]) -> int:
        """Have the client become the program, if it is one that can be started."""
        from shutil import which

        program = which(words[0], path=environment.get("PATH", os.defpath))
        index = len(self.words) - len(words)
        if masked or program is None or self.words[index:] != words or not _is_program(program):
            streams.not_served()
        block = "\0".join(f"{name}={value}" for name, value in environment.items())
        self.program = f"{index}\0{block}".encode("utf-8", "surrogateescape")
        return 0


def _is_program(path: str) -> bool:
    """The kernel starts it by itself: what only a shell could read is left to the slow path."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not hold the agent up
    try:
        start = os.read(file, 4)
    finally:
        os.close(file)
    return start[:2] == b"#!" or start in (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")


def _same_text(environment: dict[str, str]) -> bool:
    """The client's bytes mean the same text here: its locale's encoding is UTF-8, as the interpreter would find."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), "C")
    if not _UTF8.fullmatch(locale) or environment.keys() & {"PYTHONUTF8", "PYTHONCOERCECLOCALE"}:
        return False
    if locale in ("C", "POSIX") and not environment.get("LC_ALL"):
        environment["LC_CTYPE"] = "C.UTF-8"  # so the interpreter does, and `run` passes it on (PEP 538)
    return True
