"""Every object of a git repository that can hold text: blobs, and the messages of commits and tags, reachable or not.

Objects are searched by their ids, each once. Which commit and path one belongs to is asked only for those with a finding.
"""

from __future__ import annotations

import re
import threading
from array import array
from binascii import unhexlify
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

from keyvault.audit.findings import HISTORY, Leak
from keyvault.audit.leaks import notes
from keyvault.audit.leaks.pieces import Piece, Searcher
from keyvault.audit.leaks.reading import WINDOW, Done, Note, search_through, search_whole
from keyvault.core import git
from keyvault.core.git import GitFailed, Repository

# Each batch starts a git, which unpacks its first objects from their beginning: few large batches, but some for all.
SMALLEST_BATCH, LARGEST_BATCH, BATCH_OBJECTS = 16 << 20, 128 << 20, 100_000
_LOOKED_BACK = 100_000  # objects among which an object's base is sought
_PARTS = 8
_MOST_FAILURES = 20  # of git, in one batch
_MOST_ON_COMMAND_LINE = 2_000
_OBJECT = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64}) (blob|commit|tag) ([0-9]{1,18}) ([0-9a-f]{40}|[0-9a-f]{64})\n")
_CONTENT = re.compile(rb"[0-9a-f]+ ([a-z]+) ([0-9]{1,18})\n")
MISSING = "incomplete: git lacks the object, or cannot read it"
MESSAGE, TAG_MESSAGE = "(commit message)", "(tag message)"


