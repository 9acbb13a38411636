from __future__ import annotations

import json
import re
from io import StringIO

import pytest
from dotenv.parser import parse_stream
from env_file_readers import batch, compose, docker, systemd
from hard_values import named, values
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.core.errors import InvalidInput
from keyvault.formats import FORMATS, load

LINE_FORMATS = [name for name in FORMATS if name not in ("json", "github-actions")]
names = st.sampled_from([f"KV_{number}" for number in range(6)])
plain_values = st.text(st.sampled_from("abc019-_/+="), max_size=8)
pairs_of = st.lists(st.tuples(names, values), max_size=5)
some_pairs = st.lists(st.tuples(names, plain_values.filter(bool)), max_size=5)
COMMENTS = {"cmd": "::", "systemd": ";"}


@pytest.mark.parametrize("name", ["sh", "bash", "zsh", "ksh"])
@settings(max_examples=200, deadline=None)
@given(values)
def test_posix_statements_hold_no_pattern_and_no_blank_but_between_words(name: str, value: str) -> None:
    text = load(name).assign("KV_0", value)
    assert not re.search(r"[*?\[\]~#^!|<>\t]", text)
    assert text.count("\n") == 1
    assert re.sub(r"^export |; export |printf %b ", "", text).count(" ") == 0


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "github-actions"])
@settings(max_examples=60, deadline=None)
@given(pairs_of, pairs_of)
def test_merging_into_our_own_file_keeps_it_ours(
    name: str, first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    form = load(name)
    carried = [[pair for pair in pairs if not form.render([pair]).refused] for pairs in (first, second)]
    existing = form.merge("", carried[0]).text
    try:
        merged = form.merge(existing, carried[1]).text
    except InvalidInput:
        # R's long values are statements of several lines; a backquoted value of several lines is none of portable's
        assert name == "r"
        return
    expected = dict(carried[0]) | dict(carried[1])
    assert merged == form.merge("", list(expected.items())).text or dict(carried[0]) == {}
    assert form.merge(merged, carried[1]).text == merged


@pytest.mark.parametrize("name", LINE_FORMATS)
@settings(max_examples=60, deadline=None)
@given(some_pairs, some_pairs, st.data())
def test_merging_leaves_every_other_line_alone(
    name: str, first: list[tuple[str, str]], second: list[tuple[str, str]], data: st.DataObject
) -> None:
    form = load(name)
    comment = COMMENTS.get(name, "#")
    lines = form.render(list(dict(first).items())).text.splitlines(keepends=True)
    lines = [line for line in lines if not line.startswith(("case ", "import "))]
    for _ in range(data.draw(st.integers(0, 3))):
        extra = data.draw(st.sampled_from([f"{comment} it's a note\n", f"{comment} KV_0=\n", "\n", "   \n", f"{comment}\n"]))
        lines.insert(data.draw(st.integers(0, len(lines))), extra)
    existing = "".join(lines)
    if data.draw(st.booleans()):
        existing = existing.removesuffix("\n").removesuffix("\r")
    merged = form.merge(existing, second)
    assert merged.refused == ()
    ours = [line for line in merged.text.splitlines() if "KV_" in line and not line.startswith(comment)]
    others = [line for line in merged.text.splitlines() if line not in ours and not line.startswith("import ")]
    before = [line for line in existing.splitlines() if "KV_" not in line or line.startswith(comment)]
    assert others == before
    expected = dict(first) | dict(second)
    assert ours == [form.assign(variable, value).rstrip("\r\n") for variable, value in expected.items()]


@settings(max_examples=150, deadline=None)
@given(st.text(st.sampled_from("KV_01='\"`\\\n\r #ab:$"), max_size=40), st.text(st.sampled_from("ab' \n"), max_size=4))
def test_whatever_the_dotenv_file_python_reads_the_new_value_and_the_old_others(existing: str, value: str) -> None:
    form = load("dotenv")
    if form.render([("KV_0", value)]).refused:
        return
    try:
        merged = form.merge(existing, [("KV_0", value)]).text
    except InvalidInput:
        return

    def read(text: str) -> dict[str | None, str | None]:
        return {b.key: b.value for b in parse_stream(StringIO(text, newline="")) if b.key and not b.error}

    assert read(merged) == read(existing) | {"KV_0": value}


READERS = {"docker": lambda text: docker(text, strips_quotes=True), "systemd": systemd, "cmd": batch, "compose": compose}


@pytest.mark.parametrize("name", ["docker", "systemd"])
@settings(max_examples=150, deadline=None)
@given(
    text=st.text(st.sampled_from("KV_01='\"\\\n #;ab$"), max_size=40), value=st.text(st.sampled_from("ab' \\\"$"), max_size=4)
)
def test_whatever_the_file_its_reader_gets_the_new_value_and_the_old_others(name: str, text: str, value: str) -> None:
    form, reader = load(name), READERS[name]
    try:
        before = reader(text)
    except AssertionError:
        return  # the reader takes no such file
    if form.render([("KV_0", value)]).refused:
        return
    try:
        merged = form.merge(text, [("KV_0", value)]).text
    except InvalidInput:
        return
    assert reader(merged) == before | {"KV_0": value}


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)), lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.one_of(names, st.text(max_size=4)), json_values, max_size=5),
    pairs_of.map(dict),
    st.sampled_from([None, 0, 1, 4, "\t"]),
    st.booleans(),
)
def test_merging_json_keeps_order_and_other_members(
    existing: dict[str, object], pairs: dict[str, str], indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(existing, indent=indent, ensure_ascii=ascii_only)
    merged = load("json").merge(text, list(pairs.items())).text
    assert list(json.loads(merged).items()) == list((existing | pairs).items())
    if not pairs:
        assert merged == text
    again = load("json").merge(merged, list(pairs.items())).text
    assert again == merged


def test_named_makes_names_that_every_format_takes() -> None:
    for name in FORMATS:
        assert load(name).render(named(["x"])).refused == ()
