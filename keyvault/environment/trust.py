"""Which project files the user has allowed: by path, and by what they refer to.

A file that still says the same, or less, stays allowed; one that adds a reference has to be allowed again. The list lies in
the state folder, which only the user can read; what it holds is names.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.settings import config_folder
from keyvault.core.text import escape
from keyvault.crypto.primitives import sha256
from keyvault.environment import project
from keyvault.environment.project import Entry, Project
from keyvault.store import files

_FILE = "projects.json"
_LARGEST = 16 * 1024 * 1024
_LARGEST_CONFIG = 64 * 1024


class Standing(NamedTuple):
    """What the user has said about a project: allowed, denied or nothing; and which entries are new since."""

    project: Project
    allowed: bool
    denied: bool
    added: tuple[Entry, ...]


class Trust:
    """The list of one user on one machine."""

    def __init__(self, state: str) -> None:
        self._path = os.path.join(state, _FILE)

    def look_at(self, path: str) -> Standing:
        """Read a project file and see what was said about it. Raises InvalidInput, UnsafeFile, NotFound, StoreFailed."""
        data = project.load_bytes(path)
        record = self._load().get(path, {})
        if record.get("digest") == sha256(data).hex() and (known := _known(path, record)):
            return Standing(known, True, False, ())  # nothing to parse: this is the way of every new shell
        read = project.parse(path, data)
        granted = {tuple(grant) for grant in record.get("grants", ()) if isinstance(grant, list)}
        added = tuple(entry for grant, entry in _grants(read).items() if grant not in granted)
        denied = record.get("denied") is True
        allowed = not denied and (("grants" in record and not added) or _below_trusted(path))
        return Standing(read, allowed, denied, added)

    def allow(self, found: Project) -> None:
        """Remember a project as it is now. Raises StoreFailed, UnsafeFile."""
        sections = {name: [list(entry) for entry in entries] for name, entries in found.sections.items()}
        record = {"digest": found.digest, "sections": sections, "grants": [list(grant) for grant in _grants(found)]}
        self._save({**self._load(), found.path: record})

    def deny(self, path: str) -> None:
        """Ignore a project without a word from now on. Raises StoreFailed, UnsafeFile."""
        self._save({**self._load(), path: {"denied": True}})

    def _load(self) -> dict[str, dict[str, Any]]:
        """What cannot be read counts as nothing said: then the user is asked again."""
        try:
            loaded = json.loads(files.read_private(self._path, _LARGEST))
        except (NotFound, ValueError, RecursionError):
            return {}
        if not isinstance(loaded, dict):
            return {}
        return {path: record for path, record in loaded.items() if isinstance(record, dict)}

    def _save(self, records: dict[str, dict[str, Any]]) -> None:
        files.make_private_folder(os.path.dirname(self._path))
        files.write_private(self._path, json.dumps(records, indent=1, sort_keys=True).encode())


def _grants(found: Project) -> dict[tuple[str, str, str, str], Entry]:
    """What a project asks for. The section counts: moving a production key into the plain one is new."""
    return {
        (section, entry.variable, entry.ref, entry.field): entry
        for section, entries in found.sections.items()
        for entry in entries
    }


def _known(path: str, record: dict[str, Any]) -> Project | None:
    """The project as it was parsed when it was allowed, or None."""
    if record.get("denied") is True:
        return None
    try:
        sections = {name: tuple(Entry(*entry) for entry in entries) for name, entries in record["sections"].items()}
    except (LookupError, TypeError, AttributeError):
        return None
    return Project(path, record["digest"], sections)


def _below_trusted(path: str) -> bool:
    return any(path.startswith(os.path.join(os.path.realpath(folder), "")) for folder in trusted_folders())


def trusted_folders() -> list[str]:
    """Folders whose projects need no asking: `projects.trusted` in the user's config.toml. Raises InvalidInput, UnsafeFile."""
    import tomllib

    path = os.path.join(config_folder(), "config.toml")
    try:
        document = tomllib.loads(files.read_own(path, _LARGEST_CONFIG).decode())
    except NotFound:
        return []
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InvalidInput(f"{escape(path)} is not TOML", "mend the file") from exc
    folders = document.get("projects", {}).get("trusted", [])
    if not isinstance(folders, list) or not all(
        isinstance(folder, str) and folder.startswith(("/", "~")) for folder in folders
    ):
        raise InvalidInput(f"{escape(path)}: projects.trusted is a list of folders", 'as in trusted = ["~/work"]')
    return [os.path.expanduser(folder) for folder in folders]
