"""The agent, as commands see it: whether it has the keys, and starting one after a person unlocked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from keyvault.agent import keys
from keyvault.cli import streams, terminal
from keyvault.core import clock, settings
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.settings import Settings

if TYPE_CHECKING:
    from keyvault.agent.lifetime import Limits
    from keyvault.agent.warm import Handed
    from keyvault.unlock.unlocker import Unlocker
    from keyvault.vault.vault import Unlock, Vault

_SETTINGS = {"start": bool, "for": str, "idle": str, "lock_on_suspend": bool, "lock_on_screen_lock": bool}


def keys_first(words: list[str], unlocker: Unlocker) -> Unlock:
    """Unlock with what the agent has, else as ever. One that had no time is asked for the whole command again at last."""

    def whole_command() -> None:
        if sys.platform != "win32":
            from keyvault.agent import client

            if (code := client.ask(words, client.WHOLE_ANSWER)) is not None:
                raise streams.Answered(code)

    return keys.first(unlocker, whole_command, terminal.warn)


def start_after(configured: Settings, vault: Vault) -> None:
    """A person unlocked: unless their settings say no, nobody asks them again for hours. Never fails."""
    if settings.variable("KEYVAULT_NO_AGENT"):
        return
    try:
        wanted = _table()
        if wanted.get("start", True):
            _spawn(handed(configured, vault, limits(wanted, "")), wait=False)
    except KeyvaultError as exc:
        terminal.warn(f"no agent was started: {exc.message}")


def handed(configured: Settings, vault: Vault, wanted: Limits) -> Handed:
    """What a new agent is given."""
    from keyvault.agent.warm import Handed, purpose_keys

    return Handed(configured.home, configured.state, wanted, purpose_keys(vault))


def limits(table: dict[str, Any] | None, longest: str) -> Limits:
    """How long an agent may stay: `longest`, where it is given, and [agent] in config.toml. Raises InvalidInput, UnsafeFile."""
    from keyvault.agent.lifetime import USUAL, Limits, span

    said = _table() if table is None else table
    whole = longest or said.get("for", "")
    return Limits(
        span(whole) if whole else USUAL,
        span(said["idle"]) if said.get("idle") else 0,
        on_suspend=said.get("lock_on_suspend", False),
        on_screen_lock=said.get("lock_on_screen_lock", False),
    )


def _table() -> dict[str, Any]:
    from keyvault.core.text import escape
    from keyvault.store import config_file

    said = config_file.table("agent")
    if said is None or any(type(value) is not _SETTINGS.get(name) for name, value in said.items()):
        raise InvalidInput(
            f"{escape(config_file.path())}: [agent] knows {', '.join(_SETTINGS)}", 'as in start = false, or for = "8h"'
        )
    return said


def status(configured: Settings) -> dict[str, Any] | None:
    """What the agent of this vault says about itself, or None where none answers."""
    import json

    if sys.platform == "win32":
        from keyvault.agent import pipe_client

        content = pipe_client.ask(configured.home, b"status")
    else:
        from keyvault.agent import client, place

        answer = client.exchange(place.path_of(configured.home), b"status", [], client.WHOLE_ANSWER, client.WHOLE_ANSWER)
        content = b"".join(part for _, part in answer[2]) if answer and answer[0] == client.DONE else None
    if content is None:
        return None
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def is_mute(configured: Settings) -> bool:
    """After `status` heard nothing: whether an agent is there all the same, such as one that was stopped or is stuck."""
    if sys.platform == "win32":
        return False
    from keyvault.agent import client, place

    return place.path_of(configured.home) in client.unanswered


def start(configured: Settings, wanted: Handed) -> dict[str, Any]:
    """Start an agent in place of another, and return its status. Raises KeyvaultError."""
    import time

    end(configured)
    said = _spawn(wanted, wait=True)
    for _ in range(50):  # another one may have been started at the same moment, and not answer yet
        if told := status(configured):
            return told
        time.sleep(0.02)
    message, _, hint = (said or "it does not answer").partition("\n")
    if message == "it does not answer":
        hint = "keyvault lock ends one that does not answer"
    raise KeyvaultError(f"the agent did not start: {message}", hint)


def _spawn(wanted: Handed, *, wait: bool) -> str:
    if sys.platform == "win32":
        from keyvault.agent import pipe_starting as starting
    else:
        from keyvault.agent import starting
    return starting.spawn(wanted, wait=wait)


def become(wanted: Handed) -> int:
    """Be the agent, in the foreground; its exit code. Raises KeyvaultError."""
    if sys.platform == "win32":
        from keyvault.agent import pipe_starting as starting
    else:
        from keyvault.agent import starting
    return starting.become(wanted)


def end(configured: Settings) -> bool:
    """End the agent of this vault; whether there was one. Raises KeyvaultError."""
    if sys.platform == "win32":
        from keyvault.agent import pipe_client

        return pipe_client.end(configured.home)
    from keyvault.agent import place, starting

    return starting.end(place.path_of(configured.home))


def for_so_long(told: dict[str, Any]) -> str:
    """The time that an agent has left, for people."""
    parts = [f"for {clock.span(told.get('expires_in') or 0)}"]
    if told.get("idle_expires_in") is not None:
        parts.append(f"or {clock.span(told['idle_expires_in'])} without use")
    return " ".join(parts)