class ObjectBatch(NamedTuple):
    """Objects of a repository to search, their ids one after the other. `names`: what to call each, once it is known."""

    repo: Repository
    ids: bytes
    size: int
    names: tuple[tuple[str, str], ...] = ()
    source: str = HISTORY
    of_hook: bool = False

    @property
    def title(self) -> str:
        """What to call it, should it fail."""
        return f"{self.repo.shown or '.'} ({len(self.ids) // self.repo.id_size:,} objects of git)"

    def __call__(self, searcher: Searcher) -> Done:
        """Search them all. Where git dies of one, the rest is asked of another git."""
        found = _Found()
        width, at = self.repo.id_size, 0
        for _ in range(_MOST_FAILURES):
            at = self._ask(searcher, at, found)
            if at == len(self.ids):
                return found.done()
            found.miss(self.repo, self.ids[at : at + width])
            at += width
        for oid in _each(self.ids[at:], width):
            found.miss(self.repo, oid)
        return found.done()

    def _ask(self, searcher: Searcher, begin: int, found: _Found) -> int:
        """Search the objects from the place `begin` in `ids`; the place that git got to."""
        if begin == len(self.ids):
            return begin
        width = self.repo.id_size
        with git.running(self.repo.folder, "cat-file", "--batch", "--buffer", of_hook=self.of_hook) as process:
            assert process.stdin
            assert process.stdout
            threading.Thread(target=_feed, args=(process.stdin, self.ids[begin:], width), daemon=True).start()
            for at in range(begin, len(self.ids), width):
                oid = self.ids[at : at + width]
                path, commit = self.names[at // width] if self.names else ("", "")
                line = process.stdout.readline()
                header = _CONTENT.fullmatch(line)
                if header is None and line.count(b" ") == 1:
                    found.miss(self.repo, oid)
                elif header is None or not self._one(
                    searcher, process.stdout, oid, (header[1], int(header[2]), path, commit), found
                ):
                    return at
        return len(self.ids)

    def _one(
        self, searcher: Searcher, stream: IO[bytes], oid: bytes, about: tuple[bytes, int, str, str], found: _Found
    ) -> bool:
        """Search one object; false where git ended in the middle of it."""
        kind, size, path, commit = about
        piece = Piece(b"", path or oid.hex(), self.source, commit)
        leaks: Sequence[Leak]
        if kind != b"blob" and size <= WINDOW:
            data = stream.read(size)
            # The message begins at line 1; what git keeps above it has lines as well.
            above = data.partition(b"\n\n")[0].count(b"\n") + 2
            name = self.repo.shown + (MESSAGE if kind == b"commit" else TAG_MESSAGE)
            piece = piece._replace(data=data, path=name, commit=oid.hex(), first_line=1 - above)
            leaks, why, left = [leak._replace(line=max(leak.line, 0)) for leak in searcher.search(piece)], "", size - len(data)
        elif size <= WINDOW:
            data = stream.read(size)
            (leaks, why), left = search_whole(searcher, piece._replace(data=data)), size - len(data)
        else:
            leaks, why, left = _large(searcher, stream, size, piece)
        if left or stream.read(1) != b"\n":
            return False
        found.objects += 1
        found.size += size
        found.leaks += leaks
        if why:
            found.said.append((why, path or self.repo.shown + oid.hex(), 1))
        if leaks or (why and why != notes.BINARY):
            found.again.add(oid)
        return True


def _large(searcher: Searcher, stream: IO[bytes], size: int, piece: Piece) -> tuple[Sequence[Leak], str, int]:
    """Search what is not held whole; the last number: how much of it git did not give."""
    left = size

    def read(most: int) -> bytes:
        nonlocal left
        data = stream.read(min(most, left))
        left -= len(data)
        return data

    leaks, why = search_through(searcher, read, size, piece)
    while left and read(1 << 20):
        pass
    return leaks, why, left


class _Found:
    """What one batch gathers."""

    def __init__(self) -> None:
        self.leaks: list[Leak] = []
        self.said: list[Note] = []
        self.again: set[bytes] = set()
        self.objects = self.size = 0

    def miss(self, repo: Repository, oid: bytes) -> None:
        self.said.append((MISSING, repo.shown + oid.hex(), 1))
        self.again.add(oid)

    def done(self) -> Done:
        return Done(tuple(self.leaks), tuple(self.said), 0, self.objects, self.size, frozenset(self.again))


def _each(ids: bytes, size: int) -> Iterator[bytes]:
    return (ids[at : at + size] for at in range(0, len(ids), size))


def _feed(pipe: IO[bytes], ids: bytes, width: int) -> None:
    """Write while somebody else reads: both pipes would be full otherwise."""
    try:
        with pipe:
            pipe.write(ids.hex("\n", width).encode() + b"\n")
    except (OSError, ValueError):
        return  # git ended, or was ended


class Listing:
    """Lists a repository's objects in batches. Afterwards `commits` has the ids of all commits, `problem` what went wrong."""

    def __init__(self, repo: Repository, known: Callable[[bytes], bool]) -> None:
        self._repo = repo
        self._known = known
        self.commits = bytearray()
        self.known_ones = 0
        self.problem = ""

    def batches(self, workers: int) -> Iterator[ObjectBatch]:
        """Each object behind the one that it is stored as a difference from: so git unpacks none twice, with little memory."""
        ids, sizes, bases = bytearray(), array("Q"), array("i")
        numbers: dict[bytes, int] = {}
        for oid, kind, size, base in self._objects():
            if kind == b"commit":
                self.commits += oid
            if self._known(oid):
                self.known_ones += 1
                continue
            bases.append(numbers.get(base, -1))  # a base that comes later is none here, so no two are each other's
            if len(numbers) == _LOOKED_BACK:
                numbers.clear()
            numbers[oid] = len(sizes)
            ids += oid
            sizes.append(size)
        numbers.clear()
        most = min(max(sum(sizes) // (workers * _PARTS), SMALLEST_BATCH), LARGEST_BATCH)
        width, chosen, total = self._repo.id_size, bytearray(), 0
        for number in _behind_bases(bases):
            size = sizes[number]
            if chosen and (total + size > most or len(chosen) >= BATCH_OBJECTS * width):
                yield ObjectBatch(self._repo, bytes(chosen), total)
                chosen, total = bytearray(), 0
            chosen += ids[number * width : (number + 1) * width]
            total += size
        if chosen:
            yield ObjectBatch(self._repo, bytes(chosen), total)

    def _objects(self) -> Iterator[tuple[bytes, bytes, int, bytes]]:
        """Id, kind, size and base of each that is searched."""
        asked = "%(objectname) %(objecttype) %(objectsize) %(deltabase)"
        with git.running(
            self._repo.folder, "cat-file", f"--batch-check={asked}", "--batch-all-objects", "--unordered", "--buffer"
        ) as process:
            assert process.stdout
            for line in process.stdout:
                if parts := _OBJECT.fullmatch(line):
                    yield unhexlify(parts[1]), parts[2], int(parts[3]), unhexlify(parts[4])
            if process.wait():
                self.problem = "incomplete: git could not list all objects; is the repository damaged?"


def _behind_bases(bases: array[int]) -> Iterator[int]:
    """The numbers of all objects, each after its base and what hangs on that; `bases`: the number of each one's, or -1."""
    first, following = array("i", [-1]) * (len(bases) + 1), array("i", [-1]) * len(bases)
    for number in range(len(bases) - 1, -1, -1):
        base = bases[number]
        first[base], following[number] = number, first[base]  # what has no base hangs on the last one, -1
    waiting = [first[-1]]
    while waiting:
        number = waiting.pop()
        if number >= 0:
            waiting += following[number], first[number]
            yield number


def locate(repo: Repository, wanted: set[str], commits: bytes) -> dict[str, tuple[str, str]]:
    """The path and the oldest commit of each object in `wanted`: the index first, then one pass over all commits.

    Objects that are in neither are left out. What a damaged or partial repository does not tell is missing.
    """
    found = _in_index(repo, wanted)
    oldest: dict[str, tuple[int, int]] = {}
    for when, commit, path, oid in _changes(repo, wanted, commits):
        if oid in wanted and (oid not in oldest or when < oldest[oid]):
            oldest[oid] = when
            found[oid] = (path, commit)
    return {oid: (repo.shown + path, commit) for oid, (path, commit) in found.items()}


def _in_index(repo: Repository, wanted: set[str]) -> dict[str, tuple[str, str]]:
    if repo.bare:
        return {}
    found: dict[str, tuple[str, str]] = {}
    try:
        for entry in git.names(repo.folder, "ls-files", "-z", "--stage", "--full-name"):
            about, _, path = entry.partition("\t")
            oid = about.split(" ")[1]
            if oid in wanted:
                found.setdefault(oid, (path, ""))
    except GitFailed:
        return found
    return found


def _changes(repo: Repository, wanted: set[str], commits: bytes) -> Iterator[tuple[tuple[int, int], str, str, str]]:
    """Each change that brought or took a wanted object: when, commit, path, id. Stops where git stops.

    `when`: the time, and of the same second, fewer parents first: a stash comes after what it is made of.
    """
    if not wanted or not commits:
        return
    few = sorted(wanted) if len(wanted) <= _MOST_ON_COMMAND_LINE else []
    words = ["-r", "-m", "--root", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv"]
    words += ["--format=%H %ct %P", *(f"--find-object={oid}" for oid in few)]
    with git.running(repo.folder, "diff-tree", "--stdin", *words) as process:
        assert process.stdin
        threading.Thread(target=_feed, args=(process.stdin, commits, repo.id_size), daemon=True).start()
        commit, when, about = "", (0, 0), ""
        for part in git.split(process.stdout):
            if about:
                yield when, commit, part, about
                about = ""
            elif part.lstrip("\n").startswith(":"):
                about = part.rpartition(" ")[0].rpartition(" ")[2]
            else:
                commit, _, rest = part.strip("\n").partition(" ")
                time, _, parents = rest.partition(" ")
                # A commit that was made by hand can have no time that git understands.
                when = int(time) if time.isdigit() and len(time) < 20 else 0, len(parents.split())
