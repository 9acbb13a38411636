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


def first(unlock: Unlock, at_last: Callable[[], None] = lambda: None) -> Unlock:
    """Unlock with what the agent has, else as ever. What the environment says about unlocking comes before any agent.

    Where that fails, an agent that had no time yet is the only way left: after `at_last` it is asked once more, with patience.
    """

    def with_agent(header: Header) -> bytes | VaultKeys:
        if sys.platform == "win32":
            return unlock(header)
        from keyvault.agent import client

        if keys := _held(header, client.FIRST_BYTE):
            return keys
        try:
            return unlock(header)
        except Locked:
            at_last()
            if keys := _held(header, client.WHOLE_ANSWER):
                return keys
            raise

    return with_agent


def ask_anew() -> None:
    """Whoever had no time to answer is asked again: a program may run for days."""
    if sys.platform != "win32":
        from keyvault.agent import client

        client.unanswered.clear()


def _held(header: Header, first_byte: float) -> VaultKeys | None:
    if sys.platform == "win32":
        return None
    from keyvault.agent import client

    answer = client.request(b"keys", [], first_byte, settings.environment_bytes())
    if answer is None or answer[0] != client.DONE:
        return None
    from keyvault.agent.warm import PurposeKeys

    vault_id, _, rest = b"".join(content for _, content in answer[2]).partition(b"\0")
    epoch, _, keys = rest.partition(b"\0")
    try:
        return PurposeKeys(vault_id.decode(), int(epoch), bytearray(keys))(header)
    except (KeyvaultError, ValueError):
        return None
