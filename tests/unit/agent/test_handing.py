"""What a new agent is handed, and the two ways to start one."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from unittest import mock

import pytest
from agents import AgentHome, agent_home
from hypothesis import given
from hypothesis import strategies as st

from keyvault.agent import client, handing, pipe_starting, starting
from keyvault.agent.handing import encode, receive
from keyvault.agent.lifetime import Limits
from keyvault.agent.warm import KEY_SIZE, Handed, PurposeKeys, purpose_keys
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.vault.codec import VaultKeys

_SIZE = KEY_SIZE * (len(VaultKeys._fields) - 1)
_SMALLEST_PIPE = 4096  # pipe(7): where a user has many, a new one has one page


def _received(message: bytes) -> Handed:
    given_, gives = os.pipe()
    os.write(gives, message)
    os.close(gives)
    try:
        return receive(given_)
    finally:
        os.close(given_)


@given(st.text(max_size=300), st.text(max_size=100), st.integers(0, 2**31), st.binary(min_size=_SIZE, max_size=_SIZE))
def test_it_arrives_as_it_was_and_fits_into_any_pipe(home: str, state: str, epoch: int, keys: bytes) -> None:
    limits = Limits(5, 6, True, False)
    message = encode(Handed(home, state, limits, PurposeKeys("vault", epoch, bytearray(keys))))
    assert len(message) <= _SMALLEST_PIPE
    found = _received(bytes(message))
    assert found[:3] == (home, state, limits)
    assert (found.keys.vault_id, found.keys.epoch, found.keys.joined()) == ("vault", epoch, keys)


def test_paths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput) as raised:
        encode(Handed("/" + "x" * 4000, "/", Limits(), PurposeKeys("vault", 1, bytearray(_SIZE))))

    assert "KEYVAULT_HOME" in raised.value.hint


@given(st.binary(max_size=_SMALLEST_PIPE))
def test_nonsense_is_refused(message: bytes) -> None:
    with pytest.raises(KeyvaultError):
        _received(message)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[AgentHome]:
    with agent_home() as home:
        for name, value in home.environment.items():
            monkeypatch.setenv(name, value)
        yield home


def _handed(home: AgentHome) -> Handed:
    vault = home.open()
    try:
        return Handed(home.home, home.state, Limits(), purpose_keys(vault))
    finally:
        vault.store.close()


def test_the_way_of_windows_to_start_one_hands_over_the_keys_and_leaves_it_behind(home: AgentHome) -> None:
    assert pipe_starting.spawn(_handed(home), wait=True) == ""
    assert home.run("get", "openai/work", "--reveal").stdout == b"sk-work"
    assert home.pid != os.getpid()
    assert starting.end(os.fsencode(home.socket))


def test_the_way_of_windows_says_why_none_began(home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = _handed(home)._replace(home=home.folder + "/elsewhere")
    assert "no vault at" in pipe_starting.spawn(handed, wait=True)
    for module in (pipe_starting, handing):
        monkeypatch.setattr(module, "command", lambda: ["/nowhere/python"])
    with pytest.raises(KeyvaultError, match="cannot start") as raised:
        pipe_starting.spawn(_handed(home), wait=True)
    assert "KEYVAULT_NO_AGENT=1" in raised.value.hint


def test_the_way_of_windows_gives_up_on_one_that_says_nothing(home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_starting, "command", lambda: ["sleep", "60"])
    monkeypatch.setattr(pipe_starting, "_TO_START", 0.2)
    assert pipe_starting.spawn(_handed(home), wait=True) == "it does not answer"


def test_the_way_of_windows_does_not_wait_where_nobody_asks(home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_starting, "command", lambda: ["false"])
    assert pipe_starting.spawn(_handed(home), wait=False) == ""


def test_in_the_foreground_its_exit_code_is_passed_on(home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_starting, "command", lambda option: ["sh", "-c", "exit $(( $(wc -c) / 1000 ))"])
    assert pipe_starting.become(_handed(home)) == 3


def test_one_that_cannot_be_heard_of_is_not_taken_for_none(home: AgentHome, monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.fsencode(home.socket)
    os.makedirs(os.path.dirname(path), 0o700)
    assert not starting.end(path)
    with socket.socket(socket.AF_UNIX) as stuck, socket.socket(socket.AF_UNIX) as waiting:
        stuck.bind(path)
        assert not starting.end(path)  # what one left that was killed
        stuck.listen(0)
        waiting.connect(os.fsdecode(path))
        monkeypatch.setattr(starting, "_TO_END", 0.1)
        with pytest.raises(KeyvaultError, match="busy"):
            starting.end(path)
    monkeypatch.setattr(client, "connect", mock.Mock(side_effect=OSError(errno.EMFILE, "Too many open files")))
    with pytest.raises(KeyvaultError, match="cannot be told to end: too many open files") as raised:
        starting.end(path)
    assert raised.value.hint
