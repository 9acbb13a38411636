"""Which project files the user has allowed: by path, and by what they refer to.

A file that still says the same, or less, stays allowed; one that adds a reference has to be allowed again. The list lies in
the state folder, which only the user can read; what it holds is names.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import check_variable, parse_ref
from keyvault.core.text import escape
from keyvault.crypto.primitives import sha256
from keyvault.environment import project
from keyvault.environment.project import Entry, Project
from keyvault.store import files

_FILE = "projects.json"
_LARGEST = 16 * 1024 * 1024


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
        granted = _granted(record)
        added = tuple(entry for grant, entry in _grants(read).items() if grant not in (granted or ()))
        denied = record.get("denied") is True
        allowed = not denied and ((granted is not None and not added) or _below_trusted(path))
        return Standing(read, allowed, denied, added)

    def is_denied(self, path: str) -> bool:
        """Whether the project there is to be ignored, whatever the file is now. Raises UnsafeFile, StoreFailed."""
        return self._load().get(path, {}).get("denied") is True

    def allow(self, found: Project) -> None:
        """Remember a project as it is now. Raises StoreFailed, UnsafeFile."""
        sections = {name: [list(entry) for entry in entries] for name, entries in found.sections.items()}
        grants = [list(grant) for grant in _grants(found)]
        self._remember(found.path, {"digest": found.digest, "sections": sections, "grants": grants})

    def deny(self, path: str) -> None:
        """Ignore a project without a word from now on. Raises StoreFailed, UnsafeFile."""
        self._remember(path, {"denied": True})

    def _load(self) -> dict[str, dict[str, Any]]:
        """What cannot be read counts as nothing said: then the user is asked again."""
        try:
            loaded = json.loads(files.read_private(self._path, _LARGEST))
        except (NotFound, ValueError, RecursionError):
            return {}
        if not isinstance(loaded, dict):
            return {}
        return {path: record for path, record in loaded.items() if isinstance(record, dict)}

    def _remember(self, path: str, record: dict[str, Any]) -> None:
        from keyvault.store.queue import WritersQueue  # each prompt in a project reads, few write

        files.make_private_folder(os.path.dirname(self._path))
        with WritersQueue(self._path + ".lock").turn():  # else one of two at once would be forgotten
            records = {**self._load(), path: record}
            files.write_private(self._path, json.dumps(records, indent=1, sort_keys=True).encode())


def _grants(found: Project) -> dict[tuple[str, str, str, str], Entry]:
    """What a project asks for. The section counts: moving a production key into the plain one is new."""
    return {
        (section, entry.variable, entry.ref, entry.field): entry
        for section, entries in found.sections.items()
        for entry in entries
    }


def _granted(record: dict[str, Any]) -> set[tuple[str, ...]] | None:
    """What was allowed, or None where nothing was."""
    try:
        return {tuple(map(str, grant)) for grant in record["grants"]}
    except (LookupError, TypeError):
        return None


def _known(path: str, record: dict[str, Any]) -> Project | None:
    """The project as it was parsed when it was allowed, or None."""
    if record.get("denied") is True:
        return None
    try:
        sections = {
            name: tuple(
                Entry(check_variable(variable), str(parse_ref(ref)), str(field), required is True)
                for variable, ref, field, required in entries
            )
            for name, entries in record["sections"].items()
        }
    except (LookupError, TypeError, AttributeError, ValueError, InvalidInput):
        return None
    return Project(path, record["digest"], sections)


def _below_trusted(path: str) -> bool:
    return any(path.startswith(os.path.join(os.path.realpath(folder), "")) for folder in trusted_folders())


def trusted_folders() -> list[str]:
    """Folders whose projects need no asking: `projects.trusted` in the user's config.toml. Raises InvalidInput, UnsafeFile."""
    from keyvault.store import config_file

    path = config_file.path()
    projects = config_file.table("projects")
    folders = projects.get("trusted", []) if projects is not None else None
    if not isinstance(folders, list) or not all(isinstance(folder, str) and "\0" not in folder for folder in folders):
        raise InvalidInput(f"{escape(path)}: projects.trusted is a list of folders", 'as in trusted = ["~/work"]')
    expanded = [os.path.expanduser(folder) for folder in folders]
    if relative := next((folder for folder in expanded if not os.path.isabs(folder)), None):
        raise InvalidInput(
            f"{escape(path)}: {escape(relative[:200])} in projects.trusted is not a folder from the root on, or a user's",
            'as in trusted = ["~/work"]',
        )
    return expanded
