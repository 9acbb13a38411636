"""What other programs print, and text that is only passed on: git, pass, the output of `run`, lines to be translated."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from keyvault.audit.leaks import history, staged
from keyvault.audit.leaks.notes import Notes
from keyvault.audit.leaks.pieces import Piece
from keyvault.cli.columns import table, width
from keyvault.cli.translating import Catalogue
from keyvault.core import git
from keyvault.core.git import GitFailed, Repository
from keyvault.discover import stores
from keyvault.environment.redact import SHORTEST, Redactor
from keyvault.formats import FORMATS, load
from keyvault.rotation import propagate
from keyvault.rotation.propagate import Exchange
from keyvault.vault.rotating import Place

_REPO = Repository(".", ".", False, False, 20)
_OID = "11" * 20


def git_staged(data: bytes) -> None:
    """A list of staged files: names and blobs, or git failed."""
    with mock.patch.object(git, "ask", side_effect=[b"tree", data]):
        found = staged.changes(_REPO, (), Notes())
        assert all(len(bytes.fromhex(change.blob)) in (20, 32) for change in found)
        assert not any("\0" in change.path for change in found)


def git_diff(data: bytes) -> None:
    """Ranges of lines in a file."""
    with mock.patch.object(git, "ask", return_value=data):
        for lines in staged._added(_REPO, staged.Change("f", _OID, _OID)):
            assert lines.start >= 0


def git_objects(data: bytes) -> None:
    """Objects to be searched, each behind the one that it is stored as a difference from."""
    with mock.patch.object(git, "running", _printing(data)):
        listing = history.Listing(_REPO, lambda oid: oid.startswith(b"\xff"))
        for batch in listing.batches(2):
            assert len(batch.ids) % 20 == 0


def git_contents(data: bytes) -> None:
    """Two objects as git prints them, or what of them is missing."""
    searcher: Any = SimpleNamespace(search=_nothing)
    with mock.patch.object(git, "running", _printing(data)):
        done = history.ObjectBatch(_REPO, bytes.fromhex(_OID * 2), 0)(searcher)
    assert done.files <= 2


def git_commits(data: bytes) -> None:
    """Where objects come from: paths and commits."""
    with mock.patch.object(git, "running", _printing(data)):
        found = history.locate(_REPO._replace(bare=True), {_OID}, b"\x22" * 20)
    assert set(found) <= {_OID}


def git_errors(data: bytes) -> None:
    assert len(git.reason(data)) < 2000
    with suppress(GitFailed), mock.patch.object(git, "ask", return_value=data):
        assert git.repository(".").id_size in (20, 32)


def pass_entry(data: bytes) -> None:
    """What `pass show` prints: no value that is not there."""
    text = data.decode("utf-8", "surrogateescape")
    with (
        mock.patch.object(stores, "_run_pass", return_value=text),
        mock.patch.object(stores, "_pass_names", return_value=["a/b"]),
    ):
        reading = stores.read_pass("a")
    assert all(one.value.reveal() in text for one in reading.found)


def redacted(data: bytes) -> None:
    """Values, a line each, then a zero byte and what a program prints: no value is left, however it is cut."""
    values, _, stream = data.partition(b"\0")
    secrets = [text for text in values.decode("utf-8", "surrogateescape").split("\n") if "*" not in text][:4]
    whole = Redactor(secrets)
    masked = whole.feed(stream) + whole.finish()
    cut = Redactor(secrets)
    pieces = [cut.feed(stream[at : at + 1 + at % 7]) for at in _starts(len(stream))]
    assert b"".join(pieces) + cut.finish() == masked
    assert not any(text.encode("utf-8", "surrogateescape") in masked for text in secrets if len(text) >= SHORTEST)


def _starts(length: int) -> Iterator[int]:
    at = 0
    while at < length:
        yield at
        at += 1 + at % 7


def said(data: bytes) -> None:
    """A line in Chinese: never empty where there was text, and in time."""
    text = data.decode("utf-8", "replace")
    assert bool(_chinese().said(text)) == bool(text)


def tables(data: bytes) -> None:
    """No line is wider than the terminal."""
    cells = data.decode("utf-8", "replace").split("\n")[:12]
    rows = [(cells[at], cells[at + 1], cells[at + 2]) for at in range(0, len(cells) - 2, 3)]
    shown = [tuple("".join(c for c in cell if c.isprintable()) for cell in row) for row in rows]
    text = table(("NAME", "VERDICT", "NOTE"), shown, fit=80)
    assert all(width(line) <= 80 for line in text.split("\n"))


def exchanged(data: bytes) -> None:
    """The first byte names a format: a new value for the old one and back again leaves the file as it was."""
    kinds = [name for name in FORMATS if load(name).is_file]
    kind = kinds[data[0] % len(kinds)] if data else kinds[0]
    text = data[1:].decode("utf-8", "replace")
    places = [Place(kind, "/f", "A_KEY")]
    for old, new in (("old-0123456789", "new-9876543210"), ("old 'value\"$x", "new \\ value\n2")):
        if new in text:
            continue
        after = propagate._exchanged(text, Exchange("", old, new), places, {"A_KEY": ""})
        assert propagate._exchanged(after, Exchange("", new, old), places, {"A_KEY": ""}) == text
        assert after == text or old in text or kind != "dotenv"


def _printing(data: bytes) -> Any:
    @contextmanager
    def running(*_words: str, **_options: bool) -> Iterator[Any]:
        yield SimpleNamespace(stdin=io.BytesIO(), stdout=io.BufferedReader(io.BytesIO(data)), wait=lambda: 0)  # type: ignore[arg-type]

    return running


def _nothing(_piece: Piece) -> list[Any]:
    return []


@cache
def _chinese() -> Catalogue:
    return Catalogue("zh_CN")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "exchanged": exchanged,
    "git-commits": git_commits,
    "git-contents": git_contents,
    "git-diff": git_diff,
    "git-errors": git_errors,
    "git-objects": git_objects,
    "git-staged": git_staged,
    "pass-entry": pass_entry,
    "redacted": redacted,
    "said": said,
    "tables": tables,
}
