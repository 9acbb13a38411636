"""What every format promises, whatever its syntax."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hard_values import BIG, KEYS, NASTY, named

from keyvault.core.errors import InvalidInput, NotCarried
from keyvault.formats import DIALECTS, FORMATS, load

KINDS = [(name, "portable") for name in FORMATS] + [("dotenv", dialect) for dialect in DIALECTS[1:]]
every_kind = pytest.mark.parametrize(("name", "dialect"), KINDS)
SHELLS = ("sh", "bash", "zsh", "ksh", "fish", "powershell", "cmd", "nu", "csh")
REFUSE_NUL_ONLY = ("sh", "bash", "zsh", "ksh", "fish", "nu", "python", "json", "r")
CANARY = "CANARY7f3a"


@every_kind
def test_ordinary_keys_are_carried(name: str, dialect: str) -> None:
    ordinary = [key for key in KEYS if "?" not in key]
    assert load(name, dialect).render(named(ordinary)).refused == ()


@every_kind
def test_nul_is_refused_and_the_reason_does_not_hold_the_value(name: str, dialect: str) -> None:
    form = load(name, dialect)
    with pytest.raises(NotCarried) as caught:
        form.assign("KV_0", f"{CANARY}\0")
    assert CANARY not in caught.value.message + caught.value.hint
    rendered = form.render([("KV_0", f"{CANARY}\0"), ("KV_1", "x")])
    assert [refusal.variable for refusal in rendered.refused] == ["KV_0"]
    assert CANARY not in repr(rendered)


@every_kind
def test_a_refusal_leaves_the_others_and_never_holds_the_value(name: str, dialect: str) -> None:
    form = load(name, dialect)
    hard = [CANARY + value for value in NASTY + BIG] + [value + CANARY for value in NASTY]
    rendered = form.render([*named(hard), ("KV_LAST", "plain")])
    assert "KV_LAST" in rendered.text
    for refusal in rendered.refused:
        assert refusal.reason
        assert refusal.reason == refusal.reason.strip("; ")
        assert CANARY not in refusal.reason
    if name in REFUSE_NUL_ONLY:
        assert rendered.refused == ()


@every_kind
def test_render_says_what_assign_says(name: str, dialect: str) -> None:
    form = load(name, dialect)
    for variable, value in named(NASTY):
        rendered = form.render([(variable, value)])
        try:
            statement = form.assign(variable, value)
        except NotCarried as exc:
            assert exc.message in rendered.refused[0].reason
        else:
            assert rendered.refused == ()
            if name not in ("json", "github-actions"):
                assert statement in rendered.text


@every_kind
def test_a_statement_ends_its_line(name: str, dialect: str) -> None:
    assert load(name, dialect).assign("KV_0", "x").endswith("\n")


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_statement_is_one_line_of_ascii_without_blank_lines(name: str) -> None:
    form = load(name)
    assert form.is_shell
    for text in (form.render(named(NASTY)).text, form.failure(4)):
        lines = text.splitlines()
        assert all(lines)
        assert text.isascii()
        assert "\r" not in text.replace("\r\n", "")
        assert name == "cmd" or all(line.endswith(";") for line in lines)
    for variable, value in named(NASTY):
        rendered = form.render([(variable, value)])
        if not rendered.refused:
            assert form.assign(variable, value).count("\n") == 1
    for variable in ("KV_0", "KV_1"):
        assert form.unset(variable).count("\n") == 1
    assert form.failure(4)


@every_kind
def test_nothing_to_say_is_said_with_nothing(name: str, dialect: str) -> None:
    form = load(name, dialect)
    assert form.render([]).text.strip("{}\n") == ""
    assert form.render_unset([]).text == ""


@every_kind
def test_unset_is_a_statement_or_a_refusal(name: str, dialect: str) -> None:
    form = load(name, dialect)
    rendered = form.render_unset(["KV_0", "KV_1"])
    assert bool(rendered.text) != bool(rendered.refused)
    assert form.is_shell == bool(rendered.text)
    if form.is_shell:
        assert rendered.text.endswith(form.unset("KV_0") + form.unset("KV_1"))
    else:
        assert [refusal.variable for refusal in rendered.refused] == ["KV_0", "KV_1"]


@every_kind
def test_a_new_file_is_a_whole_one(name: str, dialect: str) -> None:
    form = load(name, dialect)
    if name == "github-actions":
        assert form.merge("", [("KV_0", "x")]).text.startswith("KV_0<<")
        return
    merged = form.merge("", [("KV_0", "x"), ("KV_1", "y")])
    assert merged.text.endswith("\n")
    assert merged.text.count("KV_0") == merged.text.count("KV_1")
    assert "KV_0" in merged.text


@every_kind
def test_merging_reports_refusals_and_notes_as_rendering_does(name: str, dialect: str) -> None:
    form = load(name, dialect)
    pairs = named([*NASTY, "\0"])
    rendered = form.render(pairs)
    merged = form.merge("", pairs)
    assert (merged.refused, merged.notes) == (rendered.refused, rendered.notes)


def test_names_and_aliases_in_any_case() -> None:
    aliases = {
        "dash": "sh",
        "posix": "sh",
        "ksh93": "ksh",
        "pwsh": "powershell",
        "nushell": "nu",
        "tcsh": "csh",
        "BASH": "bash",
    }
    assert {alias: load(alias).name for alias in aliases} == aliases
    assert [load(name).name for name in FORMATS] == list(FORMATS)


def test_unknown_names_are_told_the_known_ones() -> None:
    with pytest.raises(InvalidInput) as caught:
        load("elvish")
    assert "renviron" in caught.value.hint
    with pytest.raises(InvalidInput) as caught:
        load("dotenv", "ruby")
    assert "compose" in caught.value.hint


@pytest.mark.parametrize("name", ["sh", "bash", "zsh", "fish", "powershell"])
def test_rendering_for_a_shell_loads_one_small_module(name: str) -> None:
    program = f"""
import sys
sys.path.insert(0, {_ROOT!r})
from keyvault.formats import load
load({name!r}).render([("A", "b c")])
slow = {{"json", "ast", "dotenv", "dataclasses", "subprocess", "pathlib"}}
print(*sorted(module for module in sys.modules if module in slow or module.startswith("keyvault.formats.")))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, check=True)
    module = {"sh": "posix", "bash": "posix", "zsh": "posix"}.get(name, name)
    assert done.stdout.decode().split() == sorted(["keyvault.formats.base", f"keyvault.formats.{module}"])


_ROOT = str(__import__("pathlib").Path(__file__).resolve().parents[2])
