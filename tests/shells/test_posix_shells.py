from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hard_values import BIG, MANY, NASTY, batches, environment_of, named, set_traps
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs


class Way(NamedTuple):
    """A shell with options, and the format for it."""

    program: str
    form: str
    options: tuple[str, ...] = ()
    first: str = ""


_BASH_OPTIONS = (
    "nullglob",
    "failglob",
    "extglob",
    "dotglob",
    "nullglob extglob globstar nocaseglob",
    "failglob extglob nocasematch",
)
_ZSH_OPTIONS = (
    "sh_word_split",
    "glob_subst",
    "sh_word_split glob_subst null_glob",
    "glob_subst ksh_arrays ksh_glob extended_glob",
    "glob_subst no_nomatch magic_equal_subst brace_ccl",
    "rc_quotes csh_junkie_quotes posix_builtins",
    "glob_assign glob_subst csh_null_glob equals sh_word_split",
    "ignore_braces no_multibyte sh_glob",
)
WAYS = [
    Way("dash", "sh"),
    Way("dash", "sh", ("-eu",)),
    Way("dash", "sh", ("-f",)),
    Way("bash", "sh", ("--posix",)),
    Way("ksh93", "sh"),
    Way("zsh", "sh", ("-f",), "emulate sh"),
    Way("bash", "bash"),
    Way("bash", "bash", ("--posix",)),
    Way("bash", "bash", ("-euf",)),
    Way("bash", "bash", (), "set -euo pipefail; shopt -s inherit_errexit"),
    *(Way("bash", "bash", (), f"shopt -s {options}") for options in _BASH_OPTIONS),
    Way("zsh", "zsh", ("-f",)),
    Way("zsh", "zsh", ("-feu",)),
    Way("zsh", "zsh", ("-f",), "emulate ksh"),
    *(Way("zsh", "zsh", ("-f",), f"setopt {options}") for options in _ZSH_OPTIONS),
    Way("ksh93", "ksh"),
    Way("ksh93", "ksh", ("-eu",)),
    Way("ksh93", "ksh", ("-f",), "set -o globstar -o markdirs"),
]
LOCALES = ["C", "C.UTF-8"]
CALLS = ["eval $(keyvault env)", 'eval "$(keyvault env)"', "eval `keyvault env`"]
NAMES = {way: " ".join(map(str, (way.program, way.form, *way.options, way.first))) for way in WAYS}


class Caller:
    """Runs a shell in a folder of traps, with a `keyvault` that prints what it is told to."""

    def __init__(self, folder: str, programs: Programs) -> None:
        self.folder = folder
        self.programs = programs
        self.traps = set_traps(os.path.join(folder, "traps"))
        self.text = os.path.join(folder, "text")
        command = os.path.join(folder, "bin", "keyvault")
        os.mkdir(os.path.dirname(command))
        with open(command, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\ncat "{self.text}"\n')
        os.chmod(command, 0o755)

    def run(
        self, way: Way, script: str, text: str, locale: str = "C.UTF-8", **extra: str
    ) -> subprocess.CompletedProcess[bytes]:
        with open(self.text, "w", encoding="ascii", newline="") as file:
            file.write(text)
        path = os.path.join(self.folder, "bin") + os.pathsep + "/usr/bin:/bin"
        return subprocess.run(
            [self.programs[way.program], *way.options, "-c", f"{way.first}\n{script}"],
            cwd=self.traps,
            env={"PATH": path, "LC_ALL": locale, "HOME": self.folder, **extra},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def exported(self, way: Way, call: str, values: list[str], locale: str) -> None:
        rendered = load(way.form).render(named(values))
        assert rendered.refused == ()
        done = self.run(way, call + "; env -0", rendered.text, locale)
        assert done.stderr == b""
        assert environment_of(done.stdout) == {name: value.encode() for name, value in named(values)}


@pytest.fixture
def caller(tmp_path: os.PathLike[str], programs: Programs) -> Caller:
    return Caller(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", WAYS, ids=NAMES.get)
def test_nasty_values_arrive_byte_for_byte(caller: Caller, way: Way, call: str) -> None:
    for locale in LOCALES:
        caller.exported(way, call, NASTY, locale)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.first], ids=NAMES.get)
def test_big_values_arrive(caller: Caller, way: Way) -> None:
    caller.exported(way, CALLS[0], BIG, "C.UTF-8")


def _fuzz(caller: Caller, program: str, form: str, examples: int) -> None:
    ways = [way for way in WAYS if (way.program, way.form) == (program, form)]

    @settings(MANY, max_examples=examples)
    @given(batches(100), st.sampled_from(ways), st.sampled_from(CALLS), st.sampled_from(LOCALES))
    def check(values: list[str], way: Way, call: str, locale: str) -> None:
        caller.exported(way, call, values, locale)

    check()


PAIRS = sorted({(way.program, way.form) for way in WAYS})


@pytest.mark.parametrize(("program", "form"), PAIRS)
def test_any_values_arrive_byte_for_byte(caller: Caller, program: str, form: str) -> None:
    _fuzz(caller, program, form, 20 if (form in program or program == "dash") else 5)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("program", "form"), PAIRS)
