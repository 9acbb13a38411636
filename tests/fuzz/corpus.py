"""Inputs that reach something new in a parser, found by earlier runs: a file a target, a line of base64 each."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def kept(target: str) -> list[bytes]:
    try:
        with open(os.path.join(FOLDER, target), encoding="ascii") as file:
            return [base64.b64decode(line) for line in file]
    except FileNotFoundError:
        return []


def keep(target: str, inputs: Iterable[bytes]) -> None:
    """Write them down, the shortest first."""
    with open(os.path.join(FOLDER, target), "w", encoding="ascii") as file:
        file.writelines(base64.b64encode(one).decode() + "\n" for one in sorted(set(inputs), key=lambda one: (len(one), one)))
