"""The embedded store: one SQLite file in a private folder.

Why these settings: a rollback journal instead of WAL, because SQLite 3.7.0 to 3.51.2 has the WAL-reset bug and `-wal` files
break plain copies; `synchronous=EXTRA` so that the journal's removal survives a power cut; writers queue on a lock file.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from keyvault.core.errors import AlreadyExists, KeyvaultError, StoreBusy, StoreFailed, UnsupportedFormat, VaultCorrupt
from keyvault.core.text import escape
from keyvault.store import DEADLINE
from keyvault.store.files import check_private, failure, make_private_folder, open_new, sync_folder

if TYPE_CHECKING:
    from keyvault.store.queue import WritersQueue

T = TypeVar("T")

APPLICATION_ID = 0x4B56_4C54  # "KVLT"
FORMAT = 1
LARGEST_ROW = 4 * 1024 * 1024
_SCHEMA = (
    ("table", "blob", "CREATE TABLE blob (id BLOB NOT NULL PRIMARY KEY, bytes BLOB NOT NULL)"),
    ("table", "head", "CREATE TABLE head (one INTEGER PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL)"),
    ("index", "sqlite_autoindex_blob_1", None),
)
_DURABLE = (
    "PRAGMA journal_mode = TRUNCATE",
    "PRAGMA synchronous = EXTRA",
    "PRAGMA fullfsync = ON",
    "PRAGMA secure_delete = ON",
)
_IMPATIENT = 250  # ms a reader waits before it joins the writers' queue

# What a damaged or hostile file can make the engine and its Python module raise.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError, OverflowError, ValueError, TypeError, MemoryError)


class SqliteStore:
    """A `keyvault.store.base.Store` in the file at `path`. Use `open_store`, `open_copy` or `create_store`."""

    def __init__(self, path: str, deadline: float = DEADLINE, *, private: bool = True) -> None:
        self.name = path
        self._deadline = deadline
        before = check_private(path, open_to_others=not private)
        with self._translated("open"):
            self._db = sqlite3.connect(path, timeout=_IMPATIENT / 1000, isolation_level=None, check_same_thread=False)
        self._file = (before.st_dev, before.st_ino)
        self._durable = False
        try:
            with self._translated("open"):
                self._db.text_factory = _text
                self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_ROW)
                self._db.execute("PRAGMA trusted_schema = OFF")
                self._db.execute("PRAGMA cell_size_check = ON")
            self._read(self._check_schema)
            self._check_same_file("opened")
        except BaseException:
            self._db.close()
            raise

    def head(self) -> bytes:
        """The head as it is now."""
        rows = self._read(lambda: self._db.execute("SELECT bytes FROM head LIMIT 2").fetchall())
        if len(rows) != 1 or not isinstance(rows[0][0], bytes):
            raise VaultCorrupt(f"{escape(self.name)} has no head", "run keyvault doctor")
        return rows[0][0]

    def get(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The blobs that exist among `ids`."""
        wanted = list(ids)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            sql = f"SELECT id, bytes FROM blob WHERE id IN ({marks})"  # noqa: S608 - only question marks
            for name, content in self._read(lambda sql=sql, part=part: self._db.execute(sql, part).fetchall()):  # type: ignore[misc]
                if not isinstance(name, bytes) or not isinstance(content, bytes):
                    raise VaultCorrupt(f"{escape(self.name)} holds a row of the wrong type", "run keyvault doctor")
                found[name] = content
        return found

    def ids(self) -> set[bytes]:
        """The ids of all blobs."""
        return {row[0] for row in self._read(lambda: self._db.execute("SELECT id FROM blob").fetchall())}

    def put(self, add: Mapping[bytes, bytes], drop: Iterable[bytes], new_head: bytes, expected_head: bytes) -> bool:
        """Atomically and durably add and drop blobs and replace the head, if it is still `expected_head`."""
        with self._queue.turn(), self._translated("write"):
            if not self._durable:
                for pragma in _DURABLE:
                    self._db.execute(pragma)
                self._durable = True
            self._db.execute(f"PRAGMA busy_timeout = {int(self._deadline * 1000)}")
            self._check_same_file("written")
            try:
                self._db.execute("BEGIN IMMEDIATE")
                if self._db.execute("SELECT bytes FROM head").fetchall() != [(expected_head,)]:
                    self._db.execute("ROLLBACK")
                    return False
                self._db.executemany("INSERT INTO blob (id, bytes) VALUES (?, ?)", add.items())
                self._db.executemany("DELETE FROM blob WHERE id = ?", ((name,) for name in drop))
                self._db.execute("UPDATE head SET bytes = ?", (new_head,))
                self._check_same_file("written")
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._db.execute(f"PRAGMA busy_timeout = {_IMPATIENT}")
            self._check_same_file("written; the change went into the old file and is not in this vault")
        return True

    def writers_queue(self) -> AbstractContextManager[None]:
        """Wait for a turn as the only writer."""
        return self._queue.turn()

    @cached_property
    def _queue(self) -> WritersQueue:
        return _queue(self.name, self._deadline)

    def check_integrity(self) -> None:
        """The engine's own full check of the file. Raises VaultCorrupt."""
        rows = self._read(lambda: self._db.execute("PRAGMA integrity_check(1)").fetchall())
        if rows != [("ok",)]:
            raise VaultCorrupt(f"{escape(self.name)} is damaged", "restore a backup: keyvault restore FILE")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _read(self, query: Callable[[], T]) -> T:
        with self._translated("read"):
            try:
                return query()
            except sqlite3.OperationalError as exc:
                if _code(exc) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
            with self._queue.turn():  # a reader that meets a stream of writers takes its turn among them
                return query()

    def _check_schema(self) -> None:
        if self._pragma("application_id") != APPLICATION_ID:
            raise UnsupportedFormat(f"{escape(self.name)} is not a keyvault vault", "point KEYVAULT_HOME at the right folder")
        if (version := self._pragma("user_version")) != FORMAT:
            raise UnsupportedFormat(
                f"{escape(self.name)} has format {version}, and this keyvault reads format {FORMAT}", "update keyvault"
            )
        rows = self._db.execute("SELECT type, name, sql FROM sqlite_schema").fetchall()
        if set(rows) != set(_SCHEMA) or len(rows) != len(_SCHEMA) or self._pragma("journal_mode") == "wal":
            raise VaultCorrupt(f"{escape(self.name)} was altered: its tables are not keyvault's", "restore a backup")

    def _pragma(self, name: str) -> object:
        row = self._db.execute(f"PRAGMA {name}").fetchone()
        return row[0] if row else None

    def _check_same_file(self, doing: str) -> None:
        """A file renamed over an open database takes writes that nobody will ever read."""
        try:
            info = os.stat(self.name, follow_symlinks=False)
        except OSError as exc:
            raise failure("find", self.name, exc) from exc
        if (info.st_dev, info.st_ino) != self._file:
            raise StoreFailed(f"{escape(self.name)} was replaced by another file while it was {doing}", "run it again")

    def _translated(self, what: str) -> AbstractContextManager[None]:
        return _translated(what, self.name)


