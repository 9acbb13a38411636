"""`.env` files that `merge` has edited: each reader finds the new value, and every other variable as it found it before."""

from __future__ import annotations

import json
import subprocess
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from dotenv.parser import parse_stream
from env_file_readers import compose
from hard_values import MANY
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.core.errors import InvalidInput
from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

    Read = dict[str, str]

_FRAGMENTS = [
    "KV_1=a",
    "KV_2='b c'",
    'KV_1="x\ny"',
    "KV_2='x",
    "KV_1=`x",
    "KV_1=it's",
    "KV_3=a # it's",
    "KV_2= # none",
    "KV_2=",
    "KV_2",
    "export KV_1=old",
    "KV_1 = spaced ",
    "KV_1: yaml",
    "'KV_1'=q",
    "# KV_1=no",
    "# it's",
    "'",
    '"',
    "`",
    "\\",
    "KV_3=a\\",
    "KV_3='a\\'",
    'KV_3="a\\"',
    "KV_3='a' b",
    "\n",
    "\n",
    "\n",
    "\r\n",
    "[section]",
    "  KV_1=indented",
    "KV_3=$KV_1",
    "=",
    "#",
]
_files = st.lists(st.sampled_from(_FRAGMENTS).map(lambda f: f if f.endswith("\n") else f + "\n"), max_size=6).map("".join)
_VALUES = ["plain", "a b", "it's", "#"]
_PARSE = """
const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const parsers = [require('dotenv').parse, require('util').parseEnv];
process.stdout.write(JSON.stringify(parsers.map(parse => texts.map(text => parse(text)))));
"""


def _python(text: str) -> Read:
    return {b.key: b.value for b in parse_stream(StringIO(text, newline=None)) if b.key and b.value is not None}


def _compose(text: str) -> Read | None:
    try:
        return compose(text)
    except (AssertionError, IndexError):
        return None  # compose refuses such a file


def _node(programs: Programs, texts: list[str]) -> list[list[Read]]:
    done = subprocess.run(
        [programs["node"], "-e", _PARSE],
        input=json.dumps(texts).encode(),
        env={"PATH": "/usr/bin:/bin", "NODE_PATH": programs.node_modules},
        capture_output=True,
        timeout=60,
        check=True,
    )
    # node 20 takes a comment that ends the file for a variable
    return [[{n: v for n, v in read.items() if n.startswith("KV_")} for read in reads] for reads in json.loads(done.stdout)]


def _fuzz(programs: Programs, examples: int) -> int:
    merged_count = 0

    @settings(MANY, max_examples=examples)
    @given(st.lists(st.tuples(_files, st.booleans()), min_size=100, max_size=100), st.sampled_from(_VALUES))
    def check(files: list[tuple[str, bool]], value: str) -> None:
        nonlocal merged_count
        befores, afters = [], []
        for text, whole in files:
            before = text if whole else text.removesuffix("\n")
            try:
                after = load("dotenv").merge(before, [("KV_1", value)]).text
            except InvalidInput:
                continue
            befores.append(before)
            afters.append(after)
        for was, now in zip(_node(programs, befores), _node(programs, afters), strict=True):
            assert now == [read | {"KV_1": value} for read in was], value
        assert [_python(text) for text in afters] == [_python(text) | {"KV_1": value} for text in befores]
        for before, after in zip(befores, afters, strict=True):
            if (read := _compose(before)) is not None:
                assert _compose(after) == read | {"KV_1": value}, after
        merged_count += len(afters)

    check()
    return merged_count


def test_every_reader_finds_the_new_value_and_the_old_others(programs: Programs) -> None:
    assert _fuzz(programs, 15) > 100


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_every_reader_finds_them_in_very_many_files(programs: Programs) -> None:
    _fuzz(programs, 1000)
