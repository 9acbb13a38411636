"""Which files of a folder are searched: what git tracks or would track, and what is ignored but made to hold secrets."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator

from keyvault.audit.leaks import notes
from keyvault.audit.leaks.notes import Notes
from keyvault.audit.leaks.reading import FileBatch
from keyvault.core import git
from keyvault.core.errors import NotFound
from keyvault.core.text import escape

BATCH_BYTES, BATCH_FILES = 4 << 20, 2_000

# Searched although git ignores them: files that are ignored because secrets are in them, and what assistants keep.
_SECRET_LIKE = re.compile(
    r"""(?: \.env(?:[.-].+)? | .+\.env | \.envrc | \.?secrets?(?:\..+)? | \.?credentials?(?:\..+)?
    | .+\.(?:tfvars|tfstate)(?:\.\w+)?
    | \.Renviron | \.Rprofile | \.Rhistory | \.\w+_history | \.npmrc | \.pypirc | \.netrc | \.?mcp\.json | settings\.local\.json
    | local\.settings\.json | \.aider.* | .+\.ipynb | docker-compose\.override\.ya?ml | nohup\.out )\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_OF_ASSISTANTS = re.compile(r"(?:\A|/)\.(?:claude|codex|gemini|continue|cursor|specstory|windsurf|vscode|idea|history)/")


def grouped(files: Iterable[tuple[str, int]], base: str, source: str, *, binary_too: bool = False) -> Iterator[FileBatch]:
    """Files, each with its size, put into batches of a few megabytes; paths are relative to `base`."""
    names: list[str] = []
    sizes: list[int] = []
    total = 0
    for name, size in files:
        if names and (total + size > BATCH_BYTES or len(names) >= BATCH_FILES):
            yield FileBatch(base, "\0".join(names), total, source, binary_too, tuple(sizes))
            names, sizes, total = [], [], 0
        names.append(name)
        sizes.append(size)
        total += size
    if names:
        yield FileBatch(base, "\0".join(names), total, source, binary_too, tuple(sizes))


class Walk:
    """Lists files. What it passes over goes into the notes."""

    def __init__(self, base: str, said: Notes) -> None:
        self._said = said
        self._below = base.rstrip(os.sep) + os.sep
        self._base = base
        self.repositories: list[str] = []  # of git, that were met with

    def shown(self, path: str) -> str:
        """The path as a report has it."""
        if path == self._base:
            return "."
        return path.removeprefix(self._below)

    def files(self, paths: Iterable[str]) -> Iterator[tuple[str, int]]:
        """All files below `paths` with their sizes. Raises NotFound."""
        for path in paths:
            whole = os.path.join(self._base, path)
            # What a person names is followed, and nothing below it.
            whole = os.path.realpath(whole) if os.path.islink(whole) else os.path.abspath(whole)
            if not os.path.lexists(whole):
                raise NotFound(f"{escape(path)} does not exist", "check the path")
            if os.path.isdir(whole):
                yield from self._folder(whole)
            else:
                yield from self._file(whole)

    def plain(self, folder: str) -> Iterator[tuple[str, int]]:
        """All files below `folder`, whatever git thinks of them; repositories below it by their own rules."""
        waiting = [folder]
        while waiting:
            place = waiting.pop()
            try:
                with os.scandir(place) as entries:
                    inner = {entry.name: entry for entry in entries}
            except OSError as exc:
                self._failed(place, exc)
                continue
            if ".git" in inner and self._has_git(place):
                yield from self._listed(place)
                continue
            is_git_folder = {"HEAD", "objects", "refs"} <= inner.keys()
            if is_git_folder:
                self.repositories.append(place)
            for name in sorted(inner, reverse=True):
                if is_git_folder and name == "objects":
                    continue  # packed: --history searches them
                if inner[name].is_dir(follow_symlinks=False):
                    waiting.append(inner[name].path)
            for name in sorted(inner):
                if not inner[name].is_dir(follow_symlinks=False):
                    yield from self._file(inner[name].path)

    def _folder(self, folder: str) -> Iterator[tuple[str, int]]:
        listed = git.is_inside_one(folder) and self._has_git(folder)
        own = os.path.lexists(os.path.join(folder, ".git"))
        if listed and (own or not git.is_ignored(folder)):
            yield from self._listed(folder)
        else:
            yield from self.plain(folder)

    def _has_git(self, folder: str) -> bool:
        if git.program():
            return True
        self._said.add(f"{git.NO_GIT}, so what it ignores was searched as well", self.shown(folder))
        return False

    def _listed(self, folder: str) -> Iterator[tuple[str, int]]:
        """What git lists below `folder`; without its help, everything."""
        last = ""
        self.repositories.append(folder)
        try:
            git.ask(folder, "rev-parse", "--is-inside-work-tree")
            for name in git.names(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard"):
                if name != last:  # an unmerged file is listed once for each side
                    yield from self._file(os.path.join(folder, name.rstrip("/")))
                last = name
            yield from self._ignored(folder)
        except git.GitFailed as exc:
            self._said.add(f"{exc.message}; everything in it was searched instead, its objects left out", self.shown(folder))
            yield from self._without_git(folder)
            return
        hidden = os.path.join(folder, ".git")
        if os.path.isdir(hidden) and not os.path.islink(hidden):
            yield from self.plain(hidden)  # addresses with passwords, hooks, logs, the last message

    def _without_git(self, folder: str) -> Iterator[tuple[str, int]]:
        for place, inner, names in os.walk(folder):
            if "HEAD" in names and {"objects", "refs"} <= set(inner):
                inner.remove("objects")
            inner.sort()
            for name in sorted(names):
                yield from self._file(os.path.join(place, name))

    def _ignored(self, folder: str) -> Iterator[tuple[str, int]]:
        left = 0
        for name in git.names(folder, "ls-files", "-z", "--others", "--ignored", "--exclude-standard"):
            if _SECRET_LIKE.match(name.rsplit("/", 1)[-1]) or _OF_ASSISTANTS.search(name):
                yield from self._file(os.path.join(folder, name.rstrip("/")))
            else:
                left += 1
        if left:
            self._said.add(notes.IGNORED, self.shown(folder), left)

    def _file(self, path: str) -> Iterator[tuple[str, int]]:
        try:
            info = os.lstat(path)
        except (OSError, ValueError) as exc:
            self._failed(path, exc)
            return
        if stat.S_ISREG(info.st_mode):
            if info.st_size:
                yield self.shown(path), info.st_size
        elif stat.S_ISLNK(info.st_mode):
            self._said.add(notes.LINK, self.shown(path))
        elif stat.S_ISDIR(info.st_mode):  # where git lists files: a submodule, or a repository inside of this one
            yield from self.plain(path)
        else:
            self._said.add(notes.SPECIAL, self.shown(path))

    def _failed(self, path: str, exc: OSError | ValueError) -> None:
        if isinstance(exc, FileNotFoundError):
            return  # gone since it was listed
        if isinstance(exc, PermissionError):
            self._said.add(notes.NO_PERMISSION, self.shown(path))
        else:
            self._said.add(f"cannot be read: {str(getattr(exc, 'strerror', '') or 'a bad name').lower()}", self.shown(path))
