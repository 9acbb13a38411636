"""A clean virtual environment with keyvault installed from a wheel, as a user would have it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Install(NamedTuple):
    """`python` and `keyvault` of the environment; `pip`: the version that wrote the wrapper script `keyvault-python`."""

    python: str
    keyvault: str
    pip: str
    versions: str


def make(folder: str, extra: str = "") -> Install:
    """Build a wheel of the checkout and install it below `folder`. pip stays outside, as with pipx and uv.

    `extra`: also what this optional part needs.
    """
    tools, clean, wheels = (os.path.join(folder, name) for name in ("tools", "clean", "wheels"))
    _run(sys.executable, "-m", "venv", tools)
    _run(sys.executable, "-m", "venv", "--without-pip", clean)
    python = os.path.join(clean, "bin", "python")
    pip = (os.path.join(tools, "bin", "python"), "-m", "pip")
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")
    _run(*pip, "install", *quiet, "--upgrade", "pip>=25.1")
    _run(*pip, "wheel", *quiet, "--no-deps", "--wheel-dir", wheels, CHECKOUT)
    [wheel] = os.listdir(wheels)
    _run(
        *pip, "--python", python, "install", *quiet, "--compile", os.path.join(wheels, wheel) + (f"[{extra}]" if extra else "")
    )
    about = "import sys, sqlite3, cryptography as c; print(sys.version.split()[0], sqlite3.sqlite_version, c.__version__)"
    versions = "CPython {}, SQLite {}, cryptography {}".format(*_run(python, "-c", about).split())
    return Install(python, os.path.join(clean, "bin", "keyvault"), _run(*pip, "--version").split()[1], versions)


def environment(**more: str) -> dict[str, str]:
    """An environment that holds nothing which could slow Python down or speed it up."""
    return {"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8", **more}


def _run(*words: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=kept, check=True)
    return done.stdout
