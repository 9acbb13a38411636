"""Files and folders on Windows, against a stand-in of its calls (tests/windows_files.py). It never ran on Windows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from windows_files import ALL, ANOTHER, READ, USER, USERS, System, listed, running

from keyvault.core.errors import AlreadyExists, StoreBusy, StoreFailed, UnsafeFile
from keyvault.store import access_list
from keyvault.store.access_list import ADMINISTRATORS, EVERYONE, SYSTEM

pytestmark = pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="the stand-in is built on Linux")
CLOSED = access_list.build(USER, folder=False)
CLOSED_FOLDER = access_list.build(USER, folder=True)
WITHOUT_LIST = listed()[:16] + bytes(4) + USER
TEXT = b"A=1\nB=\x1a\r\nC=3\n"


@pytest.fixture
def windows() -> Iterator[tuple[System, SimpleNamespace]]:
    with running() as both:
        yield both
        assert both[0].opened_as_text == []
        assert both[0].open_handles == 0


def test_what_keyvault_makes_is_closed_from_its_first_moment_wherever_it_lies(
    windows: tuple[System, SimpleNamespace], tmp_path: Path
) -> None:
    system, store = windows
    system.put_list(str(tmp_path), system.elsewhere)
    folder, path = str(tmp_path / "vault"), str(tmp_path / "out.env")
    store.files.make_private_folder(folder)
    assert system.list_of(folder) == CLOSED_FOLDER
    store.files.make_private_folder(folder)  # it is there, and closed
    store.files.write_private(path, b"old")
    store.files.write_private(path, TEXT)
    store.files.create_private(str(tmp_path / "a.key"), TEXT)
    for made in (path, str(tmp_path / "a.key")):
        assert system.list_of(made) == CLOSED
        assert store.files.read_private(made, 100) == TEXT
    with pytest.raises(AlreadyExists):
        store.files.create_private(path, b"")
    with pytest.raises(StoreFailed):
        store.files.create_private(str(tmp_path / "gone" / "a.key"), b"")


def test_a_file_for_others_has_the_list_of_its_folder(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    _, store = windows
    path = str(tmp_path / ".keyvault.toml")
    store.files.create_private(path, TEXT, 0o644)
    with pytest.raises(UnsafeFile, match=r"S-1-5-32-545"):
        store.files.read_private(path, 100)
    assert store.files.read_own(path, 100) == TEXT


def test_the_store_its_journal_and_its_lock_file_are_closed(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    system, store = windows
    path = str(tmp_path / "home" / "vault.db")
    store.sqlite.create_store(path, {b"a" * 16: b"1"}, b"head")
    made = store.sqlite.SqliteStore(path)
    assert made.put({b"b" * 16: b"2"}, [], b"new", b"head")
    assert made.head() == b"new"
    made.close()
    assert system.list_of(path) == CLOSED
    others = [name for name in os.listdir(tmp_path / "home") if name != "vault.db"]
    assert len(others) == 2  # the lock file, and the journal that SQLite makes by itself
    for name in others:
        access_list.refuse(name, system.list_of(str(tmp_path / "home" / name)), USER, rights=access_list.ANY)


def test_writers_wait_for_the_lock_of_windows(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    _, store = windows
    store.files.make_private_folder(str(tmp_path / "home"))
    path = str(tmp_path / "home" / "lock")
    with store.queue.WritersQueue(path).turn(), pytest.raises(StoreBusy), store.queue.WritersQueue(path, 0.05).turn():
        pass
    with store.queue.WritersQueue(path, 0.05).turn():
        pass


OPEN = {
    "to users": (listed((USER, ALL), (USERS, READ)), "S-1-5-32-545"),
    "to all": (listed((USER, ALL), (EVERYONE, 1)), "S-1-1-0"),
    "on a condition": (listed((USER, ALL), (ANOTHER, READ), kind=9), "S-1-5-21-1111-2222-3333-1002"),
    "by its owner": (listed((USER, ALL), owner=ANOTHER), "belongs to another user"),
    "by an unknown entry": (listed((USER, ALL), kind=5), "does not understand"),
    "for want of a list": (WITHOUT_LIST, "S-1-1-0"),
    "perhaps": (b"\2" + listed((USER, ALL))[1:], "does not understand"),
}


@pytest.mark.parametrize("how", OPEN)
def test_what_is_open_to_others_is_not_read_and_the_command_that_closes_it_is_told(
    windows: tuple[System, SimpleNamespace], tmp_path: Path, how: str
) -> None:
    system, store = windows
    descriptor, told = OPEN[how]
    path = str(tmp_path / "a.key")
    store.files.write_private(path, TEXT)
    system.put_list(path, descriptor)
    with pytest.raises(UnsafeFile) as refused:
        store.files.read_private(path, 100)
    assert told in refused.value.message
    if "belongs" not in told:
        everyone = '"*S-1-5-21-1111-2222-3333-1001:F" "*S-1-5-18:F" "*S-1-5-32-544:F"'
        assert refused.value.hint.startswith(f'icacls "{path}" /inheritance:r /grant:r {everyone}')
        assert "does not" in told or refused.value.hint.endswith(f'/remove:g "*{told}"')


def test_what_the_system_and_administrators_may_does_not_count(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    system, store = windows
    path = str(tmp_path / "a.key")
    store.files.write_private(path, TEXT)
    owner_rights, creator = access_list._sid(3, 4), access_list._sid(3, 0)
    # as os.mkdir of Python 3.12.4 makes it; as in a profile; as an elevated program makes it; denied to others
    for descriptor in (
        listed((SYSTEM, ALL), (ADMINISTRATORS, ALL), (owner_rights, ALL), flags=3),
        listed((SYSTEM, ALL), (ADMINISTRATORS, ALL), (USER, ALL), flags=0x10, protected=False),
        listed((USER, ALL), owner=ADMINISTRATORS),
        listed((USERS, ALL), kind=1),
        listed((USERS, 0), (USER, ALL)),
        listed((creator, 0x1000_0000), flags=0x0B),
    ):
        system.put_list(path, descriptor)
        assert store.files.read_private(path, 100) == TEXT
    system.put_list(path, listed((creator, ALL), flags=0x03))
    with pytest.raises(UnsafeFile):
        store.files.read_private(path, 100)


def test_a_folder_that_was_opened_to_others_is_refused_with_what_its_files_inherit(
    windows: tuple[System, SimpleNamespace], tmp_path: Path
) -> None:
    system, store = windows
    folder = str(tmp_path / "vault")
    store.files.make_private_folder(folder)
    system.put_list(folder, listed((USER, ALL), (USERS, READ), flags=0x0B))  # for files in it only
    with pytest.raises(UnsafeFile) as refused:
        store.files.make_private_folder(folder)
    assert '"*S-1-5-18:(OI)(CI)F"' in refused.value.hint


def test_settings_may_be_read_by_others_but_not_changed(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    system, store = windows
    path = str(tmp_path / "config.toml")
    Path(path).write_bytes(TEXT)
    system.put_list(path, listed((USER, ALL), (USERS, READ | 0x0008)))
    assert store.files.read_own(path, 100) == store.files.read_named(path, 100) == TEXT
    for right in (0x2, 0x4, 0x10, 0x40, 0x100, 0x1_0000, 0x4_0000, 0x8_0000, 0x1000_0000, 0x4000_0000):
        system.put_list(path, listed((USER, ALL), (USERS, READ | right)))
        with pytest.raises(UnsafeFile, match="can be changed by other users"):
            store.files.read_own(path, 100)
        assert store.files.read_named(path, 100) == TEXT
    system.put_list(path, listed((USER, ALL), owner=ANOTHER))
    for read in (store.files.read_own, store.files.read_named):
        with pytest.raises(UnsafeFile, match="belongs to another user"):
            read(path, 100)


def test_what_was_opened_is_judged_and_not_what_lay_there_before(
    windows: tuple[System, SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, store = windows
    path, other = str(tmp_path / "a.key"), str(tmp_path / "b.key")
    store.files.write_private(path, TEXT)
    Path(other).write_bytes(b"planted")
    system.put_list(other, listed((ANOTHER, ALL), owner=ANOTHER))
    really = os.open

    def between_two_swaps(name: str, flags: int, mode: int = 0o777) -> int:
        os.rename(path, path + ".kept")
        os.rename(other, path)
        try:
            return really(name, flags, mode)
        finally:
            os.rename(path, other)
            os.rename(path + ".kept", path)

    monkeypatch.setattr(os, "open", between_two_swaps)
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        store.files.read_private(path, 100)


@pytest.mark.parametrize("tag", [0xA000_0003, 0xA000_000C])  # IO_REPARSE_TAG_MOUNT_POINT, a junction; ..._SYMLINK
def test_a_junction_is_refused_as_a_link_is(
    windows: tuple[System, SimpleNamespace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: int
) -> None:
    _, store = windows
    folder = str(tmp_path / "vault")
    store.files.make_private_folder(folder)
    plain = os.lstat(folder)

    def seen(reparse_tag: int) -> None:
        fields = {name: getattr(plain, name) for name in dir(plain) if name.startswith("st_")}
        monkeypatch.setattr(os, "lstat", lambda _: SimpleNamespace(**fields, st_reparse_tag=reparse_tag))

    seen(tag)
    with pytest.raises(UnsafeFile, match="is a symbolic link"):
        store.files.check_private(folder, folder=True)
    seen(0x9000_001A)  # IO_REPARSE_TAG_CLOUD: the thing itself, kept by OneDrive
    store.files.check_private(folder, folder=True)


@pytest.mark.parametrize("protected", [True, False])
def test_a_persons_own_file_keeps_its_list(windows: tuple[System, SimpleNamespace], tmp_path: Path, protected: bool) -> None:
    system, store = windows
    path = str(tmp_path / "profile.ps1")
    Path(path).write_bytes(b"old")
    mine = listed((USER, ALL), (USERS, READ), protected=protected)
    system.put_list(path, mine)
    store.files.replace_own(path, TEXT, 0o644)
    assert system.list_of(path) == mine
    data, info = store.swap.read_plain(path, 100)
    assert data == TEXT
    store.swap.swap(path, info, b"new")
    assert system.list_of(path) == mine
    assert Path(path).read_bytes() == b"new"
    store.files.replace_own(str(tmp_path / "new.ps1"), TEXT, 0o644)
    assert system.list_of(str(tmp_path / "new.ps1")) == CLOSED


def test_the_list_of_what_somebody_put_there_meanwhile_is_not_taken_over(
    windows: tuple[System, SimpleNamespace], tmp_path: Path
) -> None:
    system, store = windows
    path = str(tmp_path / ".env")
    Path(path).write_bytes(b"old")
    system.put_list(path, listed((USER, ALL), (USERS, READ), owner=ANOTHER))
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        store.files.replace_own(path, TEXT, 0o644)
    assert os.listdir(tmp_path) == [".env"]
    assert Path(path).read_bytes() == b"old"
    system.put_list(path, listed((USER, ALL), (USERS, READ), owner=ADMINISTRATORS))
    store.files.replace_own(path, TEXT, 0o644)
    assert Path(path).read_bytes() == TEXT


@pytest.mark.parametrize("status", [1, 50])
def test_a_drive_without_lists_is_written_all_the_same(
    windows: tuple[System, SimpleNamespace], tmp_path: Path, status: int
) -> None:
    system, store = windows
    path = str(tmp_path / ".env")
    Path(path).write_bytes(b"old")
    system.set_status = status
    store.files.replace_own(path, TEXT, 0o644)
    assert Path(path).read_bytes() == TEXT
    system.set_status = 5
    with pytest.raises(StoreFailed):
        store.files.replace_own(path, b"never", 0o644)
    system.set_status = 0
    system.put_list(path, WITHOUT_LIST)
    store.files.replace_own(path, b"newer", 0o644)
    assert Path(path).read_bytes() == b"newer"
    assert system.list_of(path) == CLOSED


def test_a_long_list_is_read_whole(windows: tuple[System, SimpleNamespace], tmp_path: Path) -> None:
    system, store = windows
    path = str(tmp_path / "a.key")
    store.files.write_private(path, TEXT)
    system.put_list(path, listed(*[(USER, ALL)] * 1500, (USERS, READ)))
    with pytest.raises(UnsafeFile, match="S-1-5-32-545"):
        store.files.read_private(path, 100)


def test_the_user_is_who_runs_it(windows: tuple[System, SimpleNamespace]) -> None:
    assert windows[1].windows_acl.user() == USER
