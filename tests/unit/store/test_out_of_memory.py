from __future__ import annotations

import subprocess
import sys

import pytest
from vaults import VaultHome

# Rows of 3 MiB, read with 1 MiB left.
READ = r"""
import resource, sys
from keyvault.core.errors import StoreFailed
from keyvault.store.sqlite import create_store, open_store
create_store(sys.argv[1], {bytes([n]) * 32: bytes(3 << 20) for n in range(8)}, b"head")
store = open_store(sys.argv[1])
ids = store.ids()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), resource.RLIM_INFINITY))
try:
    store.get(ids)
except StoreFailed as exc:
    print(exc)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the address space, and Linux's /proc")
def test_too_little_memory_is_not_called_damage(tmp_path: object) -> None:
    home = VaultHome(str(tmp_path))
    command = [sys.executable, "-c", READ, home.path]
    done = subprocess.run(command, env=home.environment, capture_output=True, timeout=60, check=False)
    assert done.stdout.decode() == f"cannot read {home.path}: out of memory\n", done.stderr
