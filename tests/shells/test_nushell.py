from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hard_values import BIG, MANY, NASTY, batches, environment_of, named
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

# how the text is taken in -> its format
CALLS = {"source text": "nu", "source-env text": "nu", "open --raw text | from json | load-env": "json"}


class Nu:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.nu = programs["nu"]
        self.folder = folder

    def run(self, script: str, text: str, locale: str = "C.UTF-8", **extra: str) -> subprocess.CompletedProcess[bytes]:
        for name, content in (("text", text), ("script.nu", script)):
            with open(os.path.join(self.folder, name), "w", encoding="ascii", newline="") as file:
                file.write(content)
        return subprocess.run(
            [self.nu, "--no-config-file", "script.nu"],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": locale, "HOME": self.folder, **extra},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def exported(self, call: str, values: list[str], locale: str) -> None:
        rendered = load(CALLS[call]).render(named(values))
        assert rendered.refused == ()
        done = self.run(f"{call}\n^env -0\n", rendered.text, locale)
        assert done.stderr == b""
        assert environment_of(done.stdout) == {name: value.encode() for name, value in named(values)}


@pytest.fixture
def nu(tmp_path: os.PathLike[str], programs: Programs) -> Nu:
    return Nu(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("call", CALLS)
def test_nasty_values_arrive_byte_for_byte(nu: Nu, call: str, locale: str) -> None:
    nu.exported(call, NASTY + BIG, locale)


def _fuzz(nu: Nu, examples: int) -> None:
    @settings(MANY, max_examples=examples)
    @given(batches(200), st.sampled_from(sorted(CALLS)))
    def check(values: list[str], call: str) -> None:
        nu.exported(call, values, "C.UTF-8")

    check()


def test_any_values_arrive_byte_for_byte(nu: Nu) -> None:
    _fuzz(nu, 10)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_very_many_values_arrive_byte_for_byte(nu: Nu) -> None:
    _fuzz(nu, 300)


def test_a_failure_reaches_the_caller(nu: Nu) -> None:
    done = nu.run("source text\nexit 0\n", load("nu").failure(4))
    assert done.returncode != 0
    assert b"keyvault ended with status 4" in done.stderr


def test_unset_removes_variables_and_does_not_mind_missing_ones(nu: Nu) -> None:
    done = nu.run("source text\n^env -0\n", load("nu").render_unset(["KV_0", "KV_1"]).text, KV_0="a", KV_2="c")
    assert (environment_of(done.stdout), done.stderr) == ({"KV_2": b"c"}, b"")


def test_names_that_nushell_owns_are_refused(nu: Nu) -> None:
    form = load("nu")
    known = set(nu.run("$env | columns | to text", "").stdout.decode().split()) - {"PATH", "PWD"}
    for name in known - form.reserved:
        done = nu.run("source text\n^env -0\n", form.render([(name, "a:b")]).text)
        assert f"{name}=a:b".encode() in done.stdout.split(b"\0"), name
    assert {refusal.variable for refusal in form.render([(name, "x") for name in known]).refused} == known & form.reserved
