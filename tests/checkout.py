"""The checkout that is under test: its folder, its scripts, and copies of parts of it to spoil."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def script(name: str, *words: str, of: str = ROOT) -> subprocess.CompletedProcess[str]:
    """Run one of the Python programs in scripts/ of a checkout."""
    command = [sys.executable, os.path.join(of, "scripts", name), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def copy_to(folder: str, *parts: str) -> str:
    """Copy folders of the checkout, and say where the copy is."""
    copy = os.path.join(folder, "checkout")
    for part in parts:
        shutil.copytree(os.path.join(ROOT, part), os.path.join(copy, part), ignore=shutil.ignore_patterns("__pycache__"))
    return copy
