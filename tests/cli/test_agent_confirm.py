"""Keys that ask before each use are given by no agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agents import AgentHome, agent_home, body, framed, raw

from keyvault.agent import client


@pytest.fixture(scope="module")
def home() -> Iterator[AgentHome]:
    with agent_home() as home:
        home.run("edit", "openai/work", "--confirm", env={"KEYVAULT_KEY_FILE": home.key_file})
        home.start_agent()
        yield home


@pytest.mark.parametrize(
    "words",
    [
        ("get", "openai/work", "--reveal"),
        ("env", "openai/work"),
        ("env", "openai/work", "groq"),
        ("run", "--only", "openai/work", "--", "env"),
    ],
    ids=" ".join,
)
def test_it_is_left_to_the_client_which_asks(home: AgentHome, words: tuple[str, ...]) -> None:
    answer = raw(home.socket, framed(body(home, *words)))
    assert answer[5:7] == bytes([client.NOT_SERVED, 0])
    assert len(answer) == 7
    assert b"sk-work" not in home.run(*words, code=None).stdout


@pytest.mark.parametrize(
    "words",
    [("env",), ("list",), ("which", "OPENAI_API_KEY"), ("env", "--explain"), ("env", "--unset"), ("get", "groq", "--reveal")],
    ids=" ".join,
)
def test_what_gives_it_to_nobody_is_served_and_the_same(home: AgentHome, words: tuple[str, ...]) -> None:
    cold = home.cold(*words, code=None)
    before = home.served
    warm = home.run(*words, code=None)
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert home.served == before + 1
    assert b"sk-work" not in warm.stdout


def test_with_no_input_it_is_refused_as_ever(home: AgentHome) -> None:
    words = ("get", "openai/work", "--reveal", "--no-input")
    cold, warm = home.cold(*words, code=4), home.run(*words, code=4)
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)


def test_the_keys_of_such_a_vault_are_handed_to_nobody(home: AgentHome) -> None:
    assert raw(home.socket, framed(body(home, verb=b"keys")))[5] == client.NOT_SERVED
    assert b"no terminal to ask on" in home.run("show", "groq", code=4).stderr


def test_an_answer_that_was_given_before_is_given_no_more_once_a_key_asks() -> None:
    words = ("env", "--format", "bash", "groq")
    with agent_home() as home:
        home.start_agent()
        assert b"GROQ_API_KEY" in home.run(*words).stdout
        home.cold("edit", "groq", "--confirm")
        assert raw(home.socket, framed(body(home, *words)))[5:] == bytes([client.NOT_SERVED, 0])


def test_a_busy_agent_of_such_a_vault_serves_what_gives_it_to_nobody(home: AgentHome) -> None:
    cold = home.cold("env", "--format", "bash")
    with home.busy(0.8):
        warm = home.run("env", "--format", "bash")
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)
