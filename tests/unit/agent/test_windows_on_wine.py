"""The agent's pipes on Wine's implementation of Windows, where Wine and a compiler for Windows are installed; else skipped.

`apt install wine64 gcc-mingw-w64-x86-64`, or `pip install ziglang` for the compiler. Wine knows one user.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import wine_calls
from wine_calls import COMPILER, WINE, Process

from keyvault.agent import pipe_client, protocol
from keyvault.agent.lifetime import Lifetime, Limits, windows_awake, windows_with_sleep
from keyvault.agent.pipe import Connection, Listener, own_user, pipe_name
from keyvault.agent.pipe_server import PipeServer, listen
from keyvault.core import windows_calls
from keyvault.core.errors import AlreadyExists
from keyvault.core.windows_calls import Failed

if not WINE or not COMPILER:
    pytest.skip("there is no Wine, or no compiler for Windows", allow_module_level=True)

HOME = r"C:\vault"


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


class Two:
    """An agent's process and a client's."""

    def __init__(self, program: str, prefix: str, here: threading.local) -> None:
        self._here = here
        self.agent, self.client = Process(program, prefix), Process(program, prefix)
        here.process = self.client

    @contextmanager
    def as_agent(self) -> Iterator[None]:
        self._here.process = self.agent
        try:
            yield
        finally:
            self._here.process = self.client


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    import subprocess

    made = tmp_path_factory.mktemp("wine") / "caller.exe"
    source = Path(wine_calls.__file__).with_name("wine_caller.c")
    subprocess.run([*COMPILER, "-O1", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(made)], check=True, timeout=250)
    return str(made)


@pytest.fixture
def two(program: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    here = threading.local()
    monkeypatch.setattr(windows_calls, "api", lambda: here.process)
    made = Two(program, str(Path(program).parent / "prefix"), here)
    yield made
    made.agent.close()
    made.client.close()


def test_a_request_and_its_answer(two: Two) -> None:
    name = pipe_name(own_user(), HOME)
    with pytest.raises(Failed) as raised:
        Connection(name, soon())
    assert raised.value.code == windows_calls.FILE_NOT_FOUND
    with two.as_agent():
        user, listener = listen(HOME)
        assert not listener.accept(soon(0.2))
    connection = Connection(name, soon())
    with pytest.raises(TimeoutError):
        Connection(name, soon(0.2))
    connection.write(b"hello", soon())
    with two.as_agent():
        assert listener.accept(soon())
        assert listener.read_all(5, soon()) == b"hello"
        assert listener.client_user() == user
        with pytest.raises(TimeoutError):
            listener.read(1, soon(0.2))
        listener.write(b"A" * 3000, soon())
    assert connection.read_all(3000, soon()) == b"A" * 3000
    with two.as_agent(), pytest.raises(TimeoutError):
        listener.write(bytes(300_000), soon(0.2))
    connection.close()
    with two.as_agent():
        assert listener.is_closed_by(soon())
        listener.hang_up()


def test_hanging_up_is_not_the_end_of_the_process_and_its_end_is(two: Two) -> None:
    with two.as_agent():
        user, listener = listen(HOME)
    name = pipe_name(user, HOME)
    connection = Connection(name, soon())
    with two.as_agent():
        assert listener.accept(soon())
        listener.hang_up()
        assert not listener.accept(soon(0.2))
    with pytest.raises(Failed):
        connection.is_closed_by(soon())
    connection.close()
    connection = Connection(name, soon())
    connection.end_server()
    assert connection.is_closed_by(soon())
    assert two.agent.process.wait(60) is not None


def test_there_is_one_of_a_name(two: Two) -> None:
    with two.as_agent():
        user, _ = listen(HOME)
        with pytest.raises(AlreadyExists):
            listen(HOME)
    with pytest.raises(AlreadyExists):
        listen(HOME)
    Listener(pipe_name(user, HOME + "2"), user)


@pytest.mark.parametrize(("label", "is_trusted"), [("(ML;;NWNR;;;LW)", False), ("(ML;;NWNR;;;ME)", True), ("", True)])
def test_the_label_of_a_pipe_is_read(two: Two, monkeypatch: pytest.MonkeyPatch, label: str, is_trusted: bool) -> None:
    monkeypatch.setattr(
        "keyvault.agent.pipe.closed_to_others", lambda user: f"O:{user}D:P(A;;GA;;;{user})" + (label and f"S:{label}")
    )
    with two.as_agent():
        user, _ = listen(HOME)
    if is_trusted:
        Connection(pipe_name(user, HOME), soon())
    else:
        assert not pipe_client.end(HOME)
        assert two.agent.process.poll() is None


def test_the_loop_and_its_clients(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_client, "PATIENCE", 30.0)
    monkeypatch.setattr(pipe_client, "_TO_END", 30.0)
    ready, why = threading.Event(), []

    def serve() -> None:
        with two.as_agent():
            user, listener = listen(HOME)
            ready.set()
            lifetime = Lifetime(Limits(), windows_with_sleep, windows_awake)
            serving = PipeServer(listener, user, lifetime, lambda call: protocol.data(b"keys"), lambda: b"{}", lambda: "")
            why.append(serving.run())
            listener.close()  # as the end of the process would

    agent = threading.Thread(target=serve)
    agent.start()
    assert ready.wait(60)
    assert pipe_client.ask(HOME, b"keys", HOME, HOME) == b"keys"
    assert pipe_client.ask(HOME, b"status") == b"{}"
    assert pipe_client.end(HOME)
    agent.join(60)
    assert why == ["lock"]
    assert not pipe_client.end(HOME)
