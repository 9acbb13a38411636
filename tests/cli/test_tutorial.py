"""The console blocks of docs/tutorial.md, typed into a real bash on a real terminal: it must print what the page says."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import NamedTuple

import pexpect
import pytest
from checkout import ROOT

TUTORIAL = os.path.join(ROOT, "docs", "tutorial.md")
PROMPT = "<ready>"
# What differs between runs, and what stands for it on the page.
VARIES = (
    (re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b20\d\d-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "FINGERPRINT"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "ID"),
    (re.compile(r"Python \S+, SQLite \S+, \w+"), "VERSIONS"),
    (re.compile(r"OS keyring: .*"), "OS keyring"),
)


class Typed(NamedTuple):
    """A command of the page, what is typed at its questions, and what it prints."""

    line: int
    command: str
    answers: list[str]
    output: list[str]


def typed_commands(text: str) -> list[Typed]:
    """The commands in the page's console blocks. What stands in angle quotes after a question is its answer."""
    found: list[Typed] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            found.append(Typed(number, line[2:], [], []))
        elif inside:
            question, bracket, answer = line.partition("‹")
            if bracket:
                found[-1].answers.append(answer.removesuffix("›"))
                line = question
            found[-1].output.append(line)
    return found


def same_for_all(line: str) -> str:
    for pattern, name in VARIES:
        line = pattern.sub(name, line)
    return line.rstrip()


@pytest.fixture
def terminal(tmp_path: object) -> pexpect.spawn[str]:
    folder = os.path.join(str(tmp_path), "bin")
    os.mkdir(folder)
    with open(os.path.join(folder, "keyvault"), "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec "{sys.executable}" -m keyvault "$@"\n')
    os.chmod(file.name, 0o755)
    bash = pexpect.spawn(
        shutil.which("bash") or "bash",
        ["--noprofile", "--norc"],
        env={"HOME": str(tmp_path), "PATH": folder + os.pathsep + os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "dumb"},
        cwd=str(tmp_path),
        encoding="utf-8",
        echo=False,
        timeout=30,
        dimensions=(50, 250),
    )
    bash.sendline(
        f"PS1='{PROMPT[0]}''{PROMPT[1:]}' PS2=; unset PROMPT_COMMAND; bind 'set enable-bracketed-paste off'; stty -echo"
    )
    bash.expect_exact(PROMPT)
    return bash


def run(bash: pexpect.spawn[str], typed: Typed) -> list[str]:
    """The lines that a command prints, with its questions among them."""
    bash.sendline(typed.command)
    answers, text = iter(typed.answers), ""
    while True:
        which = bash.expect_exact([PROMPT, "(hidden): ", "[y/N] "])
        text += bash.before or ""
        if which == 0:
            return text.replace("\r\n", "\n").splitlines()
        text += str(bash.after)
        answer = next(answers, None)
        assert answer is not None, f"line {typed.line}: a question the page does not show: {text}"
        bash.sendline(answer)
        if which == 2:
            text += "\n"  # nobody echoes the end of the line here


def test_the_tutorial_works_as_it_is_written(terminal: pexpect.spawn[str], tmp_path: object) -> None:
    with open(TUTORIAL, encoding="utf-8") as file:
        commands = typed_commands(file.read())
    assert len(commands) > 25
    for typed in commands:
        printed = [same_for_all(line.replace(str(tmp_path), "/home/you")) for line in run(terminal, typed)]
        wanted = [same_for_all(line) for line in typed.output]
        assert printed == wanted, f"line {typed.line} of the tutorial: {typed.command}"
