"""An internet of our own on loopback: an HTTP proxy behind which every host name is a server of this process, with real
TLS under a certificate authority of its own. A program that is given `environment()` reaches vendors' real addresses there.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import trustme

from keyvault.net import client
from keyvault.net.client import Answer, NoAnswer, Request


class Asked(NamedTuple):
    """A request as a server saw it."""

    host: str
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Reply(NamedTuple):
    """A plain answer."""

    status: int
    body: str | bytes = ""
    headers: Mapping[str, str] = {}


PROXIES = [name for word in ("HTTP", "HTTPS", "ALL", "NO") for name in (f"{word}_PROXY", f"{word}_proxy".lower())]

Answerer = Callable[[Asked], Reply]
Raw = Callable[[Asked, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def as_json(status: int, value: object, **headers: str) -> Reply:
    return Reply(status, json.dumps(value), {"Content-Type": "application/json", **headers})


class Internet:
    """`hosts` maps a name to what answers there; `raw` to what has the connection to itself. `asked` is all that was heard."""

    def __init__(self, folder: Path) -> None:
        self.hosts: dict[str, Answerer] = {}
        self.raw: dict[str, Raw] = {}
        self.asked: list[Asked] = []
        self.connects: list[str] = []
        self.connect_heads: list[str] = []
        self.refuse_connect: set[str] = set()
        self.authority = trustme.CA()
        self.ca_file = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.certificates: dict[str, ssl.SSLContext] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def environment(self) -> dict[str, str]:
        """The variables that lead a program here."""
        return {"HTTPS_PROXY": f"http://127.0.0.1:{self.port}", "SSL_CERT_FILE": str(self.ca_file), "NO_PROXY": ""}

    def of(self, host: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.host == host]

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join(10)

    def listen(self, *, family: str = "127.0.0.1", tls: str | None = None) -> int:
        """A further server without a proxy before it; `tls` names the host of its certificate. Its port."""
        asyncio.run_coroutine_threadsafe(self._open(family, tls), self._loop).result(10)
        return self._last_port

    async def _open(self, address: str, tls: str | None) -> None:
        context = self._context(tls) if tls else None
        server = await asyncio.start_server(self._direct, address, 0, ssl=context)
        self._servers.append(server)
        self._last_port: int = server.sockets[0].getsockname()[1]

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)

        async def start() -> None:
            server = await asyncio.start_server(self._proxy, "127.0.0.1", 0)
            self._servers = [server]
            self.port: int = server.sockets[0].getsockname()[1]

        self._loop.set_exception_handler(lambda *_: None)  # clients hang up in the middle of handshakes on purpose
        self._loop.run_until_complete(start())
        self._loop.call_soon(self._ready.set)  # not before it runs for good, or a quick close would go unheard
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        for writer in self._writers:  # a client that waits for no goodbye leaves its connection half open
            writer.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def _stop(self) -> None:
        for server in self._servers:
            server.close()
        self._loop.stop()

    def _context(self, host: str) -> ssl.SSLContext:
        if host not in self._contexts:
            context = self.certificates.get(host)
            if context is None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]

    async def _proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError, ConnectionError):
            line = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = line.split("\r\n")[0].split(" ")
            assert method == "CONNECT", "keys go through a proxy in a tunnel only"
            host = target.rpartition(":")[0]
            self.connects.append(target)
            self.connect_heads.append(line)
            if host in self.refuse_connect or (host not in self.hosts and host not in self.raw):
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            await writer.start_tls(self._context(host))
            await self._talk(host, reader, writer)
        writer.close()

    async def _direct(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError, ConnectionError):
            await self._talk("direct", reader, writer)
        writer.close()

    async def _talk(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            asked = Asked(host, method, path, headers, body.decode("latin-1"))
            self.asked.append(asked)
            if host in self.raw:
                await self.raw[host](asked, reader, writer)
                return
            reply = self.hosts[host](asked)
            data = reply.body.encode() if isinstance(reply.body, str) else reply.body
            head = {"Content-Type": "application/json", "Content-Length": str(len(data)), **reply.headers}
            writer.write(f"HTTP/1.1 {reply.status} X\r\n".encode() + "".join(f"{k}: {v}\r\n" for k, v in head.items()).encode())
            writer.write(b"\r\n" + data)
            await writer.drain()


class Listener:
    """A bare server on loopback: each connection is given to `talk`, in a thread of its own. `heard`: what began each."""

    def __init__(
        self, talk: Callable[[socket.socket], None], *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.talk = talk
        self.heard: list[bytes] = []
        self.connections = 0
        self._tls = tls
        self._open: list[socket.socket] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._server = socket.create_server((address, 0), family=family, backlog=64)
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """End every connection, and wait for the threads."""
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                self._open.append(connection)
                self._threads.append(threading.Thread(target=self._one, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _one(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self.talk(connection)
        connection.close()

    def hear(self, connection: socket.socket) -> bytes:
        """A request's head, or what came before the other side hung up; remembered in `heard`."""
        data = b""
        while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
            data += more
        self.heard.append(data)
        return data


def reset(connection: socket.socket) -> None:
    """Hang up so that the other side gets a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def send_all(*requests: Request, seconds: float = 5.0) -> list[Answer | NoAnswer]:
    """What the program's own client hears; all are asked at once."""

    async def ask() -> list[Answer | NoAnswer]:
        async with client.opened(seconds) as asker:
            return list(await asyncio.gather(*(asker.send(request) for request in requests)))

    return asyncio.run(ask())


def send(request: Request, seconds: float = 5.0) -> Answer | NoAnswer:
    return send_all(request, seconds=seconds)[0]