def test_very_many_values_arrive_byte_for_byte(caller: Caller, program: str, form: str) -> None:
    _fuzz(caller, program, form, 1000)


_SINGLE = [
    Way("dash", "sh"),
    Way("bash", "bash"),
    Way("bash", "bash", ("--posix",)),
    Way("zsh", "zsh", ("-fy",)),
    Way("ksh93", "ksh"),
]
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


def _check_ifs(caller: Caller, way: Way, ifs: str, value: str) -> bytes:
    """Whatever IFS is: the value, or the one from before. Returns what came."""
    text = load(way.form).render([("KV_0", value), ("KV_1", "plain")]).text
    script = 'IFS=$ODD\neval $(keyvault env)\nunset IFS\nprintf %s. "$KV_0"'
    done = caller.run(way, script, text, ODD=ifs, KV_0="before")
    assert done.stdout in (value.encode() + b".", b"before.", b"")
    return done.stdout


@pytest.mark.parametrize("way", _SINGLE, ids=lambda way: " ".join((way.program, *way.options)))
def test_an_ifs_that_the_text_does_not_need_changes_nothing(caller: Caller, way: Way) -> None:
    for ifs in ("", "\n", " ", ",:/.-+@~!#^&*|<>?[]\t", "qQ", ":", "-", "*"):
        assert _check_ifs(caller, way, ifs, "sk-a,b:c/d * [x]") == b"sk-a,b:c/d * [x]."


@pytest.mark.parametrize("way", _SINGLE, ids=lambda way: " ".join((way.program, *way.options)))
def test_an_ifs_that_would_change_the_text_assigns_nothing(caller: Caller, way: Way) -> None:
    for ifs in (*"e0\\'=$_1K", "e0\\'", "0123456789", "sk", "Vt", _PRINTABLE):
        assert _check_ifs(caller, way, ifs, "sk-1a\\'0eV t\n") in (b"before.", b"")


@pytest.mark.parametrize("way", _SINGLE, ids=lambda way: " ".join((way.program, *way.options)))
def test_no_ifs_makes_another_value(caller: Caller, way: Way) -> None:
    @settings(MANY, max_examples=60)
    @given(st.text(st.sampled_from(_PRINTABLE + "\t\n"), max_size=6), st.text(st.sampled_from("sk01 -\\'\"$*\n"), max_size=8))
    @example("(", " ")
    @example("{", " ")
    @example("}", " ")
    @example('"', " ")
    @example("%", " ")
    @example(";", " ")
    @example(")", " ")
    def check(ifs: str, value: str) -> None:
        _check_ifs(caller, way, ifs, value)

    check()


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", WAYS, ids=NAMES.get)
def test_a_failure_reaches_the_caller(caller: Caller, way: Way, call: str) -> None:
    done = caller.run(way, f"{call} || exit $?; exit 0", load(way.form).failure(4))
    assert (done.returncode, done.stderr) == (4, b"")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("way", WAYS, ids=NAMES.get)
def test_unset_removes_variables(caller: Caller, way: Way, call: str) -> None:
    text = load(way.form).render_unset(["KV_0", "KV_1"]).text
    done = caller.run(way, call + "; env -0", text, KV_0="a", KV_2="c")
    assert (environment_of(done.stdout), done.stderr) == ({"KV_2": b"c"}, b"")


@pytest.mark.parametrize("way", _SINGLE, ids=lambda way: " ".join((way.program, *way.options)))
def test_names_that_the_shell_owns_are_refused_or_exact(caller: Caller, way: Way) -> None:
    listing = "typeset +" if way.program == "zsh" else "set"
    known = caller.run(way, listing, "").stdout.decode(errors="replace").split("\n")
    names = {line.partition("=")[0].rpartition(" ")[2] for line in known}
    form = load(way.form)
    names = {name for name in names if name.isidentifier() and name.isascii()} - _NOT_FOR_KEYS
    carried = 0
    for name in names - form.reserved:
        for value in ("a*b", "17", ""):
            done = caller.run(way, CALLS[0] + "; /usr/bin/env -0", form.render([(name, value)]).text)
            came = [entry for entry in done.stdout.split(b"\0") if entry.startswith(name.encode() + b"=")]
            assert came == [f"{name}={value}".encode()], name
            carried += 1
    assert carried
    assert {refusal.variable for refusal in form.render([(name, "x") for name in names]).refused} == names & form.reserved


# keyvault.core.refs refuses most of these for every format; ksh93 takes only real locales
_NOT_FOR_KEYS = {"IFS", "PATH", "SHELLOPTS", "BASHOPTS", "PWD", "SHLVL", "ENV", "FPATH", "TERM", "LC_ALL", "LANG"}
