"""One HTTP client for everything that leaves this machine.

TLS is verified against the system's certificates. Redirects are not followed. Keys travel over https alone, except to
this machine itself. Answers are cut at a size and a time. Proxies come from the environment, as with curl; this machine
is never asked through one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import socket
import ssl
import zlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import httpcore

from keyvault.core.version import __version__
from keyvault.net.address import ascii_url
from keyvault.net.network import Network
from keyvault.net.proxies import THIS_MACHINE, Proxies, configured
from keyvault.net.trust import system_trust

LARGEST_BODY = 256 * 1024
ATTEMPTS = 3
_LONGEST_WAIT = 5.0  # seconds between attempts; a vendor who asks for more is asked again another day
_MOST_AT_ONCE = 128
_NO_ADDRESS = "its address is none that can be asked"
_HEADERS = {
    "User-Agent": f"keyvault/{__version__}",  # some vendors refuse requests without one
    "Accept": "application/json, */*;q=0.5",  # PyPI, for one, answers errors as a page otherwise
    "Accept-Encoding": "identity",
}


class Signer(NamedTuple):
    """What an AWS signature is made of; the key itself is not sent."""

    access_id: str
    secret: str
    token: str
    region: str
    service: str

    def __repr__(self) -> str:
        return "Signer(…)"


class Request(NamedTuple):
    """One request. Its repr shows where it goes, not what it carries."""

    method: str
    url: str
    headers: Mapping[str, str] = {}
    body: str = ""
    form: Mapping[str, str] = {}
    basic: tuple[str, str] | None = None
    signer: Signer | None = None

    def __repr__(self) -> str:
        return f"Request({self.method} {self.host})"

    @property
    def host(self) -> str:
        """Host, and port if it is named; all that may be shown, for a path can hold a key."""
        return re.split("[/?#]", self.url.partition("//")[2], maxsplit=1)[0].rpartition("@")[2]


class Answer(NamedTuple):
    """What came back. `whole`: the body was not cut. `retry_after`: seconds, where the server said so."""

    status: int
    body: str
    is_html: bool
    whole: bool
    retry_after: float | None


class NoAnswer(NamedTuple):
    """Nothing came back: why, for people. It never holds what was sent. `sent`: false where nothing left this machine.

    `connected`: false where there was no connection yet, so that nothing can have been done there.
    """

    reason: str
    sent: bool = True
    connected: bool = True


class Client:
    """Asks; see `opened`. Each request has a connection of its own, and no cookie outlives it."""

    def __init__(self, seconds: float, trust: ssl.SSLContext, proxies: Proxies) -> None:
        self._seconds = seconds
        self._trust = trust
        self._proxies = proxies
        self._network = Network()
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def send(self, request: Request, attempts: int = ATTEMPTS) -> Answer | NoAnswer:
        """One answer. Connection errors and 5xx are tried again, with growing pauses; nothing else is.

        What must not be done twice is sent with `attempts` = 1.
        """
        if reason := unsendable(request):
            return NoAnswer(reason, sent=False, connected=False)
        for attempt in range(1, attempts + 1):
            async with self._turns:
                result, again = await self._try(request)
            asked = result.retry_after if isinstance(result, Answer) else None
            if not again or attempt == attempts or (asked or 0) > _LONGEST_WAIT:
                break
            pause = 0.3 * 2**attempt * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load, hides nothing
            await asyncio.sleep(max(pause, asked or 0))
        return result

    async def _try(self, request: Request) -> tuple[Answer | NoAnswer, bool]:
        """The result, and whether it is worth another attempt."""
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._ask(request)
                return answer, answer.status >= 500
        except TimeoutError:
            return NoAnswer(f"no answer within {self._seconds:g} s"), False
        except httpcore.ConnectError as exc:
            return _not_connected(exc)
        except httpcore.ProxyError:
            return NoAnswer("the proxy did not let it through; see HTTPS_PROXY", connected=False), False
        except (httpcore.NetworkError, httpcore.RemoteProtocolError):
            return NoAnswer("the connection broke off"), True
        except (httpcore.ProtocolError, zlib.error):
            return NoAnswer("the answer is not HTTP that can be read"), False

    async def _ask(self, request: Request) -> Answer:
        url = ascii_url(request.url)
        connection = httpcore.AsyncConnectionPool(
            ssl_context=self._trust, proxy=self._proxies.of(url), network_backend=self._network
        )
        method, headers, content = request.method, _headers(request, url), _content(request)
        async with connection, connection.stream(method, url, headers=headers, content=content) as response:
            said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(response.headers)}
            body, whole = await _read(response, said.get("content-encoding", "identity").strip().lower())
            start = body[:512].lstrip().lower()
            return Answer(
                status=response.status,
                body=body,
                is_html="text/html" in said.get("content-type", "").lower() or start.startswith(("<!doctype html", "<html")),
                whole=whole,
                retry_after=_seconds(said.get("retry-after", "")),
            )


@asynccontextmanager
async def opened(seconds: float) -> AsyncIterator[Client]:
    """A client; `seconds` for each attempt as a whole. Raises InvalidInput for a proxy setting that makes no sense."""
    _hush()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(64))  # names are looked up in threads; asyncio's own few would queue
    trust = system_trust()
    yield Client(seconds, trust, configured(trust))


def unsendable(request: Request) -> str:
    """Why this request must not or cannot be sent, or an empty string."""
    try:
        parts = urlsplit(request.url)
        ascii_url(request.url)
    except ValueError:
        return _NO_ADDRESS
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in THIS_MACHINE):
        return "a key is sent over https only (http only to this machine: localhost, 127.0.0.1 or [::1])"
    sent = (*request.headers.values(), *(request.basic or ()), *(request.signer or ()))
    if not all(text.isascii() and (text == "" or text.isprintable()) for text in sent):
        return "the value holds characters that a request cannot carry; is it the key, and all of it?"
    return ""


def _headers(request: Request, url: str) -> list[tuple[str, str]]:
    """All headers, with the authorization."""
    own = {name.lower() for name in request.headers}
    headers = {"Host": urlsplit(url).netloc} | {name: text for name, text in _HEADERS.items() if name.lower() not in own}
    headers |= request.headers
    if request.form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    if request.basic:
        headers["Authorization"] = "Basic " + b64encode(":".join(request.basic).encode()).decode()
    return list((_signed(request, url, headers) if request.signer else headers).items())


def _signed(request: Request, url: str, headers: dict[str, str]) -> dict[str, str]:
    """With the signature of AWS. Its library speaks of httpx's requests; nothing is sent with that."""
    import httpx
    from httpx_auth import AWS4Auth

    assert request.signer
    access_id, secret, token, region, service = request.signer
    asked = httpx.Request(request.method, url, headers=headers, content=_content(request))
    return dict(next(AWS4Auth(access_id, secret, region, service, security_token=token or None).auth_flow(asked)).headers)


