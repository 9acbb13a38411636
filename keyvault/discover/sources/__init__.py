"""Where keys lie about in plain text, one module a kind, imported when a file may be of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput

if TYPE_CHECKING:
    from keyvault.discover.sources.base import Source
    from keyvault.discover.text_file import TextFile

# kind -> (module, class). The first whose name or content fits reads a file; .env is what is left.
_TEXT = {
    "fish-variables": ("fish", "FishVariables"),
    "fish": ("fish", "Fish"),
    "powershell": ("powershell", "PowerShell"),
    "cmd": ("cmd", "Cmd"),
    "renviron": ("renviron", "Renviron"),
    "shell": ("posix", "Posix"),
    "bitwarden": ("bitwarden", "BitwardenJson"),
    "csv": ("csv_export", "CsvExport"),
    "aws": ("tools", "Aws"),
    "npmrc": ("tools", "Npmrc"),
    "pypirc": ("tools", "Pypirc"),
    "netrc": ("tools", "Netrc"),
    "huggingface": ("tools", "HuggingFace"),
    "llm": ("tools", "Llm"),
    "gh": ("yaml_map", "GhHosts"),
    "mcp": ("mcp", "Mcp"),
    "toml": ("toml_map", "TomlMap"),
    "yaml": ("yaml_map", "YamlMap"),
    "csh": ("csh", "Csh"),
    "nushell": ("nushell", "Nushell"),
    "json": ("json_map", "JsonMap"),
    "dotenv": ("dotenv", "Dotenv"),
}
TEXT_KINDS: tuple[str, ...] = tuple(_TEXT)
STORE_FILES = ("keepass", "1pux")  # files that are no text
STORES = ("pass", "keyring", "windows")  # no files at all: `kind:name`
KINDS: tuple[str, ...] = (*TEXT_KINDS, *STORE_FILES)


def text_source(kind: str) -> Source:
    """The source of one kind of text file. Raises InvalidInput."""
    if kind not in _TEXT:
        raise InvalidInput("no such kind of source", "known: " + ", ".join(KINDS))
    module, name = _TEXT[kind]
    made: Source = getattr(import_module("keyvault.discover.sources." + module), name)()
    return made


def recognise(file: TextFile) -> Source:
    """The source that reads this file, by its name and its content."""
    path = file.path.replace("\\", "/")
    name = path.rpartition("/")[2].lower()
    for kind in _TEXT:
        source = text_source(kind)
        if source.fits(name, path.lower(), file.text):
            return source
    return text_source("dotenv")
