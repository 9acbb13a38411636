"""Formats whose readers are written anew in env_file_readers."""

from __future__ import annotations

import os
from unicodedata import category

import pytest
from env_file_readers import batch, docker, github, systemd
from hard_values import BIG, KEYS, NASTY, named, values
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyvault.formats import load

lists = st.lists(values, max_size=40)


def _carried(name: str, these: list[str]) -> tuple[str, dict[str, str], set[str]]:
    rendered = load(name).render(named(these))
    refused = {refusal.variable for refusal in rendered.refused}
    pairs = {variable: value for variable, value in named(these) if variable not in refused}
    return rendered.text, pairs, {value for variable, value in named(these) if variable in refused}


@settings(max_examples=100, deadline=None)
@given(lists)
def test_docker_reads_any_value_exactly_before_and_after_it_stripped_quotes(these: list[str]) -> None:
    text, pairs, refused = _carried("docker", these + NASTY)
    assert docker(text, strips_quotes=False) == docker(text, strips_quotes=True) == pairs
    assert all("\n" in v or v.endswith("\r") or (len(v) > 1 and v[0] == v[-1] and v[0] in "'\"") for v in refused)


def test_docker_lines_stay_below_the_scanners_limit() -> None:
    limit = 64 * 1024 - len("KV_0=\n") - 1
    assert docker(load("docker").assign("KV_0", "x" * limit), strips_quotes=True) == {"KV_0": "x" * limit}
    assert load("docker").render([("KV_0", "x" * (limit + 1))]).refused


@settings(max_examples=40, deadline=None)
@given(lists)
@example([*NASTY, *BIG])
def test_systemd_reads_any_value_exactly_or_it_is_refused(these: list[str]) -> None:
    text, pairs, refused = _carried("systemd", these)
    assert systemd(text) == pairs
    assert all("Cn" in {category(c) for c in value} for value in refused)  # noncharacters are unassigned for ever


@pytest.mark.parametrize("code", [0xFDD0, 0xFDEF, 0xFFFE, 0xFFFF, 0x1FFFE, 0x10FFFF])
def test_systemd_is_given_no_noncharacter_but_their_neighbours(code: int) -> None:
    assert load("systemd").render([("KV_0", f"a{chr(code)}")]).refused
    around = "".join(chr(c) for c in (0xFDCF, 0xFDF0, 0xFFFD, 0x10000, 0x1FFFD))
    assert systemd(load("systemd").assign("KV_0", around)) == {"KV_0": around}


@settings(max_examples=100, deadline=None)
@given(lists)
def test_github_reads_any_value_exactly_on_every_runner(these: list[str]) -> None:
    form = load("github-actions")
    rendered = form.render(named(these + NASTY + BIG))
    refused = {refusal.variable for refusal in rendered.refused}
    expected = {variable: value for variable, value in named(these + NASTY + BIG) if variable not in refused}
    assert github(rendered.text, windows=False) == github(rendered.text, windows=True) == expected
    assert all(value.endswith("\r") for variable, value in named(these + NASTY + BIG) if variable in refused)


@settings(max_examples=100, deadline=None)
@given(lists)
def test_github_masks_every_line_that_is_long_enough_and_tells_of_the_others(these: list[str]) -> None:
    rendered = load("github-actions").render(named(these))
    refused = {refusal.variable for refusal in rendered.refused}
    masked = set()
    for command in rendered.masks.split("\n")[:-1]:
        assert command.startswith("::add-mask::")
        assert "\r" not in command
        masked.add(command.removeprefix("::add-mask::").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%"))
    for variable, value in named(these):
        if variable in refused:
            continue
        lines = [line for part in value.split("\n") for line in part.split("\r") if line]
        assert {line for line in lines if len(line) >= 6} <= masked
        assert any(note.startswith(f"{variable} ") for note in rendered.notes) == any(len(line) < 6 for line in lines)


def test_github_is_told_what_to_mask_as_it_reads_commands() -> None:
    rendered = load("github-actions").render([("A", "100%0Asure\r\n%25done")])
    assert rendered.masks == "::add-mask::100%250Asure\n::add-mask::%2525done\n"


def test_github_delimiters_are_never_the_same_and_never_in_the_value() -> None:
    text = load("github-actions").merge("X=1", [("A", "keyvault_"), ("B", "keyvault_")]).text
    first, second = (line.partition("<<")[2] for line in text.split("\n") if "<<" in line)
    assert first != second
    assert len(first) >= len("keyvault_") + 32
    assert text.startswith("X=1\nA<<")


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "RUNNER_TEMP", "github_token"])
def test_github_keeps_its_own_names(name: str) -> None:
    assert load("github-actions").render([(name, "x")]).refused


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12), max_size=30), lists)
def test_cmd_reads_any_value_exactly_or_it_is_refused(printable: list[str], these: list[str]) -> None:
    text, pairs, refused = _carried("cmd", printable + these + NASTY + BIG)
    assert batch(text) == pairs
    assert not refused & set(KEYS)
    assert all(not v or '"' in v or "!" in v or not v.isascii() or not v.isprintable() or len(v) > 8000 for v in refused)


def test_cmd_lines_stay_below_the_interpreters_limit() -> None:
    limit = 8191 - len('@set "KV_0="\r\n')
    assert batch(load("cmd").assign("KV_0", "x" * limit)) == {"KV_0": "x" * limit}
    assert load("cmd").render([("KV_0", "x" * (limit + 1))]).refused


@pytest.mark.parametrize("name", ["CD", "ErrorLevel", "time"])
def test_cmd_keeps_its_own_names_in_any_case(name: str) -> None:
    assert load("cmd").render([(name, "x")]).refused


def test_files_for_other_systems_end_their_lines_as_those_do() -> None:
    assert load("cmd").assign("KV_0", "x") == '@set "KV_0=x"\r\n'
    assert os.linesep not in load("docker").assign("KV_0", "x").removesuffix("\n")


def test_json_is_one_object_in_ascii_for_people_to_read() -> None:
    form = load("json")
    assert form.assign("A", "\u00e9") == '{"A": "\\u00e9"}\n'
    assert form.render([("A", "x"), ("B", '"')]).text == '{\n  "A": "x",\n  "B": "\\""\n}\n'


@pytest.mark.parametrize("name", ["bash", "sh", "fish", "powershell", "nu", "r", "python", "json"])
def test_no_control_character_stands_in_what_a_terminal_may_show(name: str) -> None:
    text = load(name).render(named(NASTY)).text
    assert {c for c in text if category(c) == "Cc"} == {"\n"}


def test_powershell_has_a_word_for_nothing() -> None:
    assert load("powershell").word("") == "('')"
