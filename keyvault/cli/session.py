"""What a command needs of the outside: settings, a person to ask, an open vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.cli import terminal
from keyvault.core import clock, settings
from keyvault.core.errors import InvalidInput, KeyvaultError, Locked
from keyvault.core.settings import Settings
from keyvault.unlock.opening import open_vault, usage_of
from keyvault.unlock.unlocker import People, Unlocker
from keyvault.vault.usage import Usage
from keyvault.vault.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyvault.environment.resolve import Resolved
    from keyvault.environment.selection import Selection
    from keyvault.formats.base import Format, Rendered
    from keyvault.vault.keys import ApiKey


class Session:
    """One run of the program."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        self.words = list(words)  # the command line
        self.no_input = False
        self.debug = False
        self.on_failure: Callable[[int], None] | None = None  # hears the exit code of an error
        self.new_files: list[str] = []  # key files and recovery codes of slots that are not in the vault yet
        self.new_items: list[tuple[str, str]] = []  # their items in the OS keyring: vault and slot
        self.opened_with: Unlocker | None = None  # has `used` no slot, an agent had the keys
        self._settings: Settings | None = None
        self._approved: set[str] = set()

    @property
    def settings(self) -> Settings:
        """The environment's settings, read once."""
        if self._settings is None:
            self._settings = settings.load()
        return self._settings

    @property
    def someone_there(self) -> bool:
        """A person may be asked."""
        return not self.no_input and terminal.can_ask()

    @property
    def _kept_from_asking(self) -> bool:
        """A person is there, but `--no-input` was said; and an agent would have answered."""
        return self.no_input and terminal.can_ask()

    def people(self) -> People:
        """How to ask and to tell."""
        return People(terminal.ask_hidden if self.someone_there else None, terminal.warn, kept=self._kept_from_asking)

    def unlocker(self) -> Unlocker:
        """A new unlocker from the settings."""
        return Unlocker(self.settings, self.people())

    def open(self, unlocker: Unlocker | None = None, *, believe_store: bool = False) -> Vault:
        """The vault, unlocked; its notices are told."""
        if unlocker or believe_store:
            vault = open_vault(self.settings, unlocker or self.unlocker(), believe_store=believe_store)
        else:
            vault = self._open_warm()
        self.tell_notices(vault)
        return vault

    def _open_warm(self) -> Vault:
        """With the keys that an agent holds, else by unlocking: then an agent may keep them."""
        unlocker = self.opened_with = self.unlocker()
        if settings.unlocking_given():  # it comes before any agent
            return open_vault(self.settings, unlocker)
        from keyvault.cli import agents

        vault = open_vault(self.settings, agents.keys_first(self.words, unlocker))
        if unlocker.by_person:
            agents.start_after(self.settings, vault)
        return vault

    def close(self, vault: Vault) -> None:
        """Let go of the vault's file before something slow."""
        vault.store.close()

    def become(self, words: list[str], environment: dict[str, str], masked: list[str]) -> int:
        """Become another program with this environment, or stay to mask these values in its output. Raises RunFailed."""
        from keyvault.core.harden import restore_limits
        from keyvault.environment.run import run

        return run(words, environment, redact=masked, before_exec=restore_limits)

    def tell_notices(self, vault: Vault) -> None:
        """Say once what the vault has to say."""
        for notice in vault.notices:
            terminal.warn(notice)
        vault.notices.clear()

    def resolve(self, vault: Vault, selection: Selection) -> Resolved:
        """The variables that were meant, with their values; a person is asked where a key wants that. Raises as `resolve`."""
        from keyvault.environment.resolve import resolve

        return resolve(vault, selection, self.approve)

    def render(self, form: Format, resolved: Resolved) -> Rendered:
        """The variables as text."""
        return form.render(resolved.variables)

    def usage(self, vault: Vault) -> Usage:
        """When keys were used on this machine."""
        return usage_of(self.settings, vault)

    def remind(self, vault: Vault, keys: list[ApiKey]) -> None:
        """At most once a day, and only on a terminal: a line about keys among these that should be replaced."""
        if not terminal.is_terminal(2):
            return
        from keyvault.cli.language import said

        now = clock.now()
        due = [f"{key.ref} ({said(why)})" for key in keys if (why := key.due(now))]
        if not due:
            return
        from keyvault.vault import reminders

        if reminders.first_today(self.settings.state, vault.header.vault_id, now):
            more = f" and {len(due) - 3} more" if len(due) > 3 else ""
            terminal.tip(f"to be replaced: {', '.join(due[:3])}{more}; keyvault rotate --due")

    def approve(self, keys: Sequence[ApiKey]) -> None:
        """Ask about each key that is marked `confirm`, once in a run. Raises Locked, and KeyvaultError where it is refused."""
        for key in keys:
            if not key.confirm or key.id in self._approved:
                continue
            if not self.someone_there:
                raise Locked(
                    f"{key.ref} asks before each use, and nobody can be asked", "run it on a terminal, without --no-input"
                )
            if not terminal.confirm(f"use {key.ref}?"):
                raise KeyvaultError(f"the use of {key.ref} was refused, so nothing was done", f"answer y to use {key.ref}")
            self._approved.add(key.id)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only if the person agrees, or said `--yes`. Raises KeyvaultError."""
        if yes:
            return
        if not self.someone_there:
            raise InvalidInput("this needs a yes, and there is no terminal to ask on", "add --yes")
        if not terminal.confirm(question):
            raise KeyvaultError("not confirmed, so nothing was changed", "answer y to go on, or add --yes")
