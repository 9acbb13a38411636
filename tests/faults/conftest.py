from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from faults.forks import Forks, build_shim
from vaults import VaultHome


@pytest.fixture(scope="session")
def nightly(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--nightly"))


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_shim(str(tmp_path_factory.mktemp("shim")))


@pytest.fixture(scope="session")
def forks(shim: str) -> Iterator[Forks]:
    server = Forks(shim)
    yield server
    server.close()


@pytest.fixture
def scratch() -> Iterator[str]:
    """A folder in memory where there is one: thousands of commits, and the faults come from the shim, not the disk."""
    memory = "/dev/shm"
    folder = tempfile.mkdtemp(prefix="keyvault-faults-", dir=memory if os.access(memory, os.W_OK) else None)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(scratch: str) -> VaultHome:
    folder = os.path.join(scratch, "home")
    os.mkdir(folder, 0o700)
    return VaultHome(folder)
