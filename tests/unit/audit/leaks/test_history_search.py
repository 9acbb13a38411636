from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from repositories import Repo
from small_searcher import key, small

from keyvault.audit.findings import HISTORY, Leak
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.run import Found, Where, leaks


def search(*paths: str | Path, state: str | Path = "", plan: Plan | None = None) -> Found:
    where = Where(tuple(map(str, paths)) or (".",), history=True, home=False, state=str(state))
    return leaks(plan or Plan(), where, make=small, workers=1)


def in_history(found: Found) -> dict[str, Leak]:
    """By the last four characters of the key."""
    told = [leak for leak in found.leaks if leak.source == HISTORY]
    assert len({leak.tail for leak in told}) == len(told)
    return {leak.tail: leak for leak in told}


def said(found: Found) -> str:
    return "\n".join(f"{one.path}: {one.why}" for one in found.skipped)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def full_of_keys(folder: str | Path, *options: str) -> tuple[Repo, dict[str, tuple[str, str]]]:
    """A repository with a key in each place that history has, and what is to be told of each."""
    repo = Repo(folder, *options)
    wanted = {}
    first = repo.commit("src/deleted.py", f"\nkey = '{key(1)}'\n")
    wanted["0001"] = ("src/deleted.py", first)
    repo.git("rm", "-q", "src/deleted.py")
    repo.git("commit", "-q", "-m", "Remove a key", "-m", f"It was {key(2)}")
    wanted["0002"] = ("(commit message)", repo.git("rev-parse", "HEAD"))
    repo.git("tag", "-a", "v1", "-m", f"with {key(3)}")
    wanted["0003"] = ("(tag message)", repo.git("rev-parse", "v1"))
    repo.write("src/a b\n.py", key(4))
    repo.git("add", ".")
    repo.git("stash", "-q")
    stash = repo.git("rev-parse", "stash@{0}^2")
    repo.git("stash", "drop", "-q")
    wanted["0004"] = ("src/a b\n.py", stash)
    repo.commit("kept", "x")
    wanted["0005"] = ("other", "")
    repo.git("checkout", "-q", "-b", "side")
    wanted["0005"] = ("other", repo.commit("other", key(5)))
    repo.git("checkout", "-q", "main")
    repo.git("branch", "-q", "-D", "side")
    repo.git("notes", "add", "-m", f"a note {key(6)}")
    head = repo.git("rev-parse", "HEAD")
    wanted["0006"] = (head, repo.git("rev-parse", "refs/notes/commits"))
    blob = repo.git("hash-object", "-w", "--stdin", data=key(7))
    wanted["0007"] = (f"(unreachable object {blob[:8]})", "")
    repo.write("staged", key(8))
    repo.git("add", "staged")
    wanted["0008"] = ("staged", "")
    os.unlink(os.path.join(repo.folder, "staged"))
    return repo, wanted


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("options", [(), ("--object-format=sha256",)])
def test_every_place_of_history_is_searched_and_named(folder: Path, packed: bool, options: tuple[str, ...]) -> None:
    repo, wanted = full_of_keys(folder, *options)
    if packed:
        repo.git("repack", "-q", "-a", "-d", "-k")
    found = in_history(search())
    assert {tail: (leak.path, leak.commit) for tail, leak in found.items()} == wanted
    assert found["0001"].line == 2
    assert found["0002"].line == 3


