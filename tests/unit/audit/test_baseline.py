from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from audit_reports import LEAKS

from keyvault.audit import baseline
from keyvault.audit.baseline import Baseline
from keyvault.audit.findings import OWN, UNKNOWN
from keyvault.core.errors import InvalidInput, NotFound, UnsafeFile

OTHER = LEAKS[0]
OWN_IN_USE = LEAKS[1]
FORMER = LEAKS[2]._replace(tail="6789")
SALTED = '{"keyvault_baseline": 1, "salt": "00112233445566778899aabbccddeeff", "findings": %s}'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def written(*leaks: object) -> Baseline:
    made = baseline.new("baseline.json").accepting(leaks)  # type: ignore[arg-type]
    baseline.write(made)
    return baseline.read("baseline.json")


def test_what_was_accepted_is_not_told_again_wherever_in_the_file_it_stands() -> None:
    known = written(OTHER, FORMER)
    moved = OTHER._replace(line=99, column=1, form="base64", what="another name for it", commit="b" * 40)
    assert known.new_ones([OTHER, moved, FORMER]) == []


@pytest.mark.parametrize(
    "other", [OTHER._replace(fingerprint="9" * 16), OTHER._replace(path="elsewhere.py"), LEAKS[3]], ids=["value", "path", "all"]
)
def test_another_value_or_place_is_new(other: object) -> None:
    assert written(OTHER).new_ones([other]) == [other]  # type: ignore[list-item]


def test_a_key_in_use_is_never_accepted_not_even_by_a_file_that_says_so() -> None:
    known = written(OTHER, OWN_IN_USE)
    assert [entry.path for entry in known.entries] == ["notes/übung.ipynb"]
    forged = written(OWN_IN_USE._replace(current=False))
    assert forged.new_ones([OWN_IN_USE]) == [OWN_IN_USE]
    assert forged.new_ones([OWN_IN_USE._replace(kind=UNKNOWN, current=False, ref="")]) == []  # without the vault
    assert OWN_IN_USE.kind == OWN


def test_a_value_that_could_be_guessed_from_its_hash_is_not_written() -> None:
    short = FORMER._replace(tail="")
    known = written(short, OTHER)
    assert [entry.path for entry in known.entries] == [OTHER.path]
    assert known.new_ones([short]) == [short]


def test_writing_it_again_changes_nothing_at_all(tmp_path: Path) -> None:
    known = written(*LEAKS)
    before, info = (tmp_path / "baseline.json").read_bytes(), os.stat("baseline.json")
    later = [leak._replace(line=leak.line + 3, what="named anew") for leak in reversed(LEAKS)]
    baseline.write(known.accepting(later))
    assert (tmp_path / "baseline.json").read_bytes() == before
    assert os.stat("baseline.json").st_mtime_ns == info.st_mtime_ns


def test_it_has_a_line_for_each_finding_sorted_and_nothing_that_moves(tmp_path: Path) -> None:
    written(*LEAKS)
    text = (tmp_path / "baseline.json").read_text()
    told = json.loads(text)
    assert set(told) == {"keyvault_baseline", "salt", "findings"}
    assert [set(one) for one in told["findings"]] == [{"path", "fingerprint", "rule"}] * 3
    assert told["findings"] == sorted(told["findings"], key=lambda one: (one["path"], one["fingerprint"]))
    assert len(text.splitlines()) == 6 + len(told["findings"])
    assert '"line"' not in text
    assert oct(os.stat("baseline.json").st_mode & 0o777) == "0o644"


def test_each_file_has_its_own_salt_and_keeps_it() -> None:
    one, other = baseline.new("a.json"), baseline.new("b.json")
    assert one.salt != other.salt
    assert one.accepting(LEAKS).salt == one.salt


def test_paths_are_those_from_its_own_folder_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = written(OTHER)
    os.makedirs(tmp_path / "notes")
    monkeypatch.chdir(tmp_path / "notes")
    same = OTHER._replace(path="übung.ipynb")
    assert baseline.read(str(tmp_path / "baseline.json")).new_ones([same]) == []
    assert known.entries[0].path == "notes/übung.ipynb"
    at_home = OTHER._replace(path=str(tmp_path / "home" / ".bash_history"))
    outside = OTHER._replace(path="/etc/x")
    monkeypatch.chdir(tmp_path)
    inside = Baseline(str(tmp_path / "repo" / "b.json"), b"0" * 16).accepting([at_home, outside])
    assert [entry.path for entry in inside.entries] == ["/etc/x", "~/.bash_history"]


def test_a_name_that_is_no_text_can_be_kept() -> None:
    odd = OTHER._replace(path="caf\udce9\n.py")
    assert written(odd).new_ones([odd]) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"keyvault_baseline": 2, "salt": "00112233445566778899aabbccddeeff", "findings": []}',
        '{"keyvault_baseline": 1, "salt": "00", "findings": []}',
        '{"keyvault_baseline": 1, "salt": 5, "findings": []}',
        SALTED % '[{"path": 1}]',
        SALTED % '[{"path": 1, "fingerprint": "", "rule": ""}]',
        SALTED % "7",
        "[" * 100_000,
        "\udcff",
    ],
)
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInput):
        baseline.read("b.json")


def test_no_link_is_read_or_written(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    os.symlink("real.json", "b.json")
    with pytest.raises(UnsafeFile):
        baseline.read("b.json")
    with pytest.raises(UnsafeFile):
        baseline.write(baseline.new("b.json"))
    with pytest.raises(NotFound):
        baseline.read("gone.json")
    assert (tmp_path / "real.json").read_text() == "{}"


def test_two_branches_that_accept_different_findings_merge_without_conflict(tmp_path: Path) -> None:
    """A line for each finding, sorted: git merges what lies apart."""

    def git(*words: str) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    many = [OTHER._replace(path=f"{name}.py") for name in "bcdefgh"]
    known = written(*many)
    git("init", "-q", "-b", "main")
    git("add", "baseline.json")
    git("commit", "-qm", "1")
    git("checkout", "-qb", "side")
    baseline.write(known.accepting([*many, OTHER._replace(path="a.py")]))
    git("commit", "-qam", "2")
    git("checkout", "-q", "main")
    baseline.write(known.accepting([*many[:-1], OTHER._replace(path="g2.py"), many[-1]]))
    git("commit", "-qam", "3")
    git("merge", "-q", "side", "-m", "4")
    assert len(baseline.read("baseline.json").entries) == 9
