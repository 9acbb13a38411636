"""Search for keys: which places, in which order, and one answer for all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from keyvault.audit.findings import TREE, Leak, Skipped
from keyvault.audit.leaks import history, home, notes, staged, tree
from keyvault.audit.leaks.history import Listing, ObjectBatch
from keyvault.audit.leaks.notes import Notes
from keyvault.audit.leaks.pieces import Plan, Searcher
from keyvault.audit.leaks.tree import Walk
from keyvault.audit.leaks.work import Crew, Make, Progress, Task
from keyvault.core import git, settings
from keyvault.core.git import GitFailed, Repository

if TYPE_CHECKING:
    from concurrent.futures import Executor

IN_FILES, IN_HOME, IN_HISTORY, IN_INDEX, OF_FINDINGS = "files", "home folder", "history", "staged files", "names of findings"
NOT_ALL_OF_HOME = "the whole home folder is only searched where it is named; its usual places were searched"


class Where(NamedTuple):
    """Where to search. Nothing given: the current folder, and the home folder's usual places.

    `paths`: files and folders. `history`: also all objects of the repositories there. `staged`: only what the index adds,
    below `paths` if any. `home`: without paths, also the home places. `state`: the folder that remembers what was searched in
    history; empty for none.
    """

    paths: tuple[str, ...] = ()
    history: bool = False
    staged: bool = False
    home: bool = True
    state: str = ""


class Found(NamedTuple):
    """What was found, what was left out, and how many files, objects of git and bytes were searched."""

    leaks: tuple[Leak, ...]
    skipped: tuple[Skipped, ...]
    searched: tuple[int, int, int]


def leaks(
    plan: Plan,
    where: Where,
    *,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    make: Make | None = None,
    workers: int | None = None,
) -> Found:
    """All keys that lie in clear there. `executor`: who does the work; by default processes of this machine, if there is much.

    An executor gets what is sought, values included, and opens the same files by the same paths. `progress` is called at most
    ten times a second. `make`: a module level function that makes the searcher of each worker. A search that is
    interrupted leaves no process and no file behind, and goes on from there in history.

    Raises NotFound, InvalidInput, KeyvaultError.
    """
    base = settings.absolute(".")
    if where.staged:
        with Crew(make or _searcher, plan, None, 1, progress) as crew:
            return _Search(crew, base, plan).staged(where)
    with Crew(make or _searcher, plan, executor, workers, progress) as crew:
        return _Search(crew, base, plan).places(where)


def _searcher(plan: Plan) -> Searcher:
    from keyvault.audit.leaks.searching import searcher

    made: Searcher = searcher(plan)
    return made


class _Search:
    """One search, and what it has found so far."""

    def __init__(self, crew: Crew, base: str, plan: Plan) -> None:
        self._crew = crew
        self._base = base
        self._plan = plan
        self._said = Notes()
        self._walk = Walk(base, self._said)
        self._leaks: dict[Leak, None] = {}
        self._files = self._objects = self._size = 0

    def places(self, where: Where) -> Found:
        """The working tree, the home places, and history, as asked."""
        paths = where.paths or (() if self._is_home() else (".",))
        if not paths:
            self._said.add(NOT_ALL_OF_HOME, ".")
        self._do(tree.grouped(self._walk.files(paths), self._base, TREE), IN_FILES)
        if where.home and not where.paths:
            self._do(home.batches(self._base, self._said), IN_HOME)
        if where.history:
            self._all_history(paths or (".",), where.state)
        return self._found()

    def staged(self, where: Where) -> Found:
        """The index of the repository that a hook is about, or of the current folder."""
        repo = staged.repository()
        changes = staged.changes(repo, where.paths, self._said)
        found = self._do(staged.batches(repo, changes), IN_INDEX, keep=False)
        self._files, self._objects = self._objects, 0
        if found:
            prefix = self._prefix(repo, of_hook=True)
            for leak in staged.added_only(repo, found, changes):
                self._leaks[leak._replace(path=prefix + leak.path)] = None
        return self._found()

    def _is_home(self) -> bool:
        """The current folder is the home folder, or above it."""
        user = os.path.realpath(os.path.expanduser("~"))
        return (user + os.sep).startswith(os.path.realpath(self._base).rstrip(os.sep) + os.sep)

    def _do(
        self,
        tasks: Iterable[Task],
        what: str,
        *,
        keep: bool = True,
        each: Callable[[Task, frozenset[bytes]], None] = lambda _task, _again: None,
    ) -> list[Leak]:
        found: list[Leak] = []
        for task, done in self._crew.run(tasks, what):
            found += done.leaks
            self._said.take(done.notes)
            self._files += done.files
            self._objects += done.objects
            self._size += done.size
            each(task, done.keep_looking)
        if keep:
            self._leaks.update(dict.fromkeys(found))
        return found

    def _all_history(self, paths: Iterable[str], state: str) -> None:
        folders = list(self._walk.repositories)
        for path in paths:
            whole = os.path.realpath(os.path.join(self._base, path))
            folder = whole if os.path.isdir(whole) else os.path.dirname(whole)
            if git.is_inside_one(folder):
                folders.append(folder)
        if not folders:
            self._said.add("no git repository, so there is no history", ".")
        from keyvault.audit.leaks.seen import fingerprint

        mark = fingerprint(self._plan) if folders and state else b""
        known = set()
        for folder in folders:
            try:
                repo = git.repository(folder)
                if repo.common in known:
                    continue
                known.add(repo.common)
                self._history(repo._replace(shown=self._prefix(repo)), state, mark)
            except GitFailed as exc:
                self._said.add(f"history was not searched whole: {exc.message}", self._walk.shown(folder))

    def _history(self, repo: Repository, state: str, mark: bytes) -> None:
        place = repo.shown or "."
        for why in git.as_partial(repo):
            self._said.add(why, place)
        from keyvault.audit.leaks.seen import Seen

        seen = Seen(state, repo, mark)
        listing = Listing(repo, seen.__contains__)

        def remember(task: Task, keep_looking: frozenset[bytes]) -> None:
            assert isinstance(task, ObjectBatch)
            seen.add(task.ids, keep_looking)

        found = self._do(listing.batches(self._crew.workers), IN_HISTORY, keep=False, each=remember)
        if listing.known_ones:
            self._said.add(notes.SEARCHED_BEFORE, place, listing.known_ones)
        if listing.problem:
            self._said.add(listing.problem, place)
        self._name(repo, found, bytes(listing.commits))

    def _name(self, repo: Repository, found: list[Leak], commits: bytes) -> None:
        """Say where the findings were. Blobs are searched again under their names, since a name can tell that it is no key."""
        blobs = {leak.path for leak in found if not leak.commit}
        self._leaks.update(dict.fromkeys(leak for leak in found if leak.commit))
        if not blobs:
            return
        places = history.locate(repo, blobs, commits)
        named = sorted(blobs)
        names = tuple(places.get(oid) or (f"{repo.shown}(unreachable object {oid[:8]})", "") for oid in named)
        again = [
            ObjectBatch(repo, b"".join(map(bytes.fromhex, named[at : at + 500])), 0, names[at : at + 500])
            for at in range(0, len(named), 500)
        ]
        before = self._objects, self._size
        self._do(again, OF_FINDINGS)
        self._objects, self._size = before

    def _prefix(self, repo: Repository, *, of_hook: bool = False) -> str:
        """What comes before the paths of a repository in a report."""
        if repo.bare:
            return self._walk.shown(os.path.realpath(repo.common)).rstrip("/") + "/"
        try:
            top = git.top_of(repo.folder, of_hook=of_hook)
        except GitFailed:
            return ""
        return "" if os.path.realpath(top) == os.path.realpath(self._base) else self._walk.shown(top) + "/"

    def _found(self) -> Found:
        told = (leak._replace(path=self._walk.shown(leak.path)) for leak in self._leaks)
        found = tuple(sorted(told, key=lambda leak: (leak.source, leak.path, leak.line, leak.column)))
        return Found(found, self._said.told(), (self._files, self._objects, self._size))
