"""Connections below the HTTP client: real sockets, real TLS, and what goes wrong with both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

import httpcore
import pytest
import trustme

from keyvault.net.network import Network

Server = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
AUTHORITY = trustme.CA()
MIB = 1024 * 1024


def server_context(name: str = "vendor.example") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def serve(server: Server, ask: Callable[[int], Awaitable[None]], tls: ssl.SSLContext | None = None) -> None:
    """Run `ask` with the port of a server; both end before this does."""
    ended = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await server(reader, writer)
        finally:
            writer.close()
            ended.set()

    async def main() -> None:
        async with asyncio.timeout(60), await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as listening:
            await ask(listening.sockets[0].getsockname()[1])
            await ended.wait()

    asyncio.run(main())


async def shake_hands(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str
) -> tuple[ssl.SSLObject, ssl.MemoryBIO]:
    """The server's side of TLS, by hand: what asyncio's does not let one do wrong."""
    arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server_context(name).wrap_bio(arrived, leaving, server_side=True)
    while True:
        arrived.write(await reader.read(65536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            writer.write(leaving.read())
        else:
            writer.write(leaving.read())
            return tls, leaving


async def everything(stream: httpcore.AsyncNetworkStream) -> bytes:
    whole = b""
    while data := await stream.read(65536):
        whole += data
    return whole


def cut(writer: asyncio.StreamWriter) -> None:
    """End a connection with a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("tls", [False, True])
def test_megabytes_arrive_as_they_were_sent_both_ways(tls: bool) -> None:
    sent = bytes(range(256)) * 4096 * 3

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(sent)))
        await writer.drain()

    async def ask(port: int) -> None:
        stream = await Network().connect_tcp("127.0.0.1", port)
        if tls:
            stream = await stream.start_tls(client_context(), "vendor.example")
            assert stream.get_extra_info("ssl_object").version() == "TLSv1.3"
        await stream.write(sent)
        assert await everything(stream) == sent
        await stream.aclose()

    serve(echo, ask, server_context() if tls else None)


def test_a_refused_connection_keeps_its_cause() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(httpcore.ConnectError) as caught:
            asyncio.run(Network().connect_tcp("127.0.0.1", free.getsockname()[1]))
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_name_that_does_not_exist_keeps_its_cause() -> None:
    with pytest.raises(httpcore.ConnectError) as caught:
        asyncio.run(Network().connect_tcp("no-such-host.invalid", 443))
    assert isinstance(caught.value.__cause__, socket.gaierror)


@pytest.mark.parametrize("name", ["other.example", "vendor.example.evil.example"])
def test_a_certificate_of_another_host_ends_it_and_the_server_is_told_why(name: str) -> None:
    told: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await shake_hands(reader, writer, name)
        except ssl.SSLError as exc:
            told.append(str(exc))

    async def ask(port: int) -> None:
        stream = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectError) as caught:
            await stream.start_tls(client_context(), "vendor.example")
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)

    serve(answer, ask)
    assert "alert bad certificate" in told[0]


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x16\x03\x03\xff\xff" + b"x" * 70_000])
def test_what_is_no_tls_is_a_connect_error(words: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    async def ask(port: int) -> None:
        stream = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(client_context(), "vendor.example")

    serve(answer, ask)


def test_a_handshake_that_is_given_up_ends_the_connection() -> None:
    ended: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        ended.append(b"")

    async def ask(port: int) -> None:
        stream = await Network().connect_tcp("127.0.0.1", port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await stream.start_tls(client_context(), "vendor.example")
        while not ended:  # while `stream` is still known here
            await asyncio.sleep(0.01)

    serve(answer, ask)
    assert ended


async def cut_after_hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(5)
    cut(writer)


async def connected(port: int, tls: bool) -> httpcore.AsyncNetworkStream:
    stream = await Network().connect_tcp("127.0.0.1", port)
    return await stream.start_tls(client_context(), "vendor.example") if tls else stream


@pytest.mark.parametrize("tls", [False, True])
def test_a_reset_while_reading_is_a_read_error(tls: bool) -> None:
    async def ask(port: int) -> None:
        stream = await connected(port, tls)
        await stream.write(b"hello")
        with pytest.raises(httpcore.ReadError):
            await everything(stream)

    serve(cut_after_hello, ask, server_context() if tls else None)


@pytest.mark.parametrize("tls", [False, True])
def test_writing_to_a_cut_connection_is_a_write_error(tls: bool) -> None:
    async def ask(port: int) -> None:
        stream = await connected(port, tls)
        with pytest.raises(httpcore.WriteError):
            for _ in range(1000):
                await stream.write(b"hello" + b"x" * MIB)

    serve(cut_after_hello, ask, server_context() if tls else None)


def test_garbage_inside_of_tls_is_a_read_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await shake_hands(reader, writer, "vendor.example")
        writer.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        await reader.read()

    async def ask(port: int) -> None:
        stream = await (await Network().connect_tcp("127.0.0.1", port)).start_tls(client_context(), "vendor.example")
        with pytest.raises(httpcore.ReadError):
            await stream.read(100)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"more")
        await stream.aclose()

    serve(answer, ask)


def test_an_end_without_a_goodbye_is_an_end() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls, leaving = await shake_hands(reader, writer, "vendor.example")
        tls.write(b"all of it")
        writer.write(leaving.read())

    async def ask(port: int) -> None:
        stream = await (await Network().connect_tcp("127.0.0.1", port)).start_tls(client_context(), "vendor.example")
        assert await everything(stream) == b"all of it"
        await stream.aclose()

    serve(answer, ask)


def test_tls_inside_of_tls_as_through_a_secure_proxy() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_context("inner.example").wrap_bio(arrived, leaving, server_side=True)
        heard = b""
        while not heard:
            arrived.write(await reader.read(65536))
            try:
                tls.do_handshake()
                heard = tls.read(100)
            except ssl.SSLWantReadError:
                writer.write(leaving.read())
        tls.write(heard[::-1])
        writer.write(leaving.read())
        await writer.drain()

    async def ask(port: int) -> None:
        outer = await (await Network().connect_tcp("127.0.0.1", port)).start_tls(client_context(), "vendor.example")
        inner = await outer.start_tls(client_context(), "inner.example")
        await inner.write(b"hello")
        assert await everything(inner) == b"olleh"
        await inner.aclose()

    serve(answer, ask, server_context())
