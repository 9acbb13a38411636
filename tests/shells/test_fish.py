from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hard_values import BIG, MANY, NASTY, batches, environment_of, named, set_traps
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

CALLS = ["eval (keyvault env)", "keyvault env | source", "eval (keyvault env | string collect)", "set IFS; eval (keyvault env)"]
LOCALES = ["C", "C.UTF-8"]


class Fish:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.fish = programs["fish"]
        self.folder = folder
        self.traps = set_traps(os.path.join(folder, "traps"))
        self.text = os.path.join(folder, "text")

    def run(self, script: str, text: str, locale: str = "C.UTF-8", **extra: str) -> subprocess.CompletedProcess[bytes]:
        with open(self.text, "w", encoding="ascii", newline="") as file:
            file.write(text)
        script = f"function keyvault; cat {self.text}; end\n{script}"
        return subprocess.run(
            [self.fish, "--no-config", "-c", script],
            cwd=self.traps,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "HOME": self.folder, **extra},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def exported(self, call: str, values: list[str], locale: str) -> None:
        rendered = load("fish").render(named(values))
        assert rendered.refused == ()
        done = self.run(call + "; env -0", rendered.text, locale)
        assert done.stderr == b""
        assert environment_of(done.stdout) == {name: value.encode() for name, value in named(values)}


@pytest.fixture
def fish(tmp_path: os.PathLike[str], programs: Programs) -> Fish:
    return Fish(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("call", CALLS)
def test_nasty_values_arrive_byte_for_byte(fish: Fish, call: str, locale: str) -> None:
    fish.exported(call, NASTY + BIG, locale)


def _fuzz(fish: Fish, examples: int) -> None:
    @settings(MANY, max_examples=examples)
    @given(batches(100), st.sampled_from(CALLS), st.sampled_from(LOCALES))
    def check(values: list[str], call: str, locale: str) -> None:
        fish.exported(call, values, locale)

    check()


def test_any_values_arrive_byte_for_byte(fish: Fish) -> None:
    _fuzz(fish, 20)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_very_many_values_arrive_byte_for_byte(fish: Fish) -> None:
    _fuzz(fish, 1000)


@pytest.mark.parametrize("call", CALLS)
def test_a_failure_reaches_the_caller(fish: Fish, call: str) -> None:
    done = fish.run(f"{call}; or exit 9; exit 0", load("fish").failure(4))
    assert (done.returncode, done.stderr) == (9, b"")


@pytest.mark.parametrize("call", CALLS)
def test_unset_removes_variables_and_does_not_mind_missing_ones(fish: Fish, call: str) -> None:
    text = load("fish").render_unset(["KV_0", "KV_1"]).text
    done = fish.run(call + "; or exit 9; env -0", text, KV_0="a", KV_2="c")
    assert (environment_of(done.stdout), done.stderr, done.returncode) == ({"KV_2": b"c"}, b"", 0)


def test_names_that_fish_owns_are_refused(fish: Fish) -> None:
    form = load("fish")
    known = set(fish.run("set --names", "").stdout.decode().split()) - {"PATH", "PWD", "SHLVL"} | {"KV_PATH"}
    carried = 0
    for name in known - form.reserved:
        done = fish.run(CALLS[0] + "; env -0", form.render([(name, "a:b")]).text)
        came = [entry for entry in done.stdout.split(b"\0") if entry.startswith(name.encode() + b"=")]
        assert came == [f"{name}=a:b".encode()], name
        carried += 1
    assert carried
    assert {refusal.variable for refusal in form.render([(name, "x") for name in known]).refused} == known & form.reserved
