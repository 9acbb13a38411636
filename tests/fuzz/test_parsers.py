"""What the fuzzer found is run again, and a small dose of new input; a night's worth is `scripts/fuzz`."""

from __future__ import annotations

import random

import pytest
from fuzz import corpus, parsers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-config"))


@pytest.mark.parametrize("target", parsers.TARGETS)
def test_inputs_that_were_kept_break_no_promise(target: str) -> None:
    inputs = corpus.kept(target)
    assert inputs, "scripts/fuzz makes a corpus for a new target"
    for data in inputs:
        first = parsers.run(target, data)
        assert first == parsers.run(target, data)


@pytest.mark.parametrize("target", parsers.TARGETS)
@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_what_is_like_them_does_not_either(target: str, data: st.DataObject) -> None:
    like = data.draw(st.sampled_from(corpus.kept(target) or [b""]))
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    changed = bytearray(like)
    for _ in range(chance.randint(1, 8)):
        at = chance.randint(0, len(changed))
        changed[at : at + chance.choice((0, 0, 1, 4))] = chance.choice(
            (b"", b"\0", b"\n", b'"', b"'", b"\\", b"=", b"{", b"[", b"\xff", b"9" * 20, chance.randbytes(3))
        )
    parsers.run(target, bytes(changed))
