"""Where this very keyvault is installed, and the fastest way to call it. Nothing here depends on PATH."""

from __future__ import annotations

import os
import sys

from keyvault.core import settings
from keyvault.core.errors import NotFound

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_END = ".exe" if sys.platform == "win32" else ""
_PROGRAMS = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")  # how a native program begins: ELF, Mach-O, for two machines


def command() -> str:
    """The absolute path of the `keyvault` that runs now. Raises NotFound."""
    for folder in _folders():
        path = os.path.join(folder, "keyvault" + _END)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise NotFound(
        "cannot tell where the command keyvault is installed", "start this by the installed command, and not by python -m"
    )


def fastest_call() -> list[str]:
    """The native client where there is one; else Python without `site` or, where there is no agent to ask, isolated."""
    if native := _native_client():
        return [native]
    if sys.platform != "win32":
        return [sys.executable, "-I", "-S", "-E", os.path.join(_PACKAGE, "call.py")]
    own = ["-P"] if settings.variable("PYTHONUSERBASE") else ["-E", "-P"]  # -I but for the folder that it is in
    return [sys.executable, *(own if _is_users_own() else ["-I"]), os.path.join(_PACKAGE, "__main__.py")]


def _native_client() -> str | None:
    try:
        path = command()
        with open(path, "rb") as file:
            is_native = file.read(4) in _PROGRAMS
    except (NotFound, OSError):
        return None
    return path if is_native and os.path.isfile(path + "-python") else None


def _folders() -> list[str]:
    """Of the command that was typed, and of this Python, where that one has keyvault too."""
    typed = [os.path.dirname(os.path.abspath(sys.argv[0]))] if _is_command(sys.argv[0]) else []
    return typed if _is_users_own() else [*typed, os.path.dirname(sys.executable)]


def _is_command(word: str) -> bool:
    # what pip installs on Windows takes the ending off before it calls us
    return os.path.basename(word).removesuffix(_END) in ("keyvault", "keyvault-python") and os.sep in word


def _is_users_own() -> bool:
    """`pip install --user` installed it, which an isolated interpreter does not look for."""
    site = sys.modules.get("site")
    return _PACKAGE.startswith(getattr(site, "USER_SITE", None) or "\0")