def _queue(path: str, deadline: float) -> WritersQueue:
    from keyvault.store.queue import WritersQueue  # readers rarely wait

    return WritersQueue(path + ".lock", deadline)


def open_store(path: str) -> SqliteStore:
    """Open an existing store. Raises NotFound, UnsafeFile, UnsupportedFormat, VaultCorrupt, StoreFailed, StoreBusy."""
    return SqliteStore(path)


def open_copy(path: str) -> SqliteStore:
    """Open a backup for reading. It is sealed, so its mode and owner do not matter: it may lie on a stick or a share."""
    return SqliteStore(path, private=False)


def create_store(path: str, blobs: Mapping[bytes, bytes], head: bytes, *, private_folder: bool = True) -> None:
    """Make a store at `path`, whole or not at all; its folder is private too, but for a backup's.

    Raises AlreadyExists, StoreFailed, UnsafeFile.
    """
    folder = os.path.dirname(path)
    if private_folder:
        make_private_folder(folder)
    if os.path.lexists(path):
        raise AlreadyExists(f"{escape(path)} exists", "nothing was changed; choose another place with KEYVAULT_HOME")
    _refuse_leftover_journal(path)
    temporary = os.path.join(folder, f".{os.path.basename(path)}.{os.urandom(6).hex()}.new")
    try:
        os.close(open_new(temporary))
        try:
            with _translated("create", path):
                _fill(temporary, blobs, head)
            _take_name(temporary, path)
        finally:
            for name in (temporary, temporary + "-journal"):
                if os.path.lexists(name):
                    os.unlink(name)
    except OSError as exc:
        raise failure("create", path, exc) from exc
    sync_folder(folder)


