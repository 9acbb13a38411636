"""Variables as text for shells, programs and file readers, one module a syntax, imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput

if TYPE_CHECKING:
    from keyvault.formats.base import Format

# name -> (module, other names)
_MODULES = {
    "sh": ("posix", ("dash", "posix")),
    "bash": ("posix", ()),
    "zsh": ("posix", ()),
    "ksh": ("posix", ("ksh93",)),
    "fish": ("fish", ()),
    "powershell": ("powershell", ("pwsh",)),
    "cmd": ("cmd", ()),
    "nu": ("nushell", ("nushell",)),
    "csh": ("csh", ("tcsh",)),
    "dotenv": ("dotenv", ()),
    "docker": ("docker", ()),
    "renviron": ("renviron", ()),
    "r": ("r", ()),
    "python": ("python", ()),
    "json": ("json_object", ()),
    "systemd": ("systemd", ()),
    "github-actions": ("github_actions", ()),
}
_BY_NAME = (
    (".Renviron", "renviron"),
    (".json", "json"),
    (".fish", "fish"),
    (".ps1", "powershell"),
    (".zshrc", "zsh"),
    (".sh", "sh"),
)
FORMATS: tuple[str, ...] = tuple(_MODULES)
DIALECTS: tuple[str, ...] = ("portable", "python", "node", "compose", "sh")


def of_file(path: str) -> str:
    """The format that a file's name tells, or an empty string."""
    name = path.replace("\\", "/").rpartition("/")[2]
    told = next((form for ending, form in _BY_NAME if name.endswith(ending)), "")
    return told or ("dotenv" if name.startswith(".env") else "")


def load(name: str, dialect: str = "portable") -> Format:
    """The format called `name` or by one of its other names; `dialect` matters to dotenv alone. Raises InvalidInput."""
    if dialect not in DIALECTS:
        raise InvalidInput("no such dotenv dialect", "known: " + ", ".join(DIALECTS))
    wanted = name.lower()
    for known, (module, others) in _MODULES.items():
        if wanted == known or wanted in others:
            made: Format = __import__("keyvault.formats." + module, fromlist=["load"]).load(known, dialect)
            return made
    raise InvalidInput("no such format", "known: " + ", ".join(FORMATS))
