"""How the vault is kept: who else can read its files and those that hold its keys, and whether there is a way back in."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence

from keyvault.audit.findings import ADVICE, Stale
from keyvault.audit.stale import NO_BACKUP, NO_RECOVERY, WEAK_MODE
from keyvault.core import clock
from keyvault.core.clock import DAY
from keyvault.core.settings import Settings
from keyvault.core.text import escape, shell_word
from keyvault.vault import reminders
from keyvault.vault.keys import ApiKey
from keyvault.vault.rotating import SERVICES
from keyvault.vault.slots import RECOVERY, decode_all
from keyvault.vault.vault import Vault

OLD_COPY = 30 * DAY  # a copy that is older, and lacks changes, counts as none


def of_vault(vault: Vault, keys: Sequence[ApiKey], settings: Settings, now: int) -> list[Stale]:
    """What is wrong with how the vault and the files that hold its keys are kept."""
    return [
        *_recovery([slot.kind for slot in decode_all(vault.header)]),
        *_backup(reminders.last_backup(settings.state, vault.header.vault_id), vault.root.seq, now),
        *_modes(_own_files(settings), "it holds what unlocks or guards the vault"),
        *(found for key in keys for found in _modes(_places(key), "it holds keys of yours in clear", key.ref)),
    ]


def _recovery(kinds: list[str]) -> list[Stale]:
    if RECOVERY in kinds:
        return []
    only = "one way to unlock only" if len(kinds) == 1 else "no recovery code"
    return [Stale("", NO_RECOVERY, ADVICE, f"{only}; what is lost or forgotten closes it", "keyvault slots add recovery")]


def _backup(last: tuple[int, int] | None, seq: int, now: int) -> list[Stale]:
    then = "keyvault backup FILE"
    if last is None:
        return [Stale("", NO_BACKUP, ADVICE, "this machine knows of no copy made by keyvault backup", then)]
    at, copied = last
    if copied == seq or at + OLD_COPY > now:
        return []
    newer = f"; changes since: {seq - copied}" if seq > copied else ""
    return [Stale("", NO_BACKUP, ADVICE, f"the last copy is of {clock.day(at)}{newer}", then)]


def _own_files(settings: Settings) -> list[str]:
    named = (settings.home, settings.vault_path, settings.state, settings.key_file, settings.passphrase_file)
    return [path for path in named if path]


def _places(key: ApiKey) -> list[str]:
    return [place.path for place in key.places if place.kind not in SERVICES]


def _modes(paths: Iterable[str], what: str, ref: str = "") -> list[Stale]:
    """Files and folders that other users can read or change."""
    found = []
    for path in dict.fromkeys(paths):
        if (loose := _loose(path)) is not None:
            kind = "700" if stat.S_ISDIR(loose) else "600"
            detail = f"{escape(path)} is open to other users (mode {stat.S_IMODE(loose):04o}); {what}"
            found.append(Stale(ref, WEAK_MODE, ADVICE, detail, f"chmod {kind} {shell_word(path)}"))
    return found


def _loose(path: str) -> int | None:
    """The mode of a file that gives others any right; None where it does not, or cannot be looked at."""
    if sys.platform == "win32":
        return None
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None
    is_kept_here = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return mode if is_kept_here and mode & 0o077 else None
