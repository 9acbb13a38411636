"""Where keys lie about: the usual places of a home folder, and of projects. Links are not followed, and walks are bounded."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import NamedTuple

from keyvault.core.errors import KeyvaultError
from keyvault.core.text import escape
from keyvault.core.usual_places import home_files
from keyvault.discover import text_file
from keyvault.discover.found import Found
from keyvault.discover.judging import is_secret
from keyvault.discover.reading import read_one
from keyvault.providers import catalogue
from keyvault.providers.identify import owner_of

DEEPEST, MOST_ENTRIES = 6, 20_000

_PROJECT = re.compile(
    r"\.env|\.env\..+|.+\.env|\.envrc|\.Renviron|\.npmrc|\.pypirc|\.netrc|\.mcp\.json|mcp\.json|\.aider\.conf\.yml|secrets\.toml"
    r"|settings\.local\.json|secrets\.(?:json|ya?ml)|local\.settings\.json"
)
_EXAMPLE = re.compile(r".*[.-](?:example|sample|template|dist|tmpl|defaults?)(?:\.\w+)?\Z", re.IGNORECASE)
_NOT_WALKED = frozenset(
    ".git .hg .svn node_modules __pycache__ .venv venv .tox .nox site-packages .cache .npm .cargo .rustup .gradle .m2"
    " .mypy_cache .pytest_cache .ruff_cache dist build target vendor .terraform .local .conda miniconda3 anaconda3 renv Library"
    " AppData snap".split()
)
_NOTEBOOK_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")


class Place(NamedTuple):
    """A file that was looked at, with its mode and the time of its last change."""

    path: str
    mode: int
    modified: int

    @property
    def open_to_others(self) -> bool:
        """Other users of this machine may read it."""
        return os.name == "posix" and bool(self.mode & 0o044)


class Discovery(NamedTuple):
    """What was found, in which files, and a line about each part that was left out."""

    found: list[Found]
    places: dict[str, Place]
    skipped: list[str]


def files(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """The home folder's usual places and the files below `paths` to look at, and a line about each part that was left out."""
    skipped: list[str] = []
    return [*home_files(), *_walk(paths, skipped)], skipped


def discover(paths: Iterable[str], skipped: Iterable[str] = (), progress: Callable[[str], None] = lambda _: None) -> Discovery:
    """Look into files. What cannot be read is told, after what was `skipped` already, and passed over."""
    made = Discovery([], {}, [*skipped])
    seen: set[tuple[int, int]] = set()
    for path in paths:
        progress(path)
        _look(path, made, seen)
    if sys.platform == "win32":
        made.found.extend(read_one("windows:").found)
    return made


def _walk(paths: Iterable[str], skipped: list[str]) -> Iterable[str]:
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        count = 0
        closed: list[OSError] = []
        for folder, inner, names in os.walk(path, onerror=closed.append):
            depth = os.path.relpath(folder, path).count(os.sep) + (os.path.normpath(folder) != os.path.normpath(path))
            inner[:] = sorted(name for name in inner if name not in _NOT_WALKED and not _is_venv(os.path.join(folder, name)))
            if depth >= DEEPEST and inner:
                skipped.append(f"{escape(folder)} has folders deeper than {DEEPEST}, which were not looked into")
                inner.clear()
            count += len(names) + len(inner)
            if count > MOST_ENTRIES:
                most = f"{MOST_ENTRIES:,} files"
                skipped.append(f"{escape(path)} has more than {most}; the rest was not looked at. Name the folders that matter")
                break
            for name in sorted(names):
                if (_PROJECT.fullmatch(name) and not _EXAMPLE.match(name)) or name.endswith(".ipynb"):
                    yield os.path.join(folder, name)
        skipped.extend(
            f"{escape(where)} cannot be read, so nothing was looked for in it"
            for where in [str(one.filename) for one in closed[:20]]
        )


def _is_venv(path: str) -> bool:
    return os.path.exists(os.path.join(path, "pyvenv.cfg"))


def _look(path: str, made: Discovery, seen: set[tuple[int, int]]) -> None:
    try:
        info = os.lstat(path)
    except (OSError, ValueError):
        return
    if stat.S_ISLNK(info.st_mode):
        made.skipped.append(f"{escape(path)} is a link, and was not followed; name the file it leads to")
        return
    if not stat.S_ISREG(info.st_mode) or (info.st_dev, info.st_ino) in seen:
        return
    seen.add((info.st_dev, info.st_ino))
    try:
        if path.endswith(".ipynb"):
            made.skipped.extend(_in_notebook(path))
            return
        reading = read_one(path)
    except KeyvaultError as exc:
        made.skipped.append(exc.message)
        return
    made.places[path] = Place(path, stat.S_IMODE(info.st_mode), int(info.st_mtime))
    made.found.extend(found for found in reading.found if is_secret(found))
    made.skipped.extend(line for line in reading.skipped if "no value" not in line)


def _in_notebook(path: str) -> list[str]:
    """A line about each value in a notebook that has the shape of a vendor's key."""
    text = text_file.read(path).text
    lines = []
    for match in _NOTEBOOK_TOKEN.finditer(text):
        owner = owner_of(match[0]) if match[0].startswith(_prefixes()) else None
        if owner:
            line = text.count("\n", 0, match.start()) + 1
            where = f"{escape(path)}:{line}"
            lines.append(f"{where} seems to hold a key of {owner.name}; notebooks are not edited, so take it out by hand")
    return lines[:20]


@cache
def _prefixes() -> tuple[str, ...]:
    return tuple({pattern.prefix for provider in catalogue.our_own() for pattern in provider.patterns if pattern.prefix})
