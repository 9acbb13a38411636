"""One answer: the native client prints what Python prints, with an agent and without one."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator

import native_client
import pytest
from agents import AgentHome, agent_home
from vaults import COMMAND, without_terminal

from keyvault.environment.hook import SHELLS
from keyvault.formats import FORMATS

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None, reason="there is no C compiler, so there is no native client"
)
_WORDS = [
    *(("env", "--format", name) for name in FORMATS if name != "github-actions"),
    *(("hook", shell, "--plan") for shell in SHELLS),
    ("env",),
    ("env", "openai/work", "groq", "--reveal"),
    ("env", "nobody/there"),
    ("env", "--unknown-option"),
    ("env", "--help"),
    ("env", "-o", "made.env"),
    ("get", "custom/two-lines", "--reveal"),
    ("get", "openai"),
    ("which", "ACME", "--json"),
    ("list",),
    ("list", "--json"),
    ("run", "--only", "groq", "--", "sh", "-c", 'printf "%s " "$GROQ_API_KEY" "$@"; exit 3', "a b", ""),
    ("run", "--", "no-such-program-anywhere"),
    ("hook", "bash"),
    ("--version",),
    ("no-such-command",),
    (),
]


@pytest.fixture(scope="module")
def home() -> Iterator[AgentHome]:
    with agent_home() as home:
        home.start_agent()
        yield home


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = native_client.build(str(tmp_path_factory.mktemp("native")))
    with open(path + "-python", "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    return path


def run(home: AgentHome, *words: str, **env: str) -> tuple[int, bytes, bytes]:
    done = without_terminal(words, home.environment | env, home.folder)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("words", _WORDS, ids=" ".join)
def test_native_and_python_give_one_answer_warm_and_cold(home: AgentHome, native: str, words: tuple[str, ...]) -> None:
    first = run(home, *COMMAND, *words)
    assert run(home, native, *words) == first
    assert run(home, native, *words, **home.by_hand) == first


def test_the_agent_serves_the_native_client(home: AgentHome, native: str) -> None:
    before = home.served
    assert run(home, native, "env", "--format", "bash")[0] == 0
    assert home.served == before + 1


def test_a_busy_agent_is_waited_for_where_the_native_client_did_not(home: AgentHome, native: str) -> None:
    words = ("env", "--format", "bash")
    first = run(home, native, *words, **home.by_hand)
    with home.busy(0.8):
        assert run(home, native, *words) == first


def test_a_word_that_only_the_native_client_says_changes_nothing_for_people(home: AgentHome) -> None:
    asked = run(home, *COMMAND, "--asked", "env", "--format", "bash", **home.by_hand)
    assert asked == run(home, *COMMAND, "env", "--format", "bash")