def replace_store(path: str, content: Callable[[], tuple[Mapping[bytes, bytes], bytes]]) -> None:
    """Put other blobs and another head into the store at `path`, in one transaction.

    Open handles see it, as they would not see a rename. `content` is asked for when no other writer can come between.
    Raises StoreFailed, StoreBusy, VaultCorrupt, UnsupportedFormat.
    """
    store = SqliteStore(path)
    try:
        with store.writers_queue():
            blobs, head = content()
            old = store.ids()
            add = {name: blob for name, blob in blobs.items() if name not in old}
            if not store.put(add, old - set(blobs), head, store.head()):
                raise StoreBusy("another program changed the vault without waiting for its turn", "run it again")
    finally:
        store.close()


def put_aside(path: str) -> str:
    """Give a store that must not be written into another name, and return that. Raises StoreFailed."""
    with _queue(path, DEADLINE).turn():
        for number in range(1, 1000):
            aside = f"{path}.aside-{number}"
            if not os.path.lexists(aside):
                try:
                    os.rename(path, aside)
                    if os.path.lexists(path + "-journal"):
                        os.rename(path + "-journal", aside + "-journal")
                except OSError as exc:
                    raise failure("rename", path, exc) from exc
                return aside
    raise StoreFailed(f"too many files were put aside beside {escape(path)}", "move them elsewhere")


def _refuse_leftover_journal(path: str) -> None:
    """The journal of an interrupted write would be played into any file that takes its database's name."""
    try:
        left = os.lstat(path + "-journal").st_size
    except FileNotFoundError:
        return
    except OSError as exc:
        raise failure("look at", path + "-journal", exc) from exc
    if left:
        shown = escape(path + "-journal")
        raise AlreadyExists(f"{shown} is left from a vault that is not there any more", "move it away, or put that vault back")


def _fill(path: str, blobs: Mapping[bytes, bytes], head: bytes) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous = EXTRA")
        db.execute("PRAGMA fullfsync = ON")
        db.execute("BEGIN EXCLUSIVE")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        for _, _, sql in _SCHEMA:
            if sql:
                db.execute(sql)
        db.executemany("INSERT INTO blob (id, bytes) VALUES (?, ?)", blobs.items())
        db.execute("INSERT INTO head (one, bytes) VALUES (1, ?)", (head,))
        db.execute("COMMIT")
    finally:
        db.close()


def _take_name(temporary: str, path: str) -> None:
    """Give the finished file its name, without ever replacing another's."""
    try:
        if os.name == "posix":
            try:
                os.link(temporary, path)
            except OSError as exc:
                # What a file system without links says, such as a stick's or a share's.
                if exc.errno not in (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                if os.path.lexists(path):
                    raise FileExistsError from None
                os.rename(temporary, path)
        else:
            os.rename(temporary, path)
    except FileExistsError as exc:
        raise AlreadyExists(f"{escape(path)} exists", "somebody made it just now; nothing was changed") from exc


def _text(data: bytes) -> str:
    """Text of any bytes: where a blob belongs it is a wrong type, and never equal to the blob of the same bytes."""
    return data.decode("utf-8", "replace")


@contextmanager
def _translated(what: str, path: str) -> Iterator[None]:
    try:
        yield
    except KeyvaultError:
        raise
    except _DAMAGE as exc:
        raise _translate(what, path, exc) from exc


def _code(exc: BaseException) -> int:
    return (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF


def _translate(what: str, path: str, exc: BaseException) -> KeyvaultError:
    shown, code = escape(path), _code(exc)
    if isinstance(exc, MemoryError):
        return StoreFailed(f"cannot {what} {shown}: out of memory", "stop other programs, or raise the limit (ulimit -v)")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"{shown} is held by another program", "stop the program that reads or copies it, and run this again")
    if code == sqlite3.SQLITE_FULL:
        return StoreFailed(f"cannot {what} {shown}: no space left on device", "free some space and run it again")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreFailed(
            f"cannot {what} {shown}: it, or the journal beside it, cannot be opened",
            "check its folder: owner, mode, free space and quota, and the disk",
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StoreFailed(f"cannot {what} {shown}: it or its folder is read-only", "check owner, mode and mount")
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM):
        # Where the last call of a commit fails, the change may be there and not yet safe: the hint promises nothing.
        look = "; keyvault log tells whether the change was made" if what == "write" else ""
        return StoreFailed(f"cannot {what} {shown}: input/output error", f"check the disk, its free space and your quota{look}")
    if code == sqlite3.SQLITE_NOTADB:
        return UnsupportedFormat(f"{shown} is not a keyvault vault, or its first bytes are damaged", "restore a backup")
    return VaultCorrupt(f"{shown} is damaged", "restore a backup: keyvault restore FILE")
