"""Connections on asyncio's own streams.

httpcore's usual layer below it carries every event loop there is, which costs more than all else that a request does; and
asyncio's own TLS keeps 256 KiB for each connection. Here OpenSSL works on two small buffers in between.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore

_CHUNK = 16 * 1024  # bytes; the most that one record of TLS carries
_NEXT_ADDRESS = 0.25  # seconds until a host's next address is tried beside the first (RFC 8305)


class Network(httpcore.AsyncNetworkBackend):
    """What httpcore asks for connections. Time is limited by the caller, as a whole; sockets have the system's options."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection. Raises httpcore.ConnectError."""
        try:
            # One address needs no race, which leaves a socket behind if time is over just when it is won.
            delay = _NEXT_ADDRESS if host.strip("0123456789.") and ":" not in host else None
            reader, writer = await asyncio.open_connection(host, port, limit=_CHUNK, happy_eyeballs_delay=delay)
        except (OSError, ValueError) as exc:  # ValueError: of a name that is none
            raise httpcore.ConnectError from exc
        return _Stream(reader, writer)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection, and from `start_tls` on what is inside of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, empty at the end. Raises httpcore.ReadError."""
        try:
            return await self._reader.read(max_bytes)
        except OSError as exc:
            raise httpcore.ReadError from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises httpcore.WriteError."""
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as exc:
            raise httpcore.WriteError from exc

    async def aclose(self) -> None:
        """End it at once."""
        self._writer.transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """TLS over this stream. Raises httpcore.ConnectError."""
        return await _start_tls(self, ssl_context, server_hostname)


class _Secured(httpcore.AsyncNetworkStream):
    """TLS over another stream."""

    def __init__(self, under: httpcore.AsyncNetworkStream, context: ssl.SSLContext, host: str | None) -> None:
        self._under = under
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._arrived, self._leaving, server_hostname=host)

    async def handshake(self) -> None:
        """Agree on keys and check the certificate. Raises ssl.SSLError, httpcore.NetworkError."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._exchange()
            except ssl.SSLError:
                with suppress(httpcore.NetworkError):
                    await self._send()  # the alert tells the other side why
                raise
            else:
                return await self._send()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, empty at the end. Raises httpcore.ReadError."""
        while True:
            try:
                return self._tls.read(max_bytes)
            except ssl.SSLWantReadError:
                await self._exchange()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""  # many servers say no goodbye; HTTP tells whether the answer is whole
            except ssl.SSLError as exc:
                raise httpcore.ReadError from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises httpcore.WriteError."""
        try:
            while buffer:
                buffer = buffer[self._tls.write(buffer) :]
        except ssl.SSLError as exc:
            raise httpcore.WriteError from exc
        await self._send()

    async def aclose(self) -> None:
        """End it at once."""
        await self._under.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """TLS inside of this TLS, as through a proxy that is spoken to over https. Raises httpcore.ConnectError."""
        return await _start_tls(self, ssl_context, server_hostname)

    def get_extra_info(self, info: str) -> Any:
        """httpcore asks which protocol was agreed on."""
        return self._tls if info == "ssl_object" else None

    async def _exchange(self) -> None:
        """Send what OpenSSL has to say, and hand it what comes."""
        await self._send()
        if data := await self._under.read(_CHUNK):
            self._arrived.write(data)
        else:
            self._arrived.write_eof()

    async def _send(self) -> None:
        if self._leaving.pending:
            await self._under.write(self._leaving.read())


async def _start_tls(under: httpcore.AsyncNetworkStream, context: ssl.SSLContext, host: str | None) -> _Secured:
    try:
        secured = _Secured(under, context, host)
        await secured.handshake()
    except (ssl.SSLError, httpcore.NetworkError, ValueError) as exc:
        await under.aclose()
        raise httpcore.ConnectError from exc
    except asyncio.CancelledError:  # nobody else has this connection yet
        await under.aclose()
        raise
    return secured
