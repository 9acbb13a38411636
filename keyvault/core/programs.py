"""Where a program lies. Windows looks into the working folder before PATH, and there may be a stranger's git.exe: not here."""

from __future__ import annotations

import os
import sys

from keyvault.core import settings


def find(name: str, path: str | None = None, *, scripts: bool = False) -> str | None:
    """The file of a program, or None: `name` itself if it says a folder, else what the first absolute folder of PATH has.

    `path` stands in for PATH. `scripts`: on Windows whatever PATHEXT names, and not only what ends in .exe.
    """
    if os.path.dirname(name):
        whole = [name]
    else:
        folders = (path if path is not None else settings.variable("PATH") or os.defpath).split(os.pathsep)
        whole = [os.path.join(folder, name) for folder in folders if os.path.isabs(folder)]
    endings = _endings(scripts)
    if name.lower().endswith(endings):
        endings = ("",)
    for file in (beginning + ending for beginning in whole for ending in endings):
        if os.path.isfile(file) and os.access(file, os.X_OK):
            return file
    return None


def _endings(scripts: bool) -> tuple[str, ...]:
    if sys.platform != "win32":
        return ("",)
    return tuple((settings.variable("PATHEXT") or ".exe").lower().split(os.pathsep)) if scripts else (".exe",)
