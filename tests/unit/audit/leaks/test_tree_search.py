from __future__ import annotations

import os
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repo
from small_searcher import key, small

from keyvault.audit.findings import HOME, TREE
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.reading import LARGEST_GZIP, OVERLAP, TOO_LARGE_GZIP, WINDOW, FileBatch, is_binary
from keyvault.audit.leaks.run import Found, Where, leaks
from keyvault.core import git
from keyvault.core.errors import NotFound


def search(*paths: str | Path, home: bool = False, history: bool = False) -> Found:
    return leaks(Plan(), Where(tuple(map(str, paths)), home=home, history=history), make=small, workers=1)


def spots(found: Found) -> list[tuple[str, int]]:
    return [(leak.path, leak.line) for leak in found.leaks]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "here"
    made.mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(made)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("HISTFILE", raising=False)
    return made


def why(found: Found, path: str) -> list[str]:
    return [one.why for one in found.skipped if one.path == path]


def test_a_plain_folder_is_searched_whole(folder: Path) -> None:
    (folder / "node_modules" / "deep").mkdir(parents=True)
    (folder / "node_modules" / "deep" / "x.js").write_text(f"\n\nkey = '{key(1)}'")
    found = search(".")
    assert spots(found) == [("node_modules/deep/x.js", 3)]
    assert found.leaks[0].column == 8
    assert found.leaks[0].source == TREE
    assert found.searched[0] == 1


def test_paths_are_relative_to_the_current_folder_only_below_it(folder: Path, tmp_path: Path) -> None:
    (folder / "a").write_text(key(1))
    (tmp_path / "b").write_text(key(2))
    assert spots(search("../b", str(folder / "a"))) == [(str(tmp_path / "b"), 1), ("a", 1)]


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFound):
        search("nowhere")


