"""What comes through a wire: the agent's in both directions, the keyring's helper, the desktop's bus, HTTP."""

from __future__ import annotations

import asyncio
import math
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import httpcore
from fuzz.folders import folder
from jeepney.io.blocking import DBusConnectionBase  # type: ignore[import-untyped]

from keyvault.agent import client as agent_client
from keyvault.agent import handing, keys, pipe, pipe_client, pipe_server, protocol, server
from keyvault.agent.lifetime import Lifetime, Limits
from keyvault.agent.protocol import Reply
from keyvault.agent.screen_lock import ScreenLock
from keyvault.agent.warm import KEY_SIZE
from keyvault.cli import agents
from keyvault.net import client
from keyvault.store import os_keyring
from keyvault.vault.codec import Header, VaultKeys

VAULT_ID = "0" * 32
_KEYS = KEY_SIZE * (len(VaultKeys._fields) - 1)
_SERVED = Reply(0, 0, ((1, b"served"),))
_REFUSED = Reply(protocol.REFUSED)


def agent_request(data: bytes) -> None:
    """What is a request is the same one when it is written and read again."""
    call = protocol.parse(data, 7)
    if call is None:
        return
    flags = b"".join(b"%d" % flag for flag in call.terminals)
    words = [word.encode("utf-8", "surrogateescape") for word in call.words]
    fields = [b"1", call.verb.encode(), call.folder, b"%b,%d" % (flags, call.columns), b"%d" % len(words), *words]
    assert protocol.parse(b"\0".join([*fields, call.environment]), 7) == call
    assert not any("\0" in text for pair in protocol.variables(call.environment).items() for text in pair)


def agent_served(data: bytes) -> None:
    """The first byte says whether the right length goes before the rest, the second where that is cut in two: a request that
    is whole has its one answer, another has none, and the agent goes on with neither.
    """
    body = data[2:]
    sent = len(body).to_bytes(4, "big") + body if data[:1] and data[0] % 2 else body
    cut = data[1] * len(sent) // 255 if data[1:] else 0
    path, listening = _server()
    listening._why = ""
    heard = b""
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(path)
        listening._accept_all()
        with suppress(BrokenPipeError, ConnectionResetError):
            for part in (sent[:cut], sent[cut:]):
                end.sendall(part)
                _turn(listening)
            end.shutdown(socket.SHUT_WR)
            _turn(listening)
        for connection in list(listening._connections):
            assert listening._why == "lock"
            listening._drop(connection)  # as it is when the process ends
        with suppress(ConnectionResetError):
            while part := end.recv(1 << 16):
                heard += part
    assert not listening._waiting
    size = int.from_bytes(sent[:4], "big")
    whole = len(sent) >= 4 and 0 < size <= agent_client.LARGEST_REQUEST and len(sent) == 4 + size
    if heard or whole:
        assert whole or cut == 4 + size
        call = protocol.parse(sent[4 : 4 + size], os.getpid())
        expected = {"lock": Reply(0), "status": protocol.data(b"{}")}.get(call.verb, _SERVED) if call else _REFUSED
        assert heard == b"A" + b"".join(protocol.encode(expected))


def agent_answer(data: bytes) -> None:
    """What is an answer is spelled in one way; the keys and the status in it are what they should be, or nothing."""
    rest = data.ljust(2, b"\0")
    answer = agent_client.parse(rest)
    if answer is None:
        return
    status, code, chunks = answer
    assert b"".join(protocol.encode(Reply(status, code, tuple(chunks))))[4:] == rest
    with mock.patch.object(agent_client, "request", return_value=answer):
        _take_keys(keys._over_socket(0))
    with mock.patch.object(agent_client, "exchange", return_value=answer):
        told = agents.status(_settings())
        assert told is None or isinstance(told, dict)


def agent_pipe_answer(data: bytes) -> None:
    """On Windows: data and nothing else is data, the keys in it are what they should be, or nothing."""
    with (
        mock.patch.object(pipe, "Connection", lambda *_: _Pipe(data)),
        mock.patch.object(pipe, "own_user", lambda: "S-1-1"),
    ):
        content = pipe_client.ask(folder(), b"keys")
    if content is not None:
        assert data.startswith(b"A" + b"".join(protocol.encode(protocol.data(content))))
    _take_keys(content)


def agent_pipe_served(data: bytes) -> None:
    """On Windows: a request that is whole has its one answer, another has none, and the agent goes on with neither."""
    pipe = _Pipe(data)
    serving = pipe_server.PipeServer(pipe, "us", Lifetime(Limits()), lambda _: _SERVED, lambda: b"{}", lambda: "")
    size = int.from_bytes(data[:4], "big")
    whole = 4 < 4 + size <= min(len(data), 4 + protocol.LARGEST_PIPE_REQUEST)
    call = protocol.parse(data[4 : 4 + size], 0) if whole else None
    with suppress(BrokenPipeError):
        assert serving._serve() == ("lock" if call is not None and call.verb == "lock" else "")
    verb = call.verb if call else "call"
    expected = {"lock": Reply(0), "status": protocol.data(b"{}"), "keys": _SERVED}.get(verb, _REFUSED)
    assert pipe.written == (b"A" + b"".join(protocol.encode(expected)) if whole else b"")


