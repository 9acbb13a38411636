"""The store where another program, or a mishap, was at its files."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keyvault.core.errors import AlreadyExists, StoreBusy, StoreFailed, VaultCorrupt
from keyvault.store import sqlite
from keyvault.store.queue import WritersQueue
from keyvault.store.sqlite import SqliteStore, create_store, open_store, put_aside, replace_store

BLOBS = {bytes(32): b"blob"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "vault" / "vault.db")
    create_store(made, BLOBS, b"head 1")
    return made


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    opened = open_store(path)
    yield opened
    opened.close()


def meddle(path: str, sql: str) -> None:
    """Change the file as a program would that knows nothing of the queue."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(sql)


def test_a_restore_is_given_up_where_another_wrote_without_waiting(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    look = SqliteStore.head

    def head(self: SqliteStore) -> bytes:
        found = look(self)
        meddle(path, "UPDATE head SET bytes = x'00'")
        return found

    monkeypatch.setattr(SqliteStore, "head", head)
    with pytest.raises(StoreBusy, match="without waiting for its turn"):
        replace_store(path, lambda: ({b"1" * 32: b"new"}, b"head 2"))
    monkeypatch.undo()
    with closing(open_store(path)) as store:
        assert (store.head(), store.ids()) == (b"\0", set(BLOBS))


def test_a_table_that_went_away_is_damage(path: str, store: SqliteStore) -> None:
    meddle(path, "DROP TABLE blob")
    with pytest.raises(VaultCorrupt):
        store.ids()


def test_a_file_that_went_away_is_not_written_to(path: str, store: SqliteStore) -> None:
    os.rename(path, path + ".away")
    with pytest.raises(StoreFailed, match="cannot find"):
        store.put({}, [], b"head 2", b"head 1")
    with closing(open_store(path + ".away")) as away:
        assert away.head() == b"head 1"


def test_a_link_in_the_journals_place_is_not_written_through(path: str, store: SqliteStore, tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", path + "-journal")
    with pytest.raises(StoreFailed, match="or the journal beside it, cannot be opened") as failed:
        store.put({}, [], b"head 2", b"head 1")
    assert "check its folder" in failed.value.hint
    assert not os.path.lexists(tmp_path / "elsewhere")
    os.unlink(path + "-journal")
    assert store.head() == b"head 1"


def test_a_store_is_never_made_over_another_nor_under_a_journal_that_was_left(path: str) -> None:
    with pytest.raises(AlreadyExists, match="exists"):
        create_store(path, {}, b"other")
    os.rename(path, path + ".away")
    with open(path + "-journal", "wb") as file:
        file.write(b"half a write")
    with pytest.raises(AlreadyExists, match="is left from a vault that is not there any more"):
        create_store(path, {}, b"other")
    assert not os.path.lexists(path)
    with open(path + "-journal", "wb"):
        pass  # empty, as after a write that ended well
    create_store(path, {}, b"other")


def test_a_name_that_leaves_no_room_for_a_journal_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    with pytest.raises(StoreFailed, match=r"cannot look at .*: file name too long"):
        create_store(str(folder / ("v" * 250)), {}, b"head 1")
    assert os.listdir(folder) == []


def test_a_store_that_is_put_aside_takes_its_journal_along(path: str) -> None:
    with open(path, "rb") as file:
        content = file.read()
    for number in (1, 2):
        with open(path + "-journal", "wb") as file:
            file.write(b"half a write")
        aside = put_aside(path)
        assert aside == f"{path}.aside-{number}"
        for name, what in ((aside, content), (aside + "-journal", b"half a write")):
            with open(name, "rb") as file:
                assert file.read() == what
        assert not os.path.lexists(path)
        assert not os.path.lexists(path + "-journal")
        with open(path, "wb") as file:
            file.write(content)


def test_nothing_that_was_put_aside_is_written_over(path: str) -> None:
    for number in range(1, 1000):
        os.symlink("nowhere", f"{path}.aside-{number}")
    with pytest.raises(StoreFailed, match="too many files were put aside"):
        put_aside(path)
    assert os.path.isfile(path)


def test_what_is_not_there_cannot_be_put_aside(path: str) -> None:
    os.unlink(path)
    with pytest.raises(StoreFailed, match="cannot rename"):
        put_aside(path)


@pytest.mark.parametrize("spoil", [os.mkdir, lambda lock: os.symlink("elsewhere", lock)])
def test_a_lock_file_that_is_no_file_locks_nothing(tmp_path: Path, spoil: object) -> None:
    lock = str(tmp_path / "vault.db.lock")
    spoil(lock)  # type: ignore[operator]
    with pytest.raises(StoreFailed, match="cannot open the lock file"), WritersQueue(lock).turn():
        pass
    assert not os.path.lexists(tmp_path / "elsewhere")


@pytest.mark.parametrize("other", [b"another's", None])
@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_somebody_made_just_now_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool, other: bytes | None
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr("keyvault.store.sqlite.os.link", no_links)
    new, path = tmp_path / "new", tmp_path / "path"
    new.write_bytes(b"ours")
    if other is None:
        sqlite._take_name(str(new), str(path))
        assert path.read_bytes() == b"ours"
        return
    path.write_bytes(other)
    with pytest.raises(AlreadyExists):
        sqlite._take_name(str(new), str(path))
    assert (path.read_bytes(), new.read_bytes()) == (other, b"ours")
