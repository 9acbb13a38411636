"""What the fuzzer found is run again, and a small dose of new input; a night's worth is `scripts/fuzz`."""

from __future__ import annotations

import random

import pytest
from fuzz import corpus, parsers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyvault.core.errors import KeyvaultError
from keyvault.discover import sources, text_file


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


@pytest.mark.parametrize("kind", sources.TEXT_KINDS)
def test_no_value_is_told_where_a_file_is_broken(kind: str) -> None:
    told = 0
    for data in (*corpus.kept(f"source-{kind}"), b"hf_aBcDeFgHiJkLmNoPqRsTuVwXyZ012345\n"):
        values = {value for value in _values(kind, data, set()) if len(value) >= 6}
        if values:
            for broken in (data[: len(data) // 2], data[:-1], data + b'"', data + b"\n${", b"{" + data, b"\0" + data, data * 2):
                _values(kind, broken, values)
                told += 1
    assert told


def _values(kind: str, data: bytes, secret: set[str]) -> set[str]:
    """What is found, if nothing of `secret` stands in a message beside it."""
    name = "/home/u/" + kind
    try:
        reading = sources.text_source(kind).read(text_file.decode(name, data))
    except KeyvaultError as exc:
        said, found = [exc.message, exc.hint], set()
    else:
        said, found = reading.skipped, {one.value.reveal() for one in reading.found}
    assert not any(value in line for value in secret for line in said)
    return found
