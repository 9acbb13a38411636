"""What this machine remembers of a vault's care, in clear: when it last reminded its user, and what it last copied."""

import os

from keyvault.core.clock import DAY
from keyvault.core.errors import KeyvaultError, NotFound
from keyvault.store.files import make_private_folder, read_private, write_private


def first_today(state: str, vault_id: str, at: int) -> bool:
    """Whether this is the first call of the day, in UTC. Where it cannot be noted it is not: nobody wants a line each time."""
    path = os.path.join(state, f"reminded-{vault_id}")
    today = str(at // DAY).encode()
    try:
        if read_private(path, 64) == today:
            return False
    except NotFound:
        pass
    except KeyvaultError:
        return False
    try:
        make_private_folder(state)
        write_private(path, today, durable=False)
    except KeyvaultError:
        return False
    return True


def note_backup(state: str, vault_id: str, at: int, seq: int) -> None:
    """Note that a copy of the vault was made, and of which change. A hint of this machine: it never fails."""
    try:
        make_private_folder(state)
        write_private(os.path.join(state, f"backup-{vault_id}"), f"{at} {seq}".encode(), durable=False)
    except KeyvaultError:
        return  # the copy is there all the same


def last_backup(state: str, vault_id: str) -> tuple[int, int] | None:
    """When this machine last made a copy of the vault, and of which change; None where it knows of none."""
    try:
        at, seq = read_private(os.path.join(state, f"backup-{vault_id}"), 64).decode().split()
        return int(at), int(seq)
    except (KeyvaultError, ValueError):
        return None
