"""What most stories begin with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from vaults import VaultHome


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    """A home folder with an empty vault, unlocked by a key file; a story that needs keys puts them in."""
    made = VaultHome(str(tmp_path / "home"))
    os.mkdir(made.folder)
    made.create().store.close()
    return made
