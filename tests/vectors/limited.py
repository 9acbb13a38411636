"""Run as a program: both readers refuse each vault in argv, with 60 MiB of address space to spare; prints what it took."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable

from vectors.forge import SECRETS
from vectors.second_reader import PASSPHRASE, Refused, read_vault, secret_bytes

from keyvault.core.errors import KeyvaultError
from keyvault.store.sqlite import open_store
from keyvault.vault import care, slots
from keyvault.vault.anchor import Anchors
from keyvault.vault.codec import Header
from keyvault.vault.vault import Vault

SPARE = 60 << 20


def unlock(header: Header) -> bytes:
    return slots.unwrap(header, slots.decode_all(header), PASSPHRASE, secret_bytes(PASSPHRASE, SECRETS[PASSPHRASE]))[1]


def with_keyvault(path: str) -> None:
    care.verify(Vault(open_store(path), unlock, Anchors(path + ".state")))


def with_second(path: str) -> None:
    read_vault(path, PASSPHRASE, SECRETS[PASSPHRASE])


def measured(read: Callable[[str], None], path: str) -> tuple[str, float, int]:
    """What it answered, seconds, KiB that the peak of resident memory grew."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        read(path)
        answer = "read"
    except (KeyvaultError, Refused) as error:
        answer = type(error).__name__
    except MemoryError:
        answer = "out of memory"
    return answer, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


if __name__ == "__main__":
    valid, *hostile = sys.argv[1:]
    measured(with_keyvault, valid)  # what is imported on first use is not the hostile file's doing
    measured(with_second, valid)
    with open("/proc/self/statm") as file:
        present = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (present + SPARE, present + SPARE))
    print(json.dumps([[path, *measured(read, path)] for path in hostile for read in (with_keyvault, with_second)]))
