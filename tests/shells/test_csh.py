from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hard_values import KEYS, MANY, NASTY, batches, environment_of, named, set_traps
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

CALLS = ["eval `keyvault env`", 'eval "`keyvault env`"']
FIRST = ["", "set noglob", "set nonomatch", "set symlinks=chase\nset backslash_quote", "set globstar\nset globdot"]
LOCALES = ["C", "C.UTF-8"]


class Csh:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.tcsh = programs["tcsh"]
        self.folder = folder
        self.traps = set_traps(os.path.join(folder, "traps"))
        self.text = os.path.join(folder, "text")

    def run(self, script: str, text: str, locale: str = "C.UTF-8", **extra: str) -> subprocess.CompletedProcess[bytes]:
        with open(self.text, "w", encoding="ascii", newline="") as file:
            file.write(text)
        path = os.path.join(self.folder, "script")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"alias keyvault 'cat {self.text}; true'\n{script}\n")
        return subprocess.run(
            [self.tcsh, "-f", path],
            cwd=self.traps,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "HOME": self.folder, **extra},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def exported(self, first: str, call: str, values: list[str], locale: str) -> set[str]:
        """Returns the values that were refused."""
        rendered = load("csh").render(named(values))
        refused = {refusal.variable for refusal in rendered.refused}
        done = self.run(f"{first}\n{call}\nenv -0", rendered.text, locale)
        assert done.stderr == b""
        assert environment_of(done.stdout) == {n: v.encode() for n, v in named(values) if n not in refused}
        return {v for n, v in named(values) if n in refused}


@pytest.fixture
def csh(tmp_path: os.PathLike[str], programs: Programs) -> Csh:
    return Csh(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("first", FIRST)
def test_nasty_values_arrive_or_are_refused(csh: Csh, first: str, call: str) -> None:
    for locale in LOCALES:
        assert not csh.exported(first, call, NASTY, locale) & {*KEYS, "", "=", "-n", "%PATH%", "#x"} - {KEYS[5]}


def test_what_keys_are_made_of_arrives(csh: Csh) -> None:
    ordinary = [chr(c) for c in range(0x21, 0x7F) if chr(c) not in "*?[]{}~!\\^'\"`$"]
    for call in CALLS:
        assert csh.exported("", call, [*ordinary, *(2 * c for c in ordinary), "".join(ordinary), "x" * 2000], "C") == set()


def _fuzz(csh: Csh, examples: int) -> None:
    @settings(MANY, max_examples=examples)
    @given(
        batches(70),
        st.lists(st.text(st.sampled_from([chr(c) for c in range(0x21, 0x7F)]), max_size=12), min_size=30, max_size=30),
        st.sampled_from(FIRST),
        st.sampled_from(CALLS),
        st.sampled_from(LOCALES),
    )
    def check(values: list[str], ascii_values: list[str], first: str, call: str, locale: str) -> None:
        csh.exported(first, call, values + ascii_values, locale)

    check()


def test_any_values_arrive_or_are_refused(csh: Csh) -> None:
    _fuzz(csh, 20)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_very_many_values_arrive_or_are_refused(csh: Csh) -> None:
    _fuzz(csh, 1000)


@pytest.mark.parametrize("call", CALLS)
def test_a_failure_reaches_the_caller(csh: Csh, call: str) -> None:
    assert csh.run(f"{call}\nexit $status", load("csh").failure(4)).returncode == 4


@pytest.mark.parametrize("call", CALLS)
def test_unset_removes_variables(csh: Csh, call: str) -> None:
    done = csh.run(f"{call}\nenv -0", load("csh").render_unset(["KV_0", "KV_1"]).text, KV_0="a", KV_2="c")
    assert (environment_of(done.stdout), done.stderr) == ({"KV_2": b"c"}, b"")
