"""The cache of compiled rules: what it holds, who may have written it, and that it is never needed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from keyvault.audit.leaks import rules, searching
from keyvault.audit.leaks.engines import engine
from keyvault.audit.leaks.pieces import OwnKey, Piece, Plan
from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret
from keyvault.providers import catalogue

VALUE = "own-value-that-is-long"
DATA = f"k={VALUE} GROQ_API_KEY=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".encode()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "cache"


def found(folder: Path) -> list[str]:
    plan = Plan((OwnKey("a/b", "a", Secret(VALUE), True),), b"k" * 32, "hyperscan", str(folder))
    return [leak.kind for leak in searching.searcher(plan).search(Piece(DATA, "file"))]


def cached(folder: Path) -> Path:
    (path,) = folder.glob("scan-*")
    return path


def test_the_cache_is_private_and_holds_no_value(folder: Path) -> None:
    assert found(folder) == ["own", "unknown"]
    path = cached(folder)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(VALUE[:8].encode() in file.read_bytes() for file in folder.iterdir())
    before = path.stat().st_mtime_ns
    assert found(folder) == ["own", "unknown"]
    assert path.stat().st_mtime_ns == before, "it was used"


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "text"])
def test_a_damaged_cache_is_made_anew(folder: Path, damage: str) -> None:
    found(folder)
    path = cached(folder)
    good = path.read_bytes()
    bad = {"empty": b"", "short": good[:-9], "flipped": good[:99] + bytes([good[99] ^ 1]) + good[100:], "text": b"x" * 999}
    path.write_bytes(bad[damage])
    assert found(folder) == ["own", "unknown"]
    assert path.read_bytes() == good


def test_a_cache_that_others_could_write_is_not_used(folder: Path) -> None:
    found(folder)
    path = cached(folder)
    os.chmod(path, 0o666)
    assert found(folder) == ["own", "unknown"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_costs_only_time(folder: Path) -> None:
    folder.write_text("a file is in the way")
    assert found(folder) == ["own", "unknown"]


def test_without_triggers_nothing_is_found() -> None:
    for name in ("hyperscan", "plain"):
        assert list(engine((), name).hits(b"anything")) == []


def test_a_named_engine_that_cannot_work_is_refused() -> None:
    bad = [rules.Trigger(rules.START, "(?=x)y", ())]
    with pytest.raises(InvalidInput):
        engine(bad, "hyperscan")
    assert engine(bad).name == "plain"


def test_every_engine_finds_the_same_triggers(folder: Path) -> None:
    triggers = rules.compiled(catalogue.our_own()).triggers
    text = DATA + b"\nMISTRAL_API_KEY: vK3nQ8xY2bLp7RtW9sDf4GhJ6kMc1ZaQ" + "wide text in two bytes".encode("utf-16-le")
    fast, slow = (set(engine(triggers, name).hits(text)) for name in ("hyperscan", "plain"))
    kinds = {triggers[hit.trigger].kind for hit in slow}
    assert {rules.START, rules.NAMED, rules.WIDE} <= kinds
    assert {hit for hit in fast if triggers[hit.trigger].kind == rules.START} == {
        hit for hit in slow if triggers[hit.trigger].kind == rules.START
    }
