from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from people import bytes_of, write

from keyvault.core.errors import StoreFailed, UnsafeFile
from keyvault.store.files import read_private, remove_quietly, write_private
from keyvault.store.swap import read_plain


def test_what_a_killed_writer_left_is_removed_by_the_next_one_but_not_what_another_writes_now(tmp_path: object) -> None:
    folder = str(tmp_path)
    names = (
        ".out.env.0123456789ab.new",
        ".out.env.ba9876543210.new",
        ".other.0123456789ab.new",
        "mine.new",
        ".out.env.production.new",
    )
    for name in names:
        with open(os.path.join(folder, name), "w") as file:
            file.write("OPENAI_API_KEY=sk-left-behind\n")
    an_hour_ago = time.time() - 3600
    for name in (names[0], *names[2:]):
        os.utime(os.path.join(folder, name), (an_hour_ago, an_hour_ago))
    write_private(os.path.join(folder, "out.env"), b"A=1\n")
    assert sorted(os.listdir(folder)) == sorted(["out.env", *names[1:]])


def test_a_disk_that_cannot_be_read_is_our_error_and_the_file_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, closed = write(f"{tmp_path}/file", "text"), []

    def broken(fd: int, size: int) -> bytes:
        closed.append(fd)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("keyvault.store.files.os.read", broken)
    with pytest.raises(StoreFailed, match=r"cannot read .*/file: input/output error"):
        read_private(path, 100)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(closed[0])


def test_a_file_below_what_is_no_folder_cannot_be_written(tmp_path: Path) -> None:
    write(f"{tmp_path}/file", "text")
    with pytest.raises(StoreFailed, match="cannot write"):
        write_private(f"{tmp_path}/file/below", b"")
    assert bytes_of(f"{tmp_path}/file") == b"text"


def test_what_cannot_be_removed_after_a_failure_is_left_without_a_word(tmp_path: Path) -> None:
    remove_quietly(str(tmp_path))
    remove_quietly(f"{tmp_path}/none")
    remove_quietly(write(f"{tmp_path}/file", ""))
    assert os.listdir(tmp_path) == []


def test_a_persons_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    path = write(f"{tmp_path}/file", "12345")
    assert read_plain(path, 5)[0] == b"12345"
    with pytest.raises(UnsafeFile, match="too large to hold keys"):
        read_plain(path, 4)
