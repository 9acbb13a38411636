"""The agent's loop on Windows and its clients, on a stand-in for the system; threads play the processes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_pipes import ANYBODY, ME, Windows

from keyvault.agent import client, pipe_client, pipe_server, protocol
from keyvault.agent.lifetime import Lifetime, Limits, windows_awake, windows_with_sleep
from keyvault.agent.pipe import Connection, Listener, pipe_name
from keyvault.agent.pipe_server import PipeServer, listen
from keyvault.agent.protocol import LARGEST_PIPE_REQUEST, Call, Reply
from keyvault.core import windows_calls
from keyvault.core.errors import AlreadyExists, KeyvaultError, StoreFailed

HOME = r"C:\Users\me\vault"
KEYS = b"vault\x001\0\0" + bytes(range(160))


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    made = Windows()
    monkeypatch.setattr(windows_calls, "api", lambda: made)
    yield made
    assert made.is_clean(), vars(made)


class Agent:
    """A process with the loop; `why` is how it ended."""

    def __init__(self, system: Windows, limits: Limits) -> None:
        self.system, self.lifetime = system, Lifetime(limits, windows_with_sleep, windows_awake)
        self.asked: list[Call] = []
        self.answer: Callable[[Call], Reply] = lambda call: protocol.data(KEYS)
        self.unwanted = self.why = ""
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        assert self.ready.wait(20)

    def _run(self) -> None:
        with self.system.process(ME, 77):
            user, listener = listen(HOME)
            self.ready.set()
            serve = PipeServer(listener, user, self.lifetime, self._hand_out, lambda: b'{"pid": 77}', lambda: self.unwanted)
            self.why = serve.run()

    def _hand_out(self, call: Call) -> Reply:
        self.asked.append(call)
        return self.answer(call)


@pytest.fixture
def agent(system: Windows, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    monkeypatch.setattr(pipe_server, "TICK", 0.05)
    monkeypatch.setattr(pipe_client, "PATIENCE", 20.0)  # on a busy machine
    made = Agent(system, Limits())
    yield made
    made.unwanted = made.unwanted or "the test is over"
    made.thread.join(20)
    assert not made.thread.is_alive()


@contextlib.contextmanager
def connected() -> Iterator[Connection]:
    connection = Connection(pipe_name(ME, HOME), time.monotonic() + 5)
    yield connection
    connection.close()


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def test_it_hands_out_the_keys_and_tells_its_status(agent: Agent) -> None:
    assert pipe_client.ask(HOME, b"keys", HOME, "D:\\Zustände\\状态") == KEYS
    assert agent.asked[0].words == [HOME, "D:\\Zustände\\状态"]
    assert pipe_client.ask(HOME, b"status") == b'{"pid": 77}'


def test_many_ask_at_once_and_each_is_answered(agent: Agent) -> None:
    answers: list[bytes | None] = []
    asking = [threading.Thread(target=lambda: answers.append(pipe_client.ask(HOME, b"keys"))) for _ in range(20)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert answers == [KEYS] * 20


def test_without_an_agent_nobody_waits(system: Windows) -> None:
    began = time.monotonic()
    assert pipe_client.ask(HOME, b"keys") is None
    assert not pipe_client.end(HOME)
    assert time.monotonic() - began < 1


def test_what_it_does_not_serve_is_no_answer(agent: Agent) -> None:
    agent.answer = lambda call: Reply(protocol.NOT_SERVED)
    assert pipe_client.ask(HOME, b"keys") is None
    assert pipe_client.ask(HOME, b"call", "env") is None
    assert pipe_client.ask(HOME, b"other") is None
    assert [call.verb for call in agent.asked] == ["keys"]


def test_lock_returns_when_its_process_is_gone(agent: Agent) -> None:
    assert pipe_client.end(HOME)
    assert 77 not in agent.system.processes
    agent.thread.join(5)
    assert agent.why == "lock"
    assert not pipe_client.end(HOME)


def test_one_that_does_not_answer_is_killed(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_client, "_TO_END", 0.1)
    with system.process(ME, 77) as mute:
        listen(HOME)
        with system.within(system.only_me):
            assert pipe_client.end(HOME)
        assert mute.ended.is_set()


def test_one_that_cannot_be_killed_is_told_of(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_client, "_TO_END", 0.1)
    with system.process(ME, 77):
        listen(HOME)
        del system.processes[77]
        with system.within(system.only_me), pytest.raises(KeyvaultError, match="does not end"):
            pipe_client.end(HOME)


def test_one_that_is_busy_for_too_long_is_told_of(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_client, "_TO_END", 0.1)
    monkeypatch.setattr(pipe_client, "PATIENCE", 0.1)
    with system.process(ME, 77):
        listen(HOME)
        with system.within(system.only_me), connected():
            assert pipe_client.ask(HOME, b"keys") is None
            with pytest.raises(KeyvaultError, match="busy"):
                pipe_client.end(HOME)


def test_there_is_one_agent_a_vault(agent: Agent) -> None:
    with pytest.raises(AlreadyExists):
        listen(HOME)
    assert pipe_client.ask(HOME, b"keys") == KEYS


@pytest.mark.parametrize("is_open_to_us", [True, False])
def test_where_another_user_has_the_name_none_starts_and_nothing_is_said(system: Windows, is_open_to_us: bool) -> None:
    name = pipe_name(ME, HOME)
    with system.process(ANYBODY, 5000):
        Listener(name, ANYBODY)
        pipe = system.pipes[name.lower()]
        if is_open_to_us:
            pipe.sddl += f"(A;;GA;;;{ME})"
        with system.within(system.only_me):
            with pytest.raises(AlreadyExists):
                listen(HOME)
            assert pipe_client.ask(HOME, b"keys") is None
            pipe.client, pipe.listening = None, True
            if is_open_to_us:
                assert not pipe_client.end(HOME)
            else:  # whose it is cannot be seen
                with pytest.raises(KeyvaultError, match="cannot be told to end: Windows error 5"):
                    pipe_client.end(HOME)


def test_a_pipe_that_a_process_of_low_integrity_made_is_no_agent(system: Windows) -> None:
    with system.process(ME, 77):
        listen(HOME)
        pipe = system.pipes[pipe_name(ME, HOME).lower()]
        pipe.sddl = pipe.sddl.replace("ME)", "LW)")
        with system.within(system.only_me):
            assert pipe_client.ask(HOME, b"keys") is None
            pipe.client, pipe.listening = None, True
            assert not pipe_client.end(HOME)
    assert "WriteFile" not in system.calls


@pytest.mark.parametrize("name", ["CreateFileW", "GetKernelObjectSecurity", "OpenProcessToken"])
def test_an_agent_that_may_be_there_is_not_taken_for_none(system: Windows, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fails(*_: object) -> int:
        system.here.error = 8  # ERROR_NOT_ENOUGH_MEMORY
        return windows_calls.INVALID_HANDLE if name == "CreateFileW" else 0  # type: ignore[return-value]

    with system.process(ME, 77):
        listen(HOME)
        with system.within(system.only_me):
            monkeypatch.setattr(system, name, fails)
            with pytest.raises(KeyvaultError, match="Windows error 8") as raised:
                pipe_client.end(HOME)
            assert raised.value.hint
            assert pipe_client.ask(HOME, b"keys") is None


def test_a_system_that_refuses_a_pipe_is_told_of(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "keyvault.agent.pipe.closed_to_others", lambda user: f"O:{ANYBODY}D:P(A;;GA;;;{ANYBODY})S:(ML;;NWNR;;;ME)"
    )
    with pytest.raises(StoreFailed, match="1307"):
        listen(HOME)


def test_a_request_of_somebody_else_is_not_answered(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyvault.agent.pipe.FLAGS", 0x40000000)  # so it does not say whose it is
    assert pipe_client.ask(HOME, b"keys") is None
    assert agent.asked == []


@pytest.mark.parametrize(
    "sent",
    [b"", b"\0\0", b"\0\0\0\0", b"\xff\xff\xff\xff", (LARGEST_PIPE_REQUEST + 1).to_bytes(4, "big"), b"\0\0\0\x05abc"],
)
def test_who_says_too_little_or_announces_too_much_gets_nothing_and_holds_nobody_up(
    agent: Agent, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe_server, "TO_ASK", 1.0)
    with connected() as connection:
        if sent:
            connection.write(sent, soon())
        with pytest.raises(windows_calls.Failed):
            connection.read(1, soon())
    assert agent.asked == []
    assert pipe_client.ask(HOME, b"keys") == KEYS


def test_who_does_not_take_its_answer_is_left(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_server, "TO_READ", 0.5)
    agent.answer = lambda call: protocol.data(bytes(60_000))
    with connected() as connection:
        connection.write(protocol.request(b"keys"), soon())
        while not agent.asked:
            time.sleep(0.01)
        agent.answer = lambda call: protocol.data(KEYS)
        assert pipe_client.ask(HOME, b"keys") == KEYS


def test_who_goes_away_in_between_ends_nothing(agent: Agent) -> None:
    for part in (b"\0", protocol.request(b"keys")):
        with connected() as connection:
            connection.write(part, soon())
    assert pipe_client.ask(HOME, b"keys") == KEYS


@given(body=st.binary(max_size=300))
def test_no_request_ends_it(body: bytes) -> None:
    with pytest.MonkeyPatch.context() as patched:
        system = Windows()
        patched.setattr(windows_calls, "api", lambda: system)
        patched.setattr(pipe_server, "TICK", 0.01)
        agent = Agent(system, Limits())
        with connected() as connection:
            connection.write((len(body) + 1).to_bytes(4, "big") + body + b"\0", soon())
        assert pipe_client.ask(HOME, b"keys") == KEYS
        agent.unwanted = "the test is over"
        agent.thread.join(20)
        assert system.is_clean()


@given(rest=st.binary(max_size=300))
def test_no_answer_makes_a_client_fail(rest: bytes) -> None:
    found = protocol.data_of(rest)
    assert found is None or (rest[:2] == b"\0\0" and rest.endswith(found))
    answer = client.parse(rest) if len(rest) > 1 else None
    if found is not None:
        assert answer == (client.DONE, 0, [(client.DATA, found)])


@pytest.mark.parametrize(
    "answer",
    [b"B", b"A\0\0\0\1\0", b"A\xff\xff\xff\xff", b"A\0\0\0\x09\0\0\3\0\0\0\1xy", b"A\0\0\0\7\0\0\3\0\0\0\1", b"A\0\0"],
)
def test_an_answer_that_is_odd_is_none(system: Windows, answer: bytes) -> None:
    with system.process(ME, 77):
        _, listener = listen(HOME)

        def odd() -> None:
            listener.accept(soon())
            listener.read(4096, soon())
            listener.write(answer, soon())
            listener.is_closed_by(soon(0.2))
            listener.hang_up()

        serving = threading.Thread(target=odd)
        serving.start()
        assert pipe_client.ask(HOME, b"keys") is None
        serving.join()


def test_it_ends_when_it_is_not_wanted_or_its_time_is_up(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_server, "TICK", 0.05)
    agent = Agent(system, Limits(1))
    agent.thread.join(20)
    assert agent.why == "its time is up"
    agent = Agent(system, Limits())
    agent.unwanted = "the vault is gone"
    agent.thread.join(20)
    assert agent.why == "the vault is gone"
    assert pipe_client.ask(HOME, b"keys") is None


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(100), "its time is up"),
        (Limits(10**6, 100), "nobody asked for long"),
        (Limits(10**6, on_suspend=True), "the machine slept"),
        (Limits(10**6), "the vault is gone"),
    ],
)
@pytest.mark.parametrize("verb", [b"keys", b"status", b"lock"])
def test_after_a_night_the_first_client_gets_nothing(system: Windows, limits: Limits, why: str, verb: bytes) -> None:
    agent = Agent(system, limits)
    while "WaitForSingleObject" not in system.calls:  # it waits for a client, and no clock of that counts sleep
        time.sleep(0.01)
    system.slept = 16 * 3600
    if why == "the vault is gone":
        agent.unwanted = why
    assert pipe_client.ask(HOME, verb) is None
    agent.thread.join(20)
    assert (agent.why, agent.asked) == (why, [])


def test_only_the_keys_count_as_use(agent: Agent) -> None:
    asked: list[str] = []
    agent.lifetime.asked = lambda: asked.append("used")  # type: ignore[method-assign]
    pipe_client.ask(HOME, b"status")
    assert asked == []
    pipe_client.ask(HOME, b"keys")
    assert asked == ["used"]


def test_one_that_hangs_ends_itself(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda code: ended.set())
    monkeypatch.setattr(pipe_server, "TO_SERVE", 0.05)
    agent.answer = lambda call: protocol.data(str(ended.wait(20)).encode())
    assert pipe_client.ask(HOME, b"keys") == b"True"
    ended.clear()
    agent.answer = lambda call: protocol.data(KEYS)
    assert pipe_client.ask(HOME, b"keys") == KEYS
    assert not ended.wait(0.2)


def test_the_wire_is_the_one_of_unix() -> None:
    assert protocol.DONE == client.DONE
    assert protocol.NOT_SERVED == client.NOT_SERVED
    assert protocol.DATA == client.DATA
    assert protocol.LARGEST_ANSWER == client.LARGEST_ANSWER