class _Pipe:
    """An end of a pipe: these bytes come, then it is closed."""

    def __init__(self, data: bytes) -> None:
        self._left, self.written = data, b""

    def read_all(self, size: int, deadline: float) -> bytes:
        if len(self._left) < size:
            raise BrokenPipeError
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def write(self, content: bytes, deadline: float) -> None:
        self.written += content

    def accept(self, deadline: float) -> bool:
        return True

    def client_user(self) -> str:
        return "us"

    def is_closed_by(self, deadline: float) -> bool:
        return True

    def hang_up(self) -> None: ...

    def close(self) -> None: ...


def _take_keys(content: bytes | None) -> None:
    held = keys._in(Header(VAULT_ID, 1, ()), content, lambda _: None)
    assert held is None or all(len(key) == KEY_SIZE for key in held[1:])


def agent_program(data: bytes) -> None:
    """The program is one of the words of the call, and each variable has a name."""
    words = [b"run", b"--", b"true", b"x"]
    answer = agent_client.parse(b"\2\0" + data)
    found = answer and agent_client.program_of(words, answer[2])
    if found:
        program, variables = found
        assert program
        assert words[-len(program) :] == program
        assert len(program) < len(words)
        assert all(name and b"\0" not in name + value for name, value in variables.items())


def agent_handed(data: bytes) -> None:
    given, gives = os.pipe()
    try:
        os.write(gives, data[: handing.KEYS_AT].ljust(handing.KEYS_AT) + data[handing.KEYS_AT :] + b"k" * _KEYS)
        os.close(gives)
        handed = handing.receive(given)
    finally:
        os.close(given)
    types = [type(part) for part in (handed.home, handed.state, *handed.limits, handed.keys.vault_id, handed.keys.epoch)]
    assert types == [str, str, int, int, bool, bool, str, int]
    assert Lifetime(handed.limits).over() in ("", "its time is up", "nobody asked for long")


def screen_lock(data: bytes) -> None:
    """Whatever a bus says: the agent goes on, or ends with a reason."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lock = ScreenLock.__new__(ScreenLock)
        lock._buses, lock._session = [DBusConnectionBase(ours)], "/org/freedesktop/login1/session/_31"
        lock._buses[0].receive = lambda *, timeout: lock._buses[0]._receive(timeout)
        theirs.sendall(data)
        theirs.shutdown(socket.SHUT_WR)
        why = lock.heard()
        lock._buses[0].selector.close()
    assert why in (
        "the screen was locked",
        "the machine goes to sleep",
        "the session was locked",
        "the desktop's message bus is gone",
        "the desktop's message bus is not understood",
    )


def keyring_answer(data: bytes) -> None:
    """An item is 32 bytes or refused; what a helper gave out as a secret is in no message."""
    code, noise = (0, 0, 0, 1, -9, None)[data[0] % 6] if data else 0, b"line\nlast line"
    environment = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    word, _, text = data[1:].partition(b"\n")
    for ask in (lambda: os_keyring.read(os_keyring.Item("s", "u")), lambda: os_keyring.take("s", "u")):
        with (
            mock.patch.object(os_keyring, "_run", return_value=(code, data[1:], noise)),
            mock.patch.dict(os.environ, environment),
        ):
            try:
                found = ask()  # type: ignore[no-untyped-call]
            except os_keyring.KeyringUnavailable as exc:
                secret = text.strip().decode("utf-8", "replace")
                assert word in (b"unavailable", b"failed") or len(secret) < 8 or secret not in exc.message + exc.hint
                continue
        assert found is None or isinstance(found, str) or len(found) == os_keyring.SECRET_BYTES
        assert word == (b"missing" if found is None else b"done")


def http_answer(data: bytes) -> None:
    """Any bytes of a server are an answer within its limits, or a reason why there is none."""
    cut = data[0] * len(data) // 255 if data else 0
    asker = client.Client(5, None, client.Proxies({}))  # type: ignore[arg-type]  # no TLS
    asker._network = httpcore.AsyncMockBackend([part for part in (data[1:cut], data[max(cut, 1) :]) if part])  # type: ignore[assignment]
    answer = _loop().run_until_complete(asker.send(client.Request("GET", "http://127.0.0.1/"), 1))
    if isinstance(answer, client.NoAnswer):
        assert answer.reason
        return
    assert 100 <= answer.status <= 999
    assert len(answer.body) <= client.LARGEST_BODY
    wait = answer.retry_after
    assert wait is None or (math.isfinite(wait) and wait >= 0)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


@cache
def _settings() -> Any:
    return SimpleNamespace(home=folder())


@cache
def _server() -> tuple[str, server.Server]:
    path = os.path.join(folder(), "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(4)
    listener.setblocking(False)
    place: Any = SimpleNamespace(listener=listener, is_ours=lambda: True)
    return path, server.Server(place, Lifetime(Limits()), lambda _: _SERVED, lambda: b"{}", lambda: "")


def _turn(listening: server.Server) -> None:
    """What the loop does when something has come."""
    for key, events in listening._selector.select(0):
        if isinstance(key.data, server._Connection):
            listening._move(key.data, events)
    while listening._waiting:
        listening._answer(*listening._waiting.popleft())


TARGETS: dict[str, Callable[[bytes], None]] = {
    "agent-answer": agent_answer,
    "agent-handed": agent_handed,
    "agent-pipe-answer": agent_pipe_answer,
    "agent-pipe-served": agent_pipe_served,
    "agent-program": agent_program,
    "agent-request": agent_request,
    "agent-served": agent_served,
    "http-answer": http_answer,
    "keyring-answer": keyring_answer,
    "screen-lock": screen_lock,
}
