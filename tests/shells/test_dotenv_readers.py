from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values
from env_file_readers import compose, compose_2022
from hard_values import KEYS, MANY, NASTY, batches, environment_of, named
from hypothesis import given, settings

from keyvault.formats import load

if TYPE_CHECKING:
    from conftest import Programs

    Read = dict[str, str]

# A line that follows shows whether a quote ran on into it.
AFTER = "KV_AFTER='after'\n"
BIG = ["x" * 65536, ("a é # \t{}" * 8000)[:65536]]


class Readers:
    def __init__(self, folder: str, programs: Programs) -> None:
        self.folder = folder
        self.programs = programs
        self.path = os.path.join(folder, ".env")

    def python(self) -> Read:
        return {name: value for name, value in dotenv_values(self.path, encoding="utf-8").items() if value is not None}

    def node(self) -> Read:
        both = self._node("process.stdout.write(JSON.stringify([process.env, require('dotenv').parse(text)]))")
        from_flag, from_package = ({n: v for n, v in read.items() if n.startswith("KV_")} for read in json.loads(both))
        assert from_flag == from_package
        return from_package

    def _node(self, program: str) -> bytes:
        program = f"const text = require('fs').readFileSync('.env', 'utf8'); {program}"
        return subprocess.run(
            [self.programs["node"], "--env-file=.env", "-e", program],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "NODE_PATH": self.programs.node_modules},
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout

    def compose(self) -> Read:
        with open(self.path, encoding="utf-8", newline="") as file:
            return compose(file.read())

    def compose_2022(self) -> Read:
        with open(self.path, encoding="utf-8", newline="") as file:
            return compose_2022(file.read())

    def sh(self) -> Read:
        found: list[Read] = []
        for shell, *options in (["dash"], ["bash"], ["zsh", "-f"], ["ksh93"], ["bash", "--posix", "-eu"]):
            for locale in ("C", "C.UTF-8"):
                done = subprocess.run(
                    [self.programs[shell], *options, "-c", "set -a; . ./.env; env -0"],
                    cwd=self.folder,
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": locale, "HOME": self.folder},
                    capture_output=True,
                    timeout=60,
                    check=False,
                )
                assert done.stderr == b""
                found.append({name: value.decode() for name, value in environment_of(done.stdout).items()})
        assert all(read == found[0] for read in found)
        return found[0]

    def carry(self, dialect: str, values: list[str]) -> set[str]:
        """Returns the values that were refused."""
        rendered = load("dotenv", dialect).render(named(values))
        with open(self.path, "w", encoding="utf-8", newline="") as file:
            file.write(rendered.text + AFTER)
        refused = {refusal.variable for refusal in rendered.refused}
        expected = {name: value for name, value in named(values) if name not in refused} | {"KV_AFTER": "after"}
        read_by = ["python", "node", "compose", "compose_2022", "sh"] if dialect == "portable" else [dialect]
        for reader in read_by:
            assert getattr(self, reader)() == expected, reader
        return {value for name, value in named(values) if name in refused}


DIALECTS = ["portable", "python", "node", "compose", "sh"]


@pytest.fixture
def readers(tmp_path: os.PathLike[str], programs: Programs) -> Readers:
    return Readers(os.fspath(tmp_path), programs)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nasty_values_are_read_exactly_or_refused(readers: Readers, dialect: str) -> None:
    values = NASTY + BIG
    refused = readers.carry(dialect, values)
    assert not refused & {*KEYS, "", "it's", 'say "hi"', "a  b * c", "%PATH%", "~", "#not a comment", "two\n\n\nlines", *BIG}
    assert len(refused) <= {"portable": 37, "python": 20, "node": 16, "compose": 0, "sh": 0}[dialect]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_value_alone_is_read_exactly_or_refused(readers: Readers, dialect: str) -> None:
    for value in ("'", "a\\", "\n", "`", '"', "$", " ", "\\'"):
        readers.carry(dialect, [value])


def _fuzz(readers: Readers, dialect: str, examples: int) -> None:
    @settings(MANY, max_examples=examples)
    @given(batches(100))
    def check(values: list[str]) -> None:
        readers.carry(dialect, values)

    check()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_values_are_read_exactly_or_refused(readers: Readers, dialect: str) -> None:
    _fuzz(readers, dialect, 20)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_very_many_values_are_read_exactly_or_refused(readers: Readers, dialect: str) -> None:
    _fuzz(readers, dialect, 500)


def test_a_refusal_names_dialects_that_carry_the_value() -> None:
    seen = 0
    for value in NASTY:
        rendered = load("dotenv").render([("KV_0", value)])
        for refusal in rendered.refused:
            named_ones = refusal.reason.rpartition("--dialect ")[2].split("|")
            carrying = [d for d in DIALECTS[1:] if not load("dotenv", d).render([("KV_0", value)]).refused]
            assert refusal.reason.startswith("readers of .env files do not agree on such a value")
            assert named_ones == carrying
            assert carrying
            seen += 1
    assert seen
    for dialect in ("python", "node"):
        reasons = [refusal.reason for refusal in load("dotenv", dialect).render(named(NASTY)).refused]
        assert reasons
        assert {reason.partition(" such")[0] for reason in reasons} == {f"the {dialect} dialect of .env files cannot hold"}


@pytest.mark.parametrize("name", ["python", "node", "compose", "sh"])
def test_comments_and_exports_around_a_replaced_value_do_not_change_it(readers: Readers, name: str) -> None:
    existing = "# first\r\n\nexport KV_0=old # why\nKV_1='x' # it's\n\nKV_2=a#b  # c\nKV_3= # none\nKV_4=1"
    if name == "sh":
        existing = existing.replace("\r", "")
    pairs = [("KV_0", "a b"), ("KV_1", "#"), ("KV_2", "new"), ("KV_3", "n"), ("KV_4", "m"), ("KV_5", "it's")]
    merged = load("dotenv").merge(existing, pairs)
    with open(readers.path, "w", encoding="utf-8", newline="") as file:
        file.write(merged.text)
    assert getattr(readers, name)() == dict(pairs)
    for comment in ("# first\r\n\n", " # why\n", " # it's\n\n", "  # c\n", " # none\n"):
        assert (comment if name != "sh" else comment.replace("\r", "")) in merged.text
