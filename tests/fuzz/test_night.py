"""scripts/fuzz with a stand-in for the fuzzer, which only CPython of one version has: turns, time, corpus and report."""

from __future__ import annotations

import os
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest
from fuzz import corpus

SCRIPT = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "fuzz")
# Finds something new at each turn; of the target `bad` it says that it breaks, and of `slow` it does not end.
STAND_IN = """
import os, shutil, sys, time
target, options, folders = sys.argv[1], sys.argv[2:], [word for word in sys.argv[2:] if word[0] != "-"]
if "-merge=1" in options:
    for name in os.listdir(folders[1]):
        shutil.copy(os.path.join(folders[1], name), folders[0])
    sys.exit(0)
time.sleep(60 if target == "slow" else 0.2)
for size in (1, 3000):
    with open(os.path.join(folders[0], os.urandom(8).hex()), "wb") as file:
        file.write(os.urandom(size))
with open(os.environ["LOG"], "a") as file:
    file.write(target + "\\n")
print("stat::number_of_executed_units: 10\\nwhat was wrong", file=sys.stderr)
sys.exit(77 if target == "bad" else 0)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    loader = SourceFileLoader("scripts_fuzz", SCRIPT)
    spec = spec_from_loader(loader.name, loader)
    assert spec
    module = module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    (tmp_path / "fuzzer.py").write_text(STAND_IN)
    (tmp_path / "corpus").mkdir()
    (tmp_path / "log").touch()
    monkeypatch.setattr(corpus, "FOLDER", str(tmp_path / "corpus"))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    for name, value in {"PYTHON": sys.executable, "FUZZER": str(tmp_path / "fuzzer.py"), "TO_START": 1}.items():
        monkeypatch.setattr(module, name, value)
    return module


def turns(tmp_path: Path) -> list[str]:
    return (tmp_path / "log").read_text().split()


def test_targets_take_turns_until_the_time_is_over(script: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    fuzzing = script.Fuzzing(["a", "b", "c"], 0.5, began + 8)
    fuzzing.work()
    assert time.monotonic() - began < 12
    taken = turns(tmp_path)
    assert len(taken) > 3
    assert taken == (["a", "b", "c"] * 99)[: len(taken)]
    assert fuzzing.runs == {target: 10 * taken.count(target) for target in "abc"}
    assert not fuzzing.broken


def test_without_an_end_each_has_one_turn(script: Any, tmp_path: Path) -> None:
    fuzzing = script.Fuzzing(["a", "b"], 3)
    fuzzing.work()
    assert turns(tmp_path) == ["a", "b"]


def test_what_breaks_is_told_of_and_has_no_further_turn(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fuzzing = script.Fuzzing(["bad", "a"], 0.5, time.monotonic() + 8)
    fuzzing.work()
    assert fuzzing.broken == ["bad"]
    assert turns(tmp_path).count("bad") == 1
    assert len(turns(tmp_path)) > 2
    said = capsys.readouterr()
    assert "bad: BROKEN" in said.out
    assert "what was wrong" in said.err
    assert "fuzzer.py bad " in said.err


def test_what_does_not_end_is_ended_and_counts_as_broken(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    fuzzing = script.Fuzzing(["slow"], 2)
    fuzzing.work()
    assert time.monotonic() - began < 20
    assert fuzzing.broken == ["slow"]
    assert "did not end" in capsys.readouterr().err


def test_the_corpus_grows_and_stays_small(script: Any) -> None:
    corpus.keep("a", [b"from before"])
    fuzzing = script.Fuzzing(["a"], 1, time.monotonic() + 10)
    fuzzing.work()
    kept = corpus.kept("a")
    assert b"from before" in kept
    assert len(kept) > 2
    assert sum(map(len, kept)) <= script.LARGEST_CORPUS
