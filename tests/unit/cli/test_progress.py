from __future__ import annotations

import sys
from pathlib import Path

from people import Terminal
from vaults import VaultHome

WORK = """
import sys, time
from keyvault.cli import progress
with progress.waiting("working"):
    time.sleep(float(sys.argv[1]))
print("done")
"""


def test_work_of_unknown_length_counts_its_seconds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    seen = Terminal(VaultHome(str(tmp_path)), program=[sys.executable, "-c", WORK, "2.5"]).end()
    assert seen.startswith("\r\x1b[Kworking: 1 s\r\x1b[Kworking: 2 s")
    assert seen.endswith("\r\x1b[Kdone\n")


def test_quick_work_says_nothing(tmp_path: Path) -> None:
    assert Terminal(VaultHome(str(tmp_path)), program=[sys.executable, "-c", WORK, "0.1"]).end() == "done\n"
