"""What the next commit of a repository would add: whole files are searched, and findings on added or changed lines are told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from keyvault.audit.findings import STAGED, Leak
from keyvault.audit.leaks.history import ObjectBatch
from keyvault.audit.leaks.notes import Notes
from keyvault.core import git
from keyvault.core.errors import InvalidInput
from keyvault.core.git import GitFailed, Repository

_HUNK = re.compile(rb"@@ -\d+(?:,(\d{1,12}))? \+(\d{1,12})(?:,(\d{1,12}))? @@")
_CHANGE = re.compile(
    rb":\d{6} (?P<mode>\d{6}) (?P<before>[0-9a-f]{40,64}) (?P<blob>[0-9a-f]{40}|[0-9a-f]{64}) (?P<status>[A-Z])\d*"
)
_SUBMODULE = "160000"
_BATCH = 1_000


class Change(NamedTuple):
    """A staged file: its blob, and the one before it, or an empty text."""

    path: str
    blob: str
    before: str


def repository() -> Repository:
    """The repository that a hook is about, or that the current folder lies in. Raises InvalidInput."""
    try:
        return git.repository(".", of_hook=True)
    except GitFailed as exc:
        hint = exc.hint or "cd into a git repository first"
        raise InvalidInput(f"there is no repository whose index could be searched: {exc.message}", hint) from exc


def changes(repo: Repository, paths: Iterable[str], said: Notes) -> list[Change]:
    """What is staged, below `paths` if any are given. Raises GitFailed."""
    try:
        base = git.ask(repo.folder, "rev-parse", "--verify", "--quiet", "HEAD^{tree}", of_hook=True).decode().strip()
    except GitFailed:  # no commit yet
        base = git.ask(repo.folder, "hash-object", "-t", "tree", "--stdin", of_hook=True).decode().strip()
    words = (
        "--literal-pathspecs",
        "diff-index",
        "--cached",
        "--raw",
        "-z",
        "-M",
        "--no-abbrev",
        "--ignore-submodules=none",
        base,
        "--",
        *paths,
    )
    parts = iter(git.ask(repo.folder, *words, of_hook=True).split(b"\0"))
    found = []
    for about in parts:
        if not about:
            continue
        told = _CHANGE.fullmatch(about)
        names = [next(parts, b"") for _ in range(2 if told and told["status"] in b"RC" else 1)]
        if told is None or not names[-1]:
            raise GitFailed("git lists what is staged in a way that is not known", "update git")
        mode, before, blob, status = (part.decode() for part in told.group("mode", "before", "blob", "status"))
        name = os.fsdecode(names[-1])
        if status == "D":
            continue
        if status == "U":
            said.add("unmerged; stage it first", name)
        elif mode == _SUBMODULE:
            said.add("a submodule; its own repository was not searched", name)
        else:
            found.append(Change(name, blob, before.strip("0") and before))
    return found


def batches(repo: Repository, found: list[Change]) -> Iterator[ObjectBatch]:
    """The blobs of changes, to be searched."""
    for at in range(0, len(found), _BATCH):
        some = found[at : at + _BATCH]
        ids = b"".join(bytes.fromhex(change.blob) for change in some)
        yield ObjectBatch(repo, ids, 0, tuple((change.path, "") for change in some), STAGED, of_hook=True)


def added_only(repo: Repository, leaks: Iterable[Leak], found: list[Change]) -> Iterator[Leak]:
    """The leaks on lines that are new, and those that have no line. Raises GitFailed."""
    by_path = {change.path: change for change in found}
    lines: dict[str, list[range]] = {}
    for leak in leaks:
        change = by_path[leak.path]
        if not change.before or not leak.line:
            yield leak
            continue
        if leak.path not in lines:
            lines[leak.path] = _added(repo, change)
        if any(leak.line in some for some in lines[leak.path]):
            yield leak


def _added(repo: Repository, change: Change) -> list[range]:
    """The lines of the staged file that the one before it did not have."""
    words = ("diff", "-U0", "--text", "--no-color", "--no-ext-diff", "--no-textconv", "--no-indent-heuristic")
    lines = iter(git.ask(repo.folder, *words, change.before, change.blob, of_hook=True).split(b"\n"))
    found = []
    for line in lines:
        hunk = _HUNK.match(line)
        if hunk:
            taken, first, count = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
            found.append(range(first, first + count))
            passed = (line for line in lines if not line.startswith(b"\\"))
            for _ in islice(passed, taken + count):  # a line of the file may look like a hunk
                pass
    return found
