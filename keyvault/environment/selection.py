"""Which keys were meant: those named, the nearest allowed project's, or the defaults."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from keyvault.core import settings
from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound
from keyvault.core.refs import quoted
from keyvault.core.settings import Settings
from keyvault.core.text import escape

if TYPE_CHECKING:
    from keyvault.environment.project import Entry
else:  # not in quotes: see keyvault.vault.keys
    Entry = object

FILE = ".keyvault.toml"  # of a project
NAMED, PROJECT, DEFAULT = "named", "project", "default"


class Selection(NamedTuple):
    """`refs` if keys were named; else `entries` of a project; else neither, which means the defaults.

    `path` and `profile` are the project's. `warnings` is what people should know, such as a project that is not allowed.
    """

    refs: tuple[str, ...] = ()
    entries: tuple[Entry, ...] | None = None
    path: str = ""
    profile: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """NAMED, PROJECT or DEFAULT."""
        return NAMED if self.refs else PROJECT if self.entries is not None else DEFAULT


def select(configured: Settings, refs: Sequence[str], profile: str | None = None) -> Selection:
    """What is meant here, in the current folder. `profile`: one asked for by name; else KEYVAULT_PROFILE counts.

    Raises NotFound for a profile that is not there, InvalidInput, and for a project that was asked for all that reading raises.
    """
    if refs:
        if profile:
            raise InvalidInput("a profile and names of keys exclude each other", "leave out --profile, or the names")
        return Selection(tuple(refs))
    path = _project_path()
    wanted = configured.profile if profile is None else profile
    if path is None:
        if profile:
            raise NotFound(f"no project here, so no profile {quoted(profile)}", "keyvault project init makes a .keyvault.toml")
        return Selection()
    from keyvault.environment.trust import Trust

    try:
        trust = Trust(configured.state)
        if not wanted and trust.is_denied(path):
            return Selection()
        standing = trust.look_at(path)
    except KeyvaultError as exc:
        if wanted:
            raise
        return Selection(warnings=(f"{exc.message}; the project is ignored",))
    if not standing.allowed:
        known = sum(len(entries) for entries in standing.project.sections.values()) > len(standing.added)
        why = "refers to more keys than you allowed" if known else "is not allowed yet"
        if wanted:
            raise InvalidInput(f"{escape(path)} {why}, so no profile of it is used", "keyvault allow shows it and allows it")
        return Selection(warnings=(f"{escape(path)} {why}, so it is ignored; keyvault allow shows it and allows it",))
    return Selection((), tuple(standing.project.entries(wanted)), path, wanted)


def _project_path() -> str | None:
    """The nearest project file; none where the current folder is gone."""
    try:
        folder = settings.absolute(".")
    except InvalidInput:
        return None
    return nearest(folder)


def nearest(folder: str) -> str | None:
    """The real path of the project file of `folder` or of the nearest folder above it."""
    while True:
        path = os.path.join(folder, FILE)
        if os.path.lexists(path):
            return os.path.join(os.path.realpath(folder), FILE)
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
