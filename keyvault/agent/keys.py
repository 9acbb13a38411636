"""The keys that an agent holds, in the place of a passphrase: for commands that it does not serve, and for Python programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from keyvault.core import settings
from keyvault.core.errors import KeyvaultError, Locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyvault.vault.codec import Header, VaultKeys
    from keyvault.vault.vault import Unlock


def first(unlock: Unlock, at_last: Callable[[], None] = lambda: None, tell: Callable[[str], None] = lambda _: None) -> Unlock:
    """Unlock with what the agent has, else as ever. What the environment says about unlocking comes before any agent.

    Where that fails, an agent that had no time yet is the only way left: after `at_last` it is asked once more, with patience.
    On Windows it had its time. `tell` hears what the vault said to the agent alone.
    """

    def with_agent(header: Header) -> bytes | VaultKeys:
        if sys.platform == "win32":
            return _in(header, _over_pipe(), tell) or unlock(header)
        from keyvault.agent import client

        if keys := _in(header, _over_socket(client.FIRST_BYTE), tell):
            return keys
        try:
            return unlock(header)
        except Locked:
            at_last()
            if keys := _in(header, _over_socket(client.WHOLE_ANSWER), tell):
                return keys
            raise

    return with_agent


def ask_anew() -> None:
    """Whoever had no time to answer is asked again: a program may run for days."""
    if sys.platform != "win32":
        from keyvault.agent import client

        client.unanswered.clear()


def _over_pipe() -> bytes | None:
    if settings.variable("KEYVAULT_NO_AGENT") or settings.unlocking_given():
        return None
    from keyvault.agent import pipe_client

    wanted = settings.load()
    return pipe_client.ask(wanted.home, b"keys", wanted.home, wanted.state)


def _over_socket(first_byte: float) -> bytes | None:
    if sys.platform == "win32":
        return None
    from keyvault.agent import client

    answer = client.request(b"keys", [], first_byte, settings.environment_bytes())
    return None if answer is None or answer[0] != client.DONE else b"".join(content for _, content in answer[2])


def _in(header: Header, content: bytes | None, tell: Callable[[str], None]) -> VaultKeys | None:
    if content is None:
        return None
    from keyvault.agent.warm import PurposeKeys

    vault_id, _, rest = content.partition(b"\0")
    epoch, _, rest = rest.partition(b"\0")
    notices, _, keys = rest.partition(b"\0")
    for notice in notices.decode("utf-8", "replace").splitlines():
        tell(notice)
    try:
        return PurposeKeys(vault_id.decode(), int(epoch), bytearray(keys))(header)
    except (KeyvaultError, ValueError):
        return None
