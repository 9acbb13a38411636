"""Runs inside the clean environment. `agent_load.py SECONDS CLIENTS` asks the agent for `env`, and prints JSON."""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import sys
import time

from keyvault.agent import client


def main(seconds: float, clients: int) -> None:
    """So many connections at a time, each with one request; another one as soon as one is answered."""
    path = client.socket_path({os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()})
    assert path is not None
    words = ["env", "--format", "bash"]
    fields = ["1", "call", "/", "000,0", str(len(words)), *words, *(f"{name}={value}" for name, value in os.environ.items())]
    body = "\0".join(fields).encode()
    message = len(body).to_bytes(4, "big") + body
    right = ask_once(path, message)
    waiting = selectors.DefaultSelector()
    for _ in range(clients):
        begin(waiting, path, message)
    taken: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        for key, _ in waiting.select():
            connection, (began, said) = key.fileobj, key.data
            assert isinstance(connection, socket.socket)
            part = connection.recv(1 << 20)
            said += part
            if len(said) == len(right) or not part:
                assert said == right, said[:200]
                taken.append(time.perf_counter() - began)
                waiting.unregister(connection)
                connection.close()
                begin(waiting, path, message)
    elapsed = time.perf_counter() - start
    taken.sort()
    figures = {"rate": len(taken) / elapsed, "p50": statistics.median(taken), "p99": taken[len(taken) * 99 // 100]}
    print(json.dumps(figures))


def ask_once(path: bytes, message: bytes) -> bytes:
    """What every answer has to be."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(message)
        said = b""
        while part := connection.recv(1 << 20):
            said += part
    assert said[:1] == b"A", said[:100]
    assert said[5:7] == b"\0\0", said[:100]
    return said


def begin(waiting: selectors.BaseSelector, path: bytes, message: bytes) -> None:
    """One more request."""
    connection = socket.socket(socket.AF_UNIX)
    began = time.perf_counter()
    connection.connect(path)
    connection.sendall(message)
    connection.setblocking(False)
    waiting.register(connection, selectors.EVENT_READ, (began, bytearray()))


main(float(sys.argv[1]), int(sys.argv[2]))