def test_the_oldest_commit_with_a_file_is_told(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit("a", "x")
    first = repo.commit("b", key(1))
    repo.git("mv", "b", "c")
    repo.git("commit", "-q", "-m", "moved", GIT_COMMITTER_DATE="2038-01-01T00:00:00Z")
    repo.git("rm", "-q", "c")
    repo.git("commit", "-q", "-m", "gone", GIT_COMMITTER_DATE="2038-01-02T00:00:00Z")
    [leak] = in_history(search()).values()
    assert (leak.path, leak.commit) == ("b", first)


def test_what_a_merge_alone_brought_is_named(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit("a", "x")
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("b", "y")
    repo.git("checkout", "-q", "main")
    repo.commit("c", "z")
    repo.git("merge", "-q", "--no-commit", "side")
    repo.write("evil", key(1))
    repo.git("add", "evil")
    repo.git("commit", "-q", "-m", "merged")
    [leak] = in_history(search()).values()
    assert (leak.path, leak.commit) == ("evil", repo.git("rev-parse", "HEAD"))


def test_a_repository_elsewhere_has_its_folder_before_the_path(folder: Path, tmp_path: Path) -> None:
    full_of_keys(folder / "below")
    full_of_keys(tmp_path / "beside")
    assert in_history(search("."))["0001"].path == "below/src/deleted.py"
    assert in_history(search("../beside"))["0001"].path == str(tmp_path / "beside/src/deleted.py")
    assert in_history(search("below/kept"))["0002"].path == "below/(commit message)"


def test_bare_repositories_worktrees_and_submodules(folder: Path, tmp_path: Path) -> None:
    repo, wanted = full_of_keys(tmp_path / "origin")
    subprocess.run(["git", "clone", "-q", "--bare", repo.folder, str(folder / "bare.git")], check=True)
    assert in_history(search("bare.git"))["0001"].path == "bare.git/src/deleted.py"
    repo.git("worktree", "add", "-q", str(folder / "tree"))
    assert {leak.tail for leak in in_history(search("tree")).values()} >= set(wanted) - {"0008"}
    outer = Repo(folder / "outer")
    outer.commit("x", "y")
    outer.git("submodule", "add", "-q", repo.folder, "sub")
    assert in_history(search("outer"))["0001"].path == "outer/sub/src/deleted.py"


def test_a_partial_and_a_shallow_clone_are_searched_and_said_to_be_incomplete(folder: Path, tmp_path: Path) -> None:
    origin = Repo(tmp_path / "origin")
    origin.commit("old", key(1))
    origin.git("rm", "-q", "old")
    origin.commit("kept", key(2), f"message {key(3)}")
    origin.git("config", "uploadpack.allowFilter", "true")
    url = f"file://{origin.folder}"
    for name, option in (("partial", "--filter=blob:none"), ("treeless", "--filter=tree:0"), ("shallow", "--depth=1")):
        subprocess.run(["git", "clone", "-q", option, url, str(folder / name)], check=True)
        before = objects_in(folder / name)
        found = search(name)
        assert set(in_history(found)) == {"0002", "0003"}
        assert "incomplete" in said(found)
        assert objects_in(folder / name) == before  # nothing was fetched


def objects_in(folder: Path) -> set[str]:
    return {os.path.join(place, name) for place, _, names in os.walk(folder / ".git" / "objects") for name in names}


def test_missing_and_corrupt_objects_are_said_and_the_rest_is_searched(folder: Path) -> None:
    repo = Repo(folder)
    for number in range(1, 6):
        repo.commit(f"file{number}", f"{key(number)} " + "text " * 50 * number)
    gone, torn = (repo.git("rev-parse", f"HEAD:file{number}") for number in (2, 3))
    os.unlink(folder / ".git" / "objects" / gone[:2] / gone[2:])
    path = folder / ".git" / "objects" / torn[:2] / torn[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:20])
    found = search()
    assert set(in_history(found)) == {"0001", "0004", "0005"}
    assert "incomplete" in said(found)


def test_a_pack_that_is_cut_off_is_said(folder: Path) -> None:
    repo = Repo(folder)
    for number in range(1, 40):
        repo.commit(f"file{number}", os.urandom(200).hex() + "\n" + key(number))
    repo.git("repack", "-q", "-a", "-d")
    [pack] = (folder / ".git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[: pack.stat().st_size // 2])
    found = search()
    assert "incomplete" in said(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_said_and_its_files_are_searched(folder: Path) -> None:
    repo = Repo(folder / "theirs")
    repo.commit("a", key(1))
    subprocess.run(["chown", "-R", "65534:65534", repo.folder], check=True)
    found = search("theirs")
    assert [leak.path for leak in found.leaks] == ["theirs/a"]
    assert "belongs to another user" in said(found)


def test_a_large_object_is_searched_by_windows(folder: Path) -> None:
    repo = Repo(folder)
    line = b"an ordinary line of a log file, which goes on for a while....\n"
    lines = (20 << 20) // len(line)
    repo.commit("big.log", line * lines + key(1).encode() + b"\n" + line * lines + key(2).encode() + b"\n")
    repo.commit("after", key(3))
    repo.git("repack", "-q", "-a", "-d")
    found = in_history(search())
    assert {tail: leak.line for tail, leak in found.items()} == {"0001": lines + 1, "0002": 2 * lines + 2, "0003": 1}


def test_replaced_objects_are_searched_as_they_are(folder: Path) -> None:
    repo = Repo(folder)
    repo.commit("a", key(1))
    harmless = repo.git("hash-object", "-w", "--stdin", data="nothing")
    repo.git("replace", repo.git("rev-parse", "HEAD:a"), harmless)
    assert set(in_history(search())) == {"0001"}


def test_objects_of_alternates_are_searched_and_a_missing_alternate_does_no_harm(folder: Path, tmp_path: Path) -> None:
    origin, wanted = full_of_keys(tmp_path / "origin")
    subprocess.run(["git", "clone", "-q", "--shared", origin.folder, str(folder / "shared")], check=True)
    assert set(in_history(search("shared"))) >= set(wanted) - {"0008"}
    Repo(folder / "shared").write(".git/objects/info/alternates", "/nowhere/at/all\n")
    search("shared")


def test_a_second_search_remembers_and_still_tells_every_finding(folder: Path, tmp_path: Path) -> None:
    repo, wanted = full_of_keys(folder)
    state = tmp_path / "state"
    first = search(state=state)
    assert set(in_history(first)) == set(wanted)
    second = search(state=state)
    assert in_history(second) == in_history(first)
    assert second.searched[1] < first.searched[1]
    assert "earlier run" in said(second)
    repo.commit("new", key(50))
    assert set(in_history(search(state=state))) == {*wanted, "0050"}
    files = [os.path.join(place, name) for place, _, names in os.walk(state) for name in names]
    assert [os.stat(path).st_mode & 0o777 for path in files] == [0o600]
    assert os.stat(os.path.dirname(files[0])).st_mode & 0o777 == 0o700


def test_another_plan_or_a_torn_memory_searches_again(folder: Path, tmp_path: Path) -> None:
    full_of_keys(folder)
    state = tmp_path / "state"
    first = search(state=state)
    assert search(state=state, plan=Plan(fingerprint_key=b"k" * 32)).searched[1] == first.searched[1]
    assert search(state=state).searched[1] == first.searched[1]
    few = search(state=state).searched[1]
    assert few < first.searched[1]
    [memory] = (path for path in state.rglob("*") if path.is_file())
    memory.write_bytes(memory.read_bytes()[:-7])
    again = search(state=state)
    assert few < again.searched[1] < first.searched[1]
    assert in_history(again) == in_history(first)
    assert search(state=state).searched[1] == few


def test_a_memory_that_is_a_link_is_not_written_through(folder: Path, tmp_path: Path) -> None:
    full_of_keys(folder)
    state = tmp_path / "state"
    search(state=state)
    [memory] = (path for path in state.rglob("*") if path.is_file())
    victim = tmp_path / "victim"
    victim.write_text("mine")
    memory.unlink()
    os.symlink(victim, memory)
    first = search(state=state)
    assert victim.read_text() == "mine"
    assert len(in_history(first)) == 8


CANARIES = {
    "core.fsmonitor": "{canary}",
    "core.sshCommand": "{canary}",
    "core.gitProxy": "{canary}",
    "core.pager": "{canary}",
    "core.editor": "{canary}",
    "core.askPass": "{canary}",
    "core.alternateRefsCommand": "{canary}",
    "core.hooksPath": "{hooks}",
    "pager.ls-files": "{canary}",
    "pager.cat-file": "{canary}",
    "pager.diff-tree": "{canary}",
    "diff.external": "{canary}",
    "diff.x.command": "{canary}",
    "diff.x.textconv": "{canary}",
    "filter.x.clean": "{canary}",
    "filter.x.smudge": "{canary}",
    "filter.x.process": "{canary}",
    "filter.x.required": "true",
    "gpg.program": "{canary}",
    "log.showSignature": "true",
    "credential.helper": "!{canary}",
    "alias.ls-files": "!{canary}",
    "alias.cat-file": "!{canary}",
    "extensions.partialClone": "origin",
    "remote.origin.promisor": "true",
    "remote.origin.url": "ext::{canary}",
    "remote.origin.uploadpack": "{canary}",
    "uploadpack.packObjectsHook": "{canary}",
    "trace2.eventTarget": "{hooks}/trace",
    "include.path": "{hooks}/more",
}


def hostile(folder: Path, tmp_path: Path, *, promised: bool) -> tuple[Repo, Path]:
    """A repository that starts a program which leaves a mark, wherever git could be made to start one."""
    mark, canary, hooks = tmp_path / "ran", tmp_path / "canary", tmp_path / "hooks"
    canary.write_text(f"#!/bin/sh\necho $0 $@ >> {mark}\ncat\n")
    canary.chmod(0o755)
    repo = Repo(folder)
    repo.commit(".gitattributes", "* diff=x filter=x\n")
    repo.commit("a", key(1))
    repo.commit("b", key(2))
    missing = repo.git("rev-parse", "HEAD:b")
    hooks.mkdir()
    for hook in "post-index-change reference-transaction post-checkout pre-commit fsmonitor-watchman query-watchman".split():
        for place in (hooks / hook, folder / ".git" / "hooks" / hook):
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(canary.read_bytes())
            place.chmod(0o755)
    (hooks / "more").write_text(f"[core]\n\tfsmonitor = {canary}\n\tsshCommand = {canary}\n[alias]\n\trev-parse = !{canary}\n")
    for name, value in CANARIES.items():
        if promised or not name.startswith("extensions"):
            repo.git("config", name, value.format(canary=canary, hooks=hooks))
    if promised:
        os.unlink(folder / ".git" / "objects" / missing[:2] / missing[2:])
    mark.unlink(missing_ok=True)
    return repo, mark


@pytest.mark.parametrize("promised", [False, True])
def test_nothing_that_a_repository_configures_runs(folder: Path, tmp_path: Path, promised: bool) -> None:
    repo, mark = hostile(folder, tmp_path, promised=promised)
    found = search()
    assert "0001" in in_history(found)
    staged = leaks(Plan(), Where(staged=True), make=small)
    assert staged.searched[1] == 0
    assert not mark.exists(), mark.read_text()
    assert not (tmp_path / "hooks" / "trace").exists()
    subprocess.run(["git", "-C", repo.folder, "status"], capture_output=True, check=False)
    assert mark.exists()  # git by itself would have run it


def test_a_hostile_environment_does_not_reach_git(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    repo, mark = hostile(folder, tmp_path, promised=False)
    other = Repo(tmp_path / "other")
    other.commit("x", key(9))
    for name, value in {
        "GIT_DIR": os.path.join(other.folder, ".git"),
        "GIT_EXTERNAL_DIFF": str(tmp_path / "canary"),
        "GIT_SSH_COMMAND": str(tmp_path / "canary"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(tmp_path / "canary"),
        "GIT_TRACE": str(tmp_path / "ran"),
    }.items():
        monkeypatch.setenv(name, value)
    assert set(in_history(search(repo.folder))) == {"0001", "0002"}
    assert not mark.exists()


@pytest.mark.parametrize("committer", ["a <a@b", "a <a@b> x +0000", "a <a@b> 99999999999999999999999999 +0000", ""])
@pytest.mark.parametrize("with_parent", [False, True])
def test_a_commit_that_was_made_by_hand_without_a_time_hides_nothing(folder: Path, committer: str, with_parent: bool) -> None:
    repo = Repo(folder)
    first = repo.commit("other", "x")
    repo.write("f", key(1))
    repo.git("add", "f")
    tree = repo.git("write-tree")
    parent = f"parent {first}\n" if with_parent else ""
    made = f"tree {tree}\n{parent}author a <a@b> 1 +0000\ncommitter {committer}\n\nby hand\n"
    commit = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=made)
    repo.git("update-ref", "refs/heads/main", commit)
    repo.git("rm", "-q", "--cached", "f")
    (folder / "f").unlink()
    leak = in_history(search())["0001"]
    assert (leak.path, leak.commit) == ("f", commit)
