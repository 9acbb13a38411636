"""What a new agent is handed over its stdin, and how it is called."""

from __future__ import annotations

import json
import os
import sys

from keyvault.agent.lifetime import Limits
from keyvault.agent.warm import Handed, PurposeKeys
from keyvault.core import settings
from keyvault.core.errors import InvalidInput, KeyvaultError

READY = b"ready\n"
KEYS_AT = 3584  # the keys come after a text of this length, so that they are read into a buffer that can be wiped


def encode(handed: Handed) -> bytearray:
    """What goes through the pipe: less than a page, which a pipe takes before anybody reads it (pipe(7))."""
    about = {
        "home": handed.home,
        "state": handed.state,
        "limits": list(handed.limits),
        "vault_id": handed.keys.vault_id,
        "epoch": handed.keys.epoch,
    }
    text = json.dumps(about).encode()
    if len(text) > KEYS_AT:
        raise InvalidInput(
            "the paths of the vault are too long for an agent",
            "choose a shorter KEYVAULT_HOME and KEYVAULT_STATE; commands work without an agent",
        )
    return bytearray(text.ljust(KEYS_AT)) + handed.keys.joined()


def receive(fd: int) -> Handed:
    """Read from the pipe until its end. Raises InvalidInput."""
    text, keys = bytearray(KEYS_AT), bytearray(1024)
    sizes = [_fill(fd, text), _fill(fd, keys)]
    try:
        about = json.loads(text[: sizes[0]])
        home, state, vault_id, epoch, limits = (about[name] for name in ("home", "state", "vault_id", "epoch", "limits"))
        types = [type(part) for part in (home, state, vault_id, epoch, *limits)]
        if types != [str, str, str, int, int, int, bool, bool]:
            raise TypeError
        return Handed(home, state, Limits(*limits), PurposeKeys(vault_id, epoch, keys[: sizes[1]]))
    except (ValueError, LookupError, TypeError, RecursionError) as exc:
        raise InvalidInput("the agent is started by keyvault unlock, with the keys of the vault") from exc
    finally:
        keys[:] = bytes(len(keys))


def _fill(fd: int, buffer: bytearray) -> int:
    at, view = 0, memoryview(buffer)
    with open(fd, "rb", buffering=0, closefd=False) as source:
        while at < len(buffer) and (got := source.readinto(view[at:])):
            at += got
    return at


def not_started(exc: OSError) -> KeyvaultError:
    """Our error where the system makes no process for it."""
    return KeyvaultError(
        f"cannot start the agent: {(exc.strerror or 'error').lower()}",
        "commands work without one; KEYVAULT_NO_AGENT=1 stops the attempts",
    )


def command(*options: str) -> list[str]:
    """The agent's command line: an interpreter that heeds no PYTHON* variable, in UTF-8 whatever the locale.

    With `--foreground` it tells a person, and not us, whether it began.
    """
    site = sys.modules.get("site")
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    isolation = "-P" if package.startswith(getattr(site, "USER_SITE", None) or "\0") else "-I"
    return [sys.executable, isolation, "-X", "utf8", os.path.join(package, "__main__.py"), "agent", "--take-over", *options]


def environment() -> dict[str, str]:
    """The agent's environment. What a large answer took goes back to the system (mallopt(3)), and not only to be used again."""
    return settings.helper_environment() | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
