"""Files that hold what the fuzzer made up."""

from __future__ import annotations

import os
from functools import cache
from tempfile import mkdtemp


@cache
def folder() -> str:
    """A private folder for as long as the process lives."""
    return mkdtemp(prefix="keyvault-fuzz-")


def holding(data: bytes, name: str) -> str:
    """The path of a private file with these bytes in a private folder of its own."""
    path = os.path.join(folder(), f"{name}.d", name)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o600)
    return path
