from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hard_values import BIG, KEYS, MANY, NASTY, batches, environment_of, named
from hypothesis import given, settings
from hypothesis import strategies as st

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

LOCALES = ["C", "C.UTF-8"]


class R:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.r = programs["Rscript"]
        self.folder = folder

    def run(self, script: str, environ: str = "", locale: str = "C.UTF-8", **extra: str) -> subprocess.CompletedProcess[bytes]:
        for name, content in (("script.R", script), ("environ", environ)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8", newline="") as file:
                file.write(content)
        return subprocess.run(
            [self.r, "--no-init-file", "--no-site-file", "script.R"],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "HOME": self.folder, **extra},
            capture_output=True,
            timeout=60,
            check=False,
        )

    def exported(self, values: list[str], locale: str) -> None:
        rendered = load("r").render(named(values))
        assert rendered.refused == ()
        done = self.run(rendered.text + 'system("env -0")\n', locale=locale)
        assert done.stderr == b""
        assert environment_of(done.stdout) == {name: value.encode() for name, value in named(values)}

    def read_as_renviron(self, at_start: bool, values: list[str], locale: str) -> set[str]:
        """Returns the values that were refused."""
        rendered = load("renviron").render(named(values))
        refused = {refusal.variable for refusal in rendered.refused}
        read = "" if at_start else 'readRenviron("environ")\n'
        extra = {"R_ENVIRON_USER": "environ"} if at_start else {}
        done = self.run(read + 'system("env -0")\n', rendered.text, locale, KV_X="x", x="x", HOME=self.folder, **extra)
        assert done.stderr == b""
        expected = {name: value.encode() for name, value in named(values) if name not in refused} | {"KV_X": b"x"}
        assert environment_of(done.stdout) == expected
        return {value for name, value in named(values) if name in refused}


@pytest.fixture
def r(tmp_path: os.PathLike[str], programs: Programs) -> R:
    return R(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("locale", LOCALES)
def test_nasty_values_arrive_byte_for_byte(r: R, locale: str) -> None:
    r.exported(NASTY + BIG, locale)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("at_start", [True, False])
def test_nasty_values_arrive_through_renviron_or_are_refused(r: R, at_start: bool, locale: str) -> None:
    refused = r.read_as_renviron(at_start, NASTY + BIG, locale)
    assert refused == {value for value in NASTY + BIG if "\n" in value or value.endswith("\\") or len(value) > 9000}
    assert not refused & set(KEYS)


@pytest.mark.parametrize("length", [9_900, 9_982, 9_983])
def test_long_values_arrive_through_renviron_or_are_refused(r: R, length: int) -> None:
    for value in ("x" * length, "x" * (length - 1) + "$"):  # with KV_0="" and the line's end: 8 more
        refused = r.read_as_renviron(False, [value], "C.UTF-8")
        assert bool(refused) == (length == 9_983)


def _fuzz(r: R, examples: int) -> None:
    @settings(MANY, max_examples=examples)
    @given(batches(250), st.sampled_from(["source", "start", "readRenviron"]), st.sampled_from(LOCALES))
    def check(values: list[str], way: str, locale: str) -> None:
        if way == "source":
            r.exported(values, locale)
        else:
            r.read_as_renviron(way == "start", values, locale)

    check()


def test_any_values_arrive_or_are_refused(r: R) -> None:
    _fuzz(r, 16)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_very_many_values_arrive_or_are_refused(r: R) -> None:
    _fuzz(r, 400)


def test_a_failure_reaches_the_caller(r: R) -> None:
    assert r.run(load("r").failure(4) + "quit(status = 0)\n").returncode != 0


def test_unset_removes_variables(r: R) -> None:
    text = load("r").render_unset(["KV_0", "KV_1"]).text
    done = r.run(text + 'system("env -0")\n', KV_0="a", KV_2="c")
    assert environment_of(done.stdout) == {"KV_2": b"c"}
