from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from repositories import Repo
from small_searcher import key, small

import keyvault
from keyvault.audit.findings import STAGED
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.run import Found, Where, leaks
from keyvault.core.errors import InvalidInput


def search(*paths: str) -> Found:
    return leaks(Plan(), Where(paths, staged=True), make=small)


def spots(found: Found) -> list[tuple[str, int]]:
    assert {leak.source for leak in found.leaks} <= {STAGED}
    return [(leak.path, leak.line) for leak in found.leaks]


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    made = Repo(tmp_path / "here")
    monkeypatch.chdir(made.folder)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    return made


def test_before_the_first_commit_everything_staged_is_new(repo: Repo) -> None:
    repo.write("a", f"x\n{key(1)}\n")
    repo.write("not staged", key(2))
    repo.git("add", "a")
    found = search()
    assert spots(found) == [("a", 2)]
    assert found.searched == (1, 0, 28 + 3)


def test_only_added_and_changed_lines_are_told(repo: Repo) -> None:
    repo.commit("a", f"one\n{key(1)}\nthree\nfour\n{key(2)}\n")
    repo.write("a", f"zero\none\n{key(1)}\nthree\n{key(3)}\n{key(4)}")
    repo.git("add", "a")
    assert spots(search()) == [("a", 5), ("a", 6)]


def test_lines_that_look_like_a_diff_do_not_confuse(repo: Repo) -> None:
    repo.commit("a", f"@@ -1 +1 @@\n{key(1)}\n-- x\n")
    repo.write("a", f"@@ -2,9 +2,9 @@\n{key(1)}\n++ y\n@@ -1 +2,9 @@\n{key(2)}")
    repo.git("add", "a")
    assert spots(search()) == [("a", 5)]


def test_what_is_staged_counts_and_not_what_lies_in_the_folder(repo: Repo) -> None:
    repo.commit("a", "x")
    repo.write("a", key(1))
    repo.git("add", "a")
    repo.write("a", "clean again")
    assert spots(search()) == [("a", 1)]


def test_a_rename_is_not_new_but_its_changes_are(repo: Repo) -> None:
    repo.commit("old", f"{key(1)}\n" + "text\n" * 50)
    repo.git("mv", "old", "new")
    assert spots(search()) == []
    repo.write("new", f"{key(1)}\n" + "text\n" * 50 + key(2))
    repo.git("add", "new")
    assert spots(search()) == [("new", 52)]


def test_deleted_files_and_submodules(repo: Repo, tmp_path: Path) -> None:
    library = Repo(tmp_path / "library")
    library.commit("x", "y")
    repo.commit("a", key(1))
    repo.git("rm", "-q", "a")
    repo.git("submodule", "add", "-q", library.folder, "lib")
    found = search()
    assert spots(found) == []
    assert [one.why for one in found.skipped if one.path == "lib"] == ["a submodule; its own repository was not searched"]


def test_an_unmerged_file_is_said(repo: Repo) -> None:
    repo.commit("a", "base\n")
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("a", "side\n")
    repo.git("checkout", "-q", "main")
    repo.commit("a", "main\n")
    repo.git("merge", "-q", "side", status=1)
    assert any("unmerged" in one.why for one in search().skipped)


def test_paths_limit_it_and_are_no_patterns(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sub/a", "b", "*"):
        repo.write(name, key(1))
    repo.git("add", ".")
    assert spots(search("sub")) == [("sub/a", 1)]
    assert spots(search("*")) == [("*", 1)]
    monkeypatch.chdir("sub")
    assert spots(search("a")) == [("a", 1)]
    assert spots(search("../b")) == [(os.path.join(repo.folder, "b"), 1)]


def test_outside_of_a_repository_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match="not a git repository"):
        search()


_HOOK = """#!{python}
import sys
sys.path[:0] = [{tests!r}, {source!r}]
from small_searcher import small
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.run import Where, leaks
found = leaks(Plan(), Where(staged=True), make=small).leaks
print("HOOK", [(leak.path, leak.line) for leak in found], file=sys.stderr)
sys.exit(bool(found))
"""


def hooked(repo: Repo) -> None:
    hook = repo.write(
        ".git/hooks/pre-commit",
        _HOOK.format(
            python=sys.executable,
            tests=os.path.dirname(sys.modules["small_searcher"].__file__ or ""),
            source=os.path.dirname(os.path.dirname(keyvault.__file__)),
        ),
    )
    os.chmod(hook, 0o755)


def commit(repo: Repo, *words: str, folder: str = "") -> tuple[int, str]:
    environment = {"PATH": os.environ["PATH"], "HOME": repo.folder, "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(
        ["git", *who, "commit", "-q", "-m", "x", *words],
        cwd=folder or repo.folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


def test_a_hook_sees_the_index_that_git_is_about_to_commit(repo: Repo, tmp_path: Path) -> None:
    repo.commit("a", "x")
    repo.commit("sub/b", "y")
    hooked(repo)
    repo.write("a", key(1))
    code, said = commit(repo, "-a")  # the index of this is a file of its own
    assert (code, said.strip()) == (1, "HOOK [('a', 1)]")
    repo.git("add", "a")
    repo.write("sub/b", key(2))
    code, said = commit(repo, "b", folder=os.path.join(repo.folder, "sub"))  # and of this another one
    assert (code, said.strip()) == (1, "HOOK [('sub/b', 1)]")
    repo.git("checkout", "-q", "HEAD", ".")
    repo.write("a", "fine")
    assert commit(repo, "-a")[0] == 0
    repo.git("worktree", "add", "-q", str(tmp_path / "tree"))
    (tmp_path / "tree" / "a").write_text(key(3))
    code, said = commit(repo, "-a", folder=str(tmp_path / "tree"))
    assert (code, said.strip()) == (1, "HOOK [('a', 1)]")


def test_a_small_commit_is_searched_in_the_time_of_some_starts_of_git(repo: Repo) -> None:
    for number in range(20):
        repo.write(f"{number}.py", "x = 1\n" * 1000)
    repo.git("add", ".")

    def elapsed(what: Callable[[], object]) -> float:
        start = time.perf_counter()
        what()
        return time.perf_counter() - start

    pairs = [(elapsed(search), elapsed(lambda: repo.git("diff", "--cached", "--name-only"))) for _ in range(5)]
    assert min(mine for mine, _ in pairs) < 40 * min(gits for _, gits in pairs)
