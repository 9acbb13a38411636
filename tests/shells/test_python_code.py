from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hard_values import BIG, MANY, NASTY, batches, environment_of, named
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.formats import load

# In the second one, os.environ encodes into ASCII.
PLACES = [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


def _run(text: str, place: dict[str, str], after: str = "", **extra: str) -> subprocess.CompletedProcess[bytes]:
    program = f"import os, sys\nexec(sys.stdin.read(), {{}})\n{after}\nos.execv('/usr/bin/env', ['env', '-0'])"
    return subprocess.run(
        [sys.executable, "-I", "-c", program] if "PYTHONUTF8" not in place else [sys.executable, "-c", program],
        input=text.encode("ascii"),
        env={"PATH": "/usr/bin:/bin", **place, **extra},
        capture_output=True,
        timeout=60,
        check=False,
    )


def _exported(values: list[str], place: dict[str, str]) -> None:
    rendered = load("python").render(named(values))
    assert rendered.refused == ()
    done = _run(rendered.text, place)
    assert done.stderr == b""
    assert environment_of(done.stdout) == {name: value.encode() for name, value in named(values)}


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_nasty_values_arrive_byte_for_byte(place: dict[str, str]) -> None:
    _exported(NASTY + BIG, place)


@settings(MANY, max_examples=20)
@given(batches(100), st.sampled_from(PLACES))
def test_any_values_arrive_byte_for_byte(values: list[str], place: dict[str, str]) -> None:
    _exported(values, place)


@settings(MANY, max_examples=20)
@given(batches(100))
def test_any_values_arrive_through_json(values: list[str]) -> None:
    rendered = load("json").render(named([*values, *NASTY, *BIG]))
    assert rendered.refused == ()
    assert json.loads(rendered.text.encode("ascii")) == dict(named([*values, *NASTY, *BIG]))


def test_a_failure_reaches_the_caller() -> None:
    assert _run(load("python").failure(4), PLACES[0]).returncode == 4


def test_unset_removes_variables_and_does_not_mind_missing_ones() -> None:
    done = _run(load("python").render_unset(["KV_0", "KV_1"]).text, PLACES[0], KV_0="a", KV_2="c")
    assert (environment_of(done.stdout), done.stderr) == ({"KV_2": b"c"}, b"")


def test_the_text_needs_nothing_that_the_module_did_not_import() -> None:
    namespace: dict[str, object] = {}
    exec(load("python").render([("KV_EXEC", "é")]).text, namespace)
    assert os.environ.pop("KV_EXEC") == "é"