def test_git_decides_what_is_searched_and_the_rest_is_counted(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit(".gitignore", "node_modules/\n.env*\n*.log\n")
    repo.commit("tracked.log", key(1))
    repo.write("new.txt", key(2))
    for number in range(30):
        repo.write(f"node_modules/a/{number}.js", key(3))
    repo.write(".env.local", key(4))
    repo.write("node_modules/pkg/.env", key(5))
    repo.write("sub/.claude/x.jsonl", key(6))
    found = search(".")
    assert [path for path, _ in spots(found)] == [
        ".env.local",
        "new.txt",
        "node_modules/pkg/.env",
        "sub/.claude/x.jsonl",
        "tracked.log",
    ]
    assert any(line.startswith("30 files that git ignores") for line in why(found, "."))


def test_an_ignored_folder_that_is_named_is_searched(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit(".gitignore", "build\n")
    repo.write("build/x/y.txt", key(1))
    assert spots(search("build")) == [("build/x/y.txt", 1)]
    assert spots(search("build/x/y.txt")) == [("build/x/y.txt", 1)]
    assert spots(search(".")) == []


def test_a_part_of_a_repository_is_listed_by_git_too(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit(".gitignore", "*.tmp\n")
    repo.write("src/a.py", key(1))
    repo.write("src/b.tmp", key(2))
    repo.write("other/c.py", key(3))
    assert spots(search("src")) == [("src/a.py", 1)]


def test_submodules_nested_repositories_and_worktrees_are_searched_by_their_own_rules(folder: Path, tmp_path: Path) -> None:
    library = Repo(tmp_path / "library")
    library.commit("lib.py", key(1))
    repo = Repo(folder / "main")
    repo.commit("a", "x")
    repo.git("submodule", "add", "-q", library.folder, "lib")
    nested = Repo(folder / "main" / "nested")
    nested.commit(".gitignore", "hidden\n")
    nested.write("hidden", key(2))
    nested.write("open", key(3))
    repo.git("worktree", "add", "-q", str(folder / "tree"))
    (folder / "tree" / "w").write_text(key(4))
    assert spots(search(".")) == [("main/lib/lib.py", 1), ("main/nested/open", 1), ("tree/w", 1)]


def test_what_git_keeps_beside_its_objects_is_searched(folder: Path) -> None:
    repo = Repo(folder)
    repo.git("remote", "add", "origin", f"https://me:{key(1)}@example.org/x")
    repo.write(".git/hooks/pre-push", f"#!/bin/sh\ncurl -H 'key: {key(2)}'")
    assert [path for path, _ in spots(search("."))] == [".git/config", ".git/hooks/pre-push"]


def test_links_fifos_sockets_and_devices_are_said_and_not_opened(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(key(1))
    os.symlink(tmp_path / "outside", folder / "link")
    os.symlink(folder, folder / "loop")
    os.mkfifo(folder / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        found = search(".")
    assert found.leaks == ()
    assert "not followed" in why(found, "link")[0]
    assert "not followed" in why(found, "loop")[0]
    assert why(found, "fifo") == why(found, "socket") == ["not a plain file"]
    assert why(search("/dev/zero"), "/dev/zero") == ["not a plain file"]


@pytest.mark.parametrize("sizes", [(), (len(key(1)),) * 3])
def test_a_file_that_becomes_a_link_or_a_fifo_after_the_listing_is_not_searched(
    folder: Path, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    (tmp_path / "outside").write_text(key(1))
    os.symlink(tmp_path / "outside", folder / "link")
    os.mkfifo(folder / "fifo")
    done = FileBatch(str(folder), "link\0fifo\0gone", 0, TREE, sizes=sizes)(small(Plan()))
    assert done.leaks == ()
    assert [path for _, path, _ in done.notes] == ["link", "fifo"]
    assert done.notes[1][0] == "not a plain file"


@pytest.mark.parametrize("listed", [1, 10, 100_000, WINDOW + 1])
def test_a_file_that_grew_or_shrank_after_the_listing_is_searched_as_it_is(folder: Path, listed: int) -> None:
    text = f"text\n{key(1)}\n" * 2
    (folder / "a").write_text(text)
    done = FileBatch(str(folder), "a", listed, TREE, sizes=(listed,))(small(Plan()))
    assert [leak.line for leak in done.leaks] == [2, 4]
    assert (done.files, done.size) == (1, len(text))


def test_links_that_a_person_names_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text(key(1))
    os.symlink(tmp_path / "real", folder / "link")
    assert spots(search("link")) == [(str(tmp_path / "real" / "a"), 1)]


def test_names_with_newlines_escapes_and_no_utf8_are_searched(folder: Path) -> None:
    Repo(folder)
    names = [b"new\nline", b"\x1b[31mred", b"\xff\xfe.txt", b" -rf", b":(top)x", b"tab\there"]
    for number, name in enumerate(names):
        with open(os.fsencode(folder) + b"/" + name, "wb") as file:
            file.write(key(number).encode())
    assert sorted(os.fsencode(path) for path, _ in spots(search("."))) == sorted(names)


@pytest.mark.skipif(os.geteuid() != 0, reason="asks as another user")
def test_what_may_not_be_read_is_said(folder: Path) -> None:
    (folder / "closed").write_text(key(1))
    (folder / "closed").chmod(0)
    (folder / "inner").mkdir(mode=0)
    program = (
        "import os, sys\n"
        "from keyvault.audit.leaks.notes import Notes\n"
        "from keyvault.audit.leaks.tree import Walk, grouped\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "said = Notes()\n"
        "files = Walk(sys.argv[1], said).files(['.'])\n"
        "for batch in grouped(files, sys.argv[1], 'tree'): said.take(batch(None).notes)\n"
        "print(*said.told(), sep='\\n')"
    )
    above = folder
    while str(above).count("/") > 1:
        above.chmod(0o755)
        above = above.parent
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "Skipped(path='closed', why='no permission to read it')",
        "Skipped(path='inner', why='no permission to read it')",
    ], done.stderr


def test_many_of_a_kind_are_counted(folder: Path) -> None:
    for number in range(25):
        os.symlink("x", folder / f"link{number:02}")
        (folder / f"{number}.bin").write_bytes(b"\0\1\2" * 100)
    said = search(".").skipped
    assert len([one for one in said if one.why.startswith("a link")]) == 10
    assert [one.why for one in said if "like it: a link" in one.why] == [
        "15 others like it: a link, which is not followed; name what it leads to"
    ]
    assert [one.why for one in said if "binary" in one.why] == ["25 binary files and objects, which hold no text"]


@pytest.mark.parametrize(
    ("head", "binary"),
    [
        (b"", False),
        (b"text\n", False),
        (b"PNG\0\0", True),
        ("\ufeffk=v".encode("utf-16-le"), False),
        ("\ufeffk=v".encode("utf-16-be"), False),
        ("KEY=value\r\nB=c\r\n".encode("utf-16-le"), False),
        ("KEY=value\r\nB=c\r\n".encode("utf-16-be"), False),
        (b"\0" * 100, True),
        (bytes(range(256)), True),
        (b"abc\0def", True),
    ],
)
def test_binary_is_told_from_utf16(head: bytes, binary: bool) -> None:
    assert is_binary(head) is binary


def big_file(lines: bool) -> tuple[bytes, dict[str, int]]:
    filler = (b"x" * 98 + b" \n") if lines else b"x" * 99 + b" "
    data = bytearray(filler * (3 * WINDOW // 100))
    at = {}
    for number, place in enumerate(
        [0, 5000, WINDOW - OVERLAP - 10, WINDOW - OVERLAP + 500, WINDOW - 15, WINDOW + 7, 2 * WINDOW - OVERLAP]
    ):
        place -= place % 100
        data[place : place + 30] = key(number).encode() + b"  "
        at[key(number)] = place
    data += key(99).encode()
    at[key(99)] = len(data) - 28
    return bytes(data), at


@pytest.mark.parametrize("lines", [True, False])
def test_a_large_file_gives_each_finding_once_with_its_line_and_column(folder: Path, lines: bool) -> None:
    data, at = big_file(lines)
    (folder / "big.log").write_bytes(data)
    found = search(".")
    assert len(found.leaks) == len(at)
    told = sorted((leak.line, leak.column) for leak in found.leaks)
    assert told == sorted((place // 100 + 1, place % 100 + 1) if lines else (1, place + 1) for place in at.values())


def test_a_sparse_file_of_ten_gigabytes_costs_what_is_written_in_it(folder: Path) -> None:
    with open(folder / "sparse", "wb") as file:
        file.write(b"text\n" * 2000)
        file.seek(10 << 30)
        file.write(key(1).encode() + b"\n")
        file.truncate(11 << 30)
    found = search(".")
    assert [leak.tail for leak in found.leaks] == ["0001"]


def test_memory_does_not_grow_with_the_file(folder: Path) -> None:
    def peak(windows: int) -> int:
        with open(folder / "big.log", "wb") as file:
            file.writelines(b"an ordinary line of a log file, which goes on for a while\n" * 18000 for _ in range(windows * 8))
        tracemalloc.start()
        search("big.log")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8) < peak(3) * 1.1


def test_a_compressed_file_goes_to_the_searcher_whole_or_is_said(folder: Path) -> None:
    (folder / "a.gz").write_bytes(b"\x1f\x8b\x08" + b"\0" * 50 + key(1).encode())
    with open(folder / "b.gz", "wb") as file:
        file.write(b"\x1f\x8b\x08")
        file.truncate(LARGEST_GZIP + 1)
    found = search(".")
    assert [leak.path for leak in found.leaks] == ["a.gz"]
    assert why(found, "b.gz") == [TOO_LARGE_GZIP]


def test_without_a_path_the_home_places_are_searched_databases_too(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    wanted: dict[str, bytes | str] = {
        ".bash_history": f"export A={key(1)}\n",
        ".claude/projects/x/y.jsonl": key(2),
        ".codex/sessions/2026/r.jsonl": key(3),
        ".config/Code/User/globalStorage/state.vscdb": b"SQLite\0\0" + key(4).encode(),
        ".config/JetBrains/PyCharm2026/options/x.xml": key(5),
        ".local/share/klipper/history2.lst": b"\0\0" + key(6).encode(),
        ".Renviron": key(7),
        ".aider.chat.history.md": key(8),
        ".local/share/powershell/PSReadLine/ConsoleHost_history.txt": key(9),
    }
    for name, text in wanted.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (home / "unrelated").write_text(key(50))
    os.symlink(home / "unrelated", home / ".zshrc")
    (folder / "here").write_text(key(60))
    found = search(home=True)
    assert {os.path.relpath(path, home) for path, _ in spots(found) if path != "here"} == set(wanted)
    assert {leak.source for leak in found.leaks} == {HOME, TREE}
    assert "not followed" in why(found, str(home / ".zshrc"))[0]
    assert spots(search(".", home=True)) == [("here", 1)]


def test_the_home_folder_itself_is_not_searched_whole_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / "download.txt").write_text(key(1))
    (home / ".zsh_history").write_text(key(2))
    monkeypatch.chdir(home)
    found = search(home=True)
    assert [path for path, _ in spots(found)] == [".zsh_history"]
    assert "whole home folder" in why(found, ".")[0]
    assert len(search(".").leaks) == 2


def test_without_git_everything_is_searched_and_that_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(folder)
    repo.write(".gitignore", "x\n")
    repo.write("x", key(1))
    monkeypatch.setenv("PATH", str(folder))
    git.program.cache_clear()
    try:
        found = search(".")
    finally:
        monkeypatch.undo()
        git.program.cache_clear()
    assert [path for path, _ in spots(found)] == ["x"]
    assert any("git is not installed" in one.why for one in found.skipped)


Damage = Callable[[Repo], object]


@pytest.mark.parametrize(
    "damage",
    [
        lambda repo: repo.write(".git/HEAD", "nonsense"),
        lambda repo: repo.write(".git/index", b"\xff" * 100),
        lambda repo: repo.write(".git/config", "[core\n"),
        lambda repo: repo.write(".git/config", "[core]\nrepositoryformatversion = 99\n"),
        lambda repo: os.rename(os.path.join(repo.folder, ".git"), os.path.join(repo.folder, ".git.old")),
    ],
)
def test_a_broken_repository_is_searched_as_a_plain_folder(folder: Path, damage: Damage) -> None:
    repo = Repo(folder)
    repo.commit("a", key(1))
    damage(repo)
    found = search(".", history=True)
    assert "a" in [leak.path for leak in found.leaks]
    assert found.skipped