def _content(request: Request) -> bytes | None:
    if request.form:
        return urlencode(request.form).encode()
    return request.body.encode() if request.body or request.method in ("POST", "PUT", "PATCH") else None


async def _read(response: httpcore.Response, packing: str) -> tuple[str, bool]:
    """The body's text up to the limit, unpacked here: a small answer can unpack to gigabytes."""
    if packing not in ("identity", "", "gzip", "deflate"):
        return "", False
    unpack = zlib.decompressobj(47) if packing in ("gzip", "deflate") else None  # 47: gzip or zlib, as the header says
    body = bytearray()
    async for chunk in response.aiter_stream():
        room = LARGEST_BODY - len(body)
        body += unpack.decompress(chunk, room + 1) if unpack else chunk[: room + 1]
        if len(body) > LARGEST_BODY:
            return body[:LARGEST_BODY].decode("utf-8", "replace"), False
    return body.decode("utf-8", "replace"), True


def _not_connected(exc: httpcore.ConnectError) -> tuple[NoAnswer, bool]:
    """Why there is no connection, from the causes that the library keeps."""
    cause: BaseException | None = exc
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return NoAnswer(
                f"the server's certificate is not to be trusted ({cause.verify_message or 'unknown reason'})", connected=False
            ), False
        if isinstance(cause, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
            return NoAnswer(
                "the connection was cut while it was made; is a proxy or firewall in between?", connected=False
            ), True
        if isinstance(cause, ssl.SSLError):
            return NoAnswer("no secure connection could be made; is a proxy or firewall in between?", connected=False), False
        if isinstance(cause, socket.gaierror):
            return NoAnswer("the name could not be looked up; is there a network, and a name server?", connected=False), True
        if isinstance(cause, ConnectionRefusedError):
            return NoAnswer("the connection was refused", connected=False), True
        if isinstance(cause, ValueError):
            return NoAnswer(_NO_ADDRESS, sent=False, connected=False), False
        cause = cause.__cause__ or cause.__context__
    return NoAnswer("no connection could be made", connected=False), True


def _seconds(retry_after: str) -> float | None:
    with suppress(ValueError):
        seconds = float(retry_after)
        return seconds if 0 <= seconds < 10**6 else None
    with suppress(ValueError, TypeError, OverflowError):
        from datetime import UTC, datetime
        from email.utils import parsedate_to_datetime

        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    return None


def _hush() -> None:
    """The libraries' own logs name whole URLs, and some vendors want the key in the path; or headers, which can repeat it."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # for those below it too
