"""What can go wrong between keyvault and a vendor, with real servers: the answer is always a result, in time, in bounds.

A key that was not heard about is never called invalid.
"""

from __future__ import annotations

import asyncio
import datetime
import gc
import gzip
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import trustme
from internet import PROXIES, Asked, Internet, Listener, Reply, as_json, reset, send, send_all
from vaults import VaultHome, add_key

from keyvault.liveness.verdict import ALL
from keyvault.net.client import ATTEMPTS, LARGEST_BODY, Answer, NoAnswer, Request

KEY = "CanaryKey-7f3Qz-wombat-quartz"
HOST = "api.vendor.example"
Talk = Callable[[socket.socket], None]
Listen = Callable[..., Listener]


@pytest.fixture
def listen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listen]:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    made: list[Listener] = []

    def make(talk: Talk, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Listener:
        made.append(Listener(talk, address=address, tls=tls))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listen: Listen) -> Iterator[Internet]:
    internet = Internet(tmp_path)
    for name, value in internet.environment().items():
        monkeypatch.setenv(name, value)
    yield internet
    internet.close()


class Server:
    """Hears a request, then does `then` with the connection."""

    def __init__(self, then: Talk) -> None:
        self.then = then
        self.heads: list[bytes] = []

    def __call__(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return
            data += more
        self.heads.append(data)
        self.then(connection)


def says(data: bytes) -> Talk:
    """Sends this and hangs up."""
    return lambda connection: connection.sendall(data)


def then(data: bytes, more: Talk) -> Talk:
    def talk(connection: socket.socket) -> None:
        connection.sendall(data)
        more(connection)

    return talk


def after(seconds: float, more: Talk) -> Talk:
    def talk(connection: socket.socket) -> None:
        time.sleep(seconds)
        more(connection)

    return talk


def wait(connection: socket.socket) -> None:
    """Says nothing until the other side hangs up."""
    while connection.recv(65536):
        pass


def dribble(data: bytes, pause: float) -> Talk:
    def talk(connection: socket.socket) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


def endlessly(data: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)

    return talk


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

# ---------------------------------------------------------------- slow and silent


SLOW: dict[str, Talk] = {
    "silent": wait,
    "silent after the status line": then(b"HTTP/1.1 200 OK\r\n", wait),
    "silent after the head": then(OK + b"Content-Length: 10\r\n\r\n", wait),
    "silent within the body": then(OK + b"Content-Length: 10\r\n\r\n{", wait),
    "silent within a chunk": then(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{", wait),
    "no end that tells the length": then(OK + b"\r\n{}", wait),
    "head in single bytes": dribble(OK + b"X: " + b"a" * 2000, 0.02),
    "body in single bytes": then(OK + b"Content-Length: 2000\r\n\r\n", dribble(b"a" * 2000, 0.02)),
    "chunks of one byte": then(OK + b"Transfer-Encoding: chunked\r\n\r\n", dribble(b"1\r\na\r\n" * 500, 0.01)),
    "only interim answers": dribble(b"HTTP/1.1 102 Processing\r\n\r\n" * 100, 0.01),
    "interim answers without a pause": endlessly(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
    "answers too late": after(1.6, says(OK + b"Content-Length: 2\r\n\r\n{}")),
}


def test_the_limit_is_for_the_whole_of_an_attempt_and_no_slow_answer_is_asked_for_again(listen: Listen) -> None:
    servers = {name: Server(talk) for name, talk in SLOW.items()}
    ports = {name: listen(server).port for name, server in servers.items()}
    began = time.monotonic()
    results = send_all(*(Request("GET", f"http://127.0.0.1:{p}/", {"X-Key": KEY}) for p in ports.values()), seconds=1.0)
    assert time.monotonic() - began < 2.5
    for (name, server), result in zip(servers.items(), results, strict=True):
        assert result == NoAnswer("no answer within 1 s"), name
        assert len(server.heads) == 1, name


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # httpcore leaves that socket to the collector
def test_a_server_that_never_ends_the_handshake_is_left_in_time(
    listen: Listen, net: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, proxy = listen(wait), listen(wait)
    began = time.monotonic()
    assert send(Request("GET", f"https://127.0.0.1:{tls.port}/"), 0.5) == NoAnswer("no answer within 0.5 s")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    assert send(Request("GET", f"https://{HOST}/"), 0.5) == NoAnswer("no answer within 0.5 s")
    assert time.monotonic() - began < 2.5
    assert (tls.connections, proxy.connections) == (1, 1)
    gc.collect()


# ---------------------------------------------------------------- broken off

BROKEN: dict[str, Talk] = {
    "end before the answer": lambda connection: None,
    "reset before the answer": reset,
    "reset within the status line": then(b"HTTP/1.1 2", reset),
    "reset within the head": then(OK, reset),
    "reset within the body": then(OK + b"Content-Length: 10\r\n\r\n{}", after(0.2, reset)),
    "end within the head": says(OK),
    "length longer than the body": says(OK + b"Content-Length: 10\r\n\r\n{}"),
    "chunks without an end": says(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "end within a chunk": says(OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n{}"),
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
    "bytes": says(bytes(range(256)) * 4 + b"\r\n\r\n"),
    "a length that is none": says(OK + b"Content-Length: -1\r\n\r\n{}"),
    "two lengths": says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "a chunk's length that is none": says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "endless head": endlessly(OK + b"X-More: " + b"a" * 1000 + b"\r\n"),
    "endless status line": endlessly(b"HTTP/1.1 200 " + b"a" * 1000),
}


def test_what_breaks_off_is_asked_three_times_and_then_no_answer(listen: Listen) -> None:
    servers = {name: Server(talk) for name, talk in BROKEN.items()}
    ports = {name: listen(server).port for name, server in servers.items()}
    results = send_all(*(Request("GET", f"http://127.0.0.1:{p}/", {"X-Key": KEY}) for p in ports.values()), seconds=4.0)
    for (name, server), result in zip(servers.items(), results, strict=True):
        assert result == NoAnswer("the connection broke off"), name
        assert len(server.heads) == ATTEMPTS, name


def test_what_breaks_off_once_is_answered_the_second_time(listen: Listen) -> None:
    turns = [reset, says(OK + b"Content-Length: 2\r\n\r\n{}")]
    server = Server(lambda connection: turns.pop(0)(connection))
    result = send(Request("GET", f"http://127.0.0.1:{listen(server).port}/"))
    assert isinstance(result, Answer)
    assert (result.status, result.body) == (200, "{}")
    assert len(server.heads) == 2


def test_a_half_closed_connection_still_gives_its_answer(listen: Listen) -> None:
    def half(connection: socket.socket) -> None:
        connection.sendall(OK + b"\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        wait(connection)

    result = send(Request("GET", f"http://127.0.0.1:{listen(Server(half)).port}/"))
    assert isinstance(result, Answer)
    assert (result.status, result.body, result.whole) == (200, "{}", True)


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "text/event-stream", "nonsense", "", "\u00ff"])
def test_a_content_type_that_is_wrong_does_not_hide_the_answer(kind: str, listen: Listen) -> None:
    head = f"HTTP/1.1 401 No\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n".encode("latin-1")
    result = send(Request("GET", f"http://127.0.0.1:{listen(Server(says(head + b'{}'))).port}/"))
    assert isinstance(result, Answer)
    assert (result.status, result.body, result.is_html) == (401, "{}", False)


FRAGMENTS = [
    *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9.9 ", b"200 OK", b"401", b"302 Found", b"204 No", b"101 Switching", b"100 Continue"),
    *(b"999 X", b"-1 X", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b": ", b"{}", b"\x00", bytes(range(128, 256))),
    *(b"Content-Length: 5", b"Content-Length: 99999999999999999999", b"Content-Length: x"),
    *(
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Content-Encoding: gzip",
        b"Content-Encoding: deflate",
    ),
    *(b"Location: https://xn--a/", b"Location: http://[", b"Location: \xff\xfe", b"Set-Cookie: a=\xff; Domain=.."),
    *(b"Retry-After: \xff", b"Retry-After: Wed, 21 Oct 99999 07:28:00 GMT", b"Connection: Upgrade", b"Upgrade: h2c"),
    *(b"Content-Type: text/html; charset=nonsense", b"5\r\nabcde\r\n", b"0\r\n\r\n", b"ffffffffffffffffff\r\n"),
    *(b"\x1f\x8b\x08\x00", b"\x78\x9c"),
]


def test_no_answer_whatever_it_holds_ends_in_an_error(listen: Listen, nightly: bool) -> None:
    count = 3000 if nightly else 150
    seed = random.SystemRandom().randrange(2**32) if nightly else 7
    chance = random.Random(seed)
    answers = []
    for _ in range(count):
        begin = chance.choice([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.1 401 No\r\n", b""])
        lines = chance.choices(FRAGMENTS, k=chance.randrange(8))
        answers.append(begin + chance.choice([b"", b"\r\n"]).join(lines) + chance.choice([b"\r\n\r\n", b"\r\n\r\n{}", b""]))

    def answer(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536) or b"\r\n\r\n"
        connection.sendall(answers[int(head.split(b"/")[1].split(b" ")[0])])

    port = listen(answer).port
    results = send_all(*(Request("GET", f"http://127.0.0.1:{port}/{n}", {"X-Key": KEY}) for n in range(count)), seconds=30)
    kinds = {type(result) for result in results}
    assert kinds == {Answer, NoAnswer}, seed
    for result in results:
        assert KEY not in repr(result)


# ---------------------------------------------------------------- too much

MEMORY = """
import asyncio, sys
from keyvault.net import client
from keyvault.net.client import Request

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

async def ask():
    async with client.opened(20) as asker:
        await asker.send(Request("GET", sys.argv[1]))  # what is imported late is imported now
        before = peak()
        results = await asyncio.gather(*(asker.send(Request("GET", url)) for url in sys.argv[2:]))
        for result in results:
            print(getattr(result, "status", 0), len(getattr(result, "body", "")), getattr(result, "whole", None))
        print(peak() - before)

asyncio.run(ask())
"""


def test_endless_bodies_and_packed_zeros_are_cut_and_memory_stays_flat(listen: Listen) -> None:
    zeros = bytes(64 * 1024 * 1024)
    bombs = {"gzip": gzip.compress(zeros, 9), "deflate": zlib.compress(zeros, 9)}
    servers: list[Talk] = [
        then(OK + b"\r\n", endlessly(b"a" * 65536)),
        then(OK + b"Content-Length: 99999999999\r\n\r\n", endlessly(b"a" * 65536)),
        then(OK + b"Transfer-Encoding: chunked\r\n\r\n", endlessly(b"10000\r\n" + b"a" * 65536 + b"\r\n")),
        *(says(OK + f"Content-Encoding: {n}\r\nContent-Length: {len(b)}\r\n\r\n".encode() + b) for n, b in bombs.items()),
        *(then(OK + f"Content-Encoding: {n}\r\n\r\n".encode(), endlessly(b)) for n, b in bombs.items()),
    ]
    small = listen(Server(says(OK + b"Content-Length: 2\r\n\r\n{}"))).port
    ports = [small, *(listen(Server(talk)).port for talk in servers * 3)]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *(f"http://127.0.0.1:{port}/" for port in ports)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *answers, grown = done.stdout.splitlines()
    assert answers == [f"200 {LARGEST_BODY} False"] * len(servers) * 3
    assert int(grown) < 40 * 1024, "KiB more at the peak: 21 answers of 256 KiB each, and buffers"


def test_a_body_of_which_the_limit_s_last_byte_is_the_last_is_not_waited_for_any_longer(listen: Listen) -> None:
    endless = Server(then(OK + b"\r\n" + b"a" * (LARGEST_BODY + 1), wait))
    began = time.monotonic()
    result = send(Request("GET", f"http://127.0.0.1:{listen(endless).port}/"), 10)
    assert isinstance(result, Answer)
    assert result.whole is False
    assert time.monotonic() - began < 3


# ---------------------------------------------------------------- TLS


def context_of(authority: trustme.CA, *names: str, until: datetime.datetime | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=until).configure_cert(context)
    return context


def self_signed() -> ssl.SSLContext:
    """The authority's own certificate, shown by a server."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.private_key_pem.tempfile() as key, authority.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context


def old_tls(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Only the old version, which this OpenSSL can still serve."""
    import warnings

    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    return context


def test_no_key_goes_to_a_server_that_cannot_be_trusted(net: Internet) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    net.certificates |= {
        "stranger.example": context_of(trustme.CA(), "stranger.example"),
        "other-name.example": context_of(net.authority, "another.example"),
        "parent-name.example": context_of(net.authority, "*.parent-name.example"),
        "expired.example": context_of(net.authority, "expired.example", until=yesterday),
        "self-signed.example": self_signed(),
    }
    net.hosts |= dict.fromkeys(net.certificates, lambda asked: Reply(200))
    began = time.monotonic()
    results = send_all(*(Request("GET", f"https://{host}/", {"X-Key": KEY}) for host in net.certificates))
    for host, result in zip(net.certificates, results, strict=True):
        assert isinstance(result, NoAnswer), host
        assert "certificate is not to be trusted" in result.reason, (host, result)
        assert KEY not in result.reason
    assert "expired" in str(results[3])
    assert net.asked == []
    assert len(net.connects) == len(net.certificates), "none was tried again"
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_before_1_2_is_not_spoken(version: ssl.TLSVersion, net: Internet, listen: Listen) -> None:
    server = Server(says(OK + b"Content-Length: 0\r\n\r\n"))
    port = listen(server, tls=old_tls(context_of(net.authority, "localhost"), version)).port
    willing = old_tls(ssl.create_default_context(cafile=str(net.ca_file)), version)
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        willing.wrap_socket(plain, server_hostname="localhost") as talk,
    ):
        assert talk.version() == {ssl.TLSVersion.TLSv1: "TLSv1", ssl.TLSVersion.TLSv1_1: "TLSv1.1"}[version], "it is served"
    result = send(Request("GET", f"https://localhost:{port}/", {"X-Key": KEY}))
    assert result == NoAnswer("no secure connection could be made; is a proxy or firewall in between?", connected=False)
    assert server.heads == []


def test_plain_http_on_a_tls_port_and_noise_get_no_key(listen: Listen) -> None:
    heard: list[bytes] = []

    def answer(data: bytes) -> Talk:
        def talk(connection: socket.socket) -> None:
            heard.append(connection.recv(65536))
            connection.sendall(data)

        return talk

    talks = [answer(b"HTTP/1.1 400 Bad Request\r\n\r\n"), answer(b"\x15\x03\x01\x00\x02\x02\x28"), answer(b"\x00" * 100)]
    ports = [listen(talk).port for talk in talks]
    for result in send_all(*(Request("GET", f"https://127.0.0.1:{port}/", {"X-Key": KEY}) for port in ports)):
        assert result == NoAnswer("no secure connection could be made; is a proxy or firewall in between?", connected=False)
    assert len(heard) == 3
    assert not any(KEY.encode() in data for data in heard)


def test_a_connection_that_is_cut_within_the_handshake_is_tried_again(listen: Listen) -> None:
    def later(connection: socket.socket) -> None:
        connection.recv(10)
        reset(connection)

    servers = [listen(reset), listen(lambda connection: None), listen(later)]
    results = send_all(*(Request("GET", f"https://127.0.0.1:{server.port}/", {"X-Key": KEY}) for server in servers))
    assert (
        results
        == [NoAnswer("the connection was cut while it was made; is a proxy or firewall in between?", connected=False)] * 3
    )
    assert [server.connections for server in servers] == [ATTEMPTS] * 3


# ---------------------------------------------------------------- names, addresses and proxies


def test_a_server_on_ipv6_alone_is_reached(net: Internet, tmp_path: Path) -> None:
    net.hosts["direct"] = lambda asked: Reply(200, "six")
    plain, tls = net.listen(family="::1"), net.listen(family="::1", tls="::1")
    urls = [f"http://[::1]:{plain}/", f"https://[::1]:{tls}/"]
    results = send_all(*(Request("GET", url, {"X-Key": KEY}) for url in urls))
    assert [getattr(result, "body", result) for result in results] == ["six"] * 2
    home = VaultHome(str(tmp_path / "home"))
    os.mkdir(home.folder, 0o700)
    home.create()
    home.run("add", "mine", "--env", "MINE_API_KEY", "--base-url", urls[0] + "v1", "--stdin", stdin=KEY.encode())
    net.hosts["direct"] = lambda asked: Reply(200 if "authorization" in asked.headers else 401)
    assert first(home, "mine")["verdict"] == "valid"


def test_a_name_that_does_not_exist_is_told_soon(listen: Listen) -> None:
    began = time.monotonic()
    result = send(Request("GET", "https://no-such-host.invalid/", {"X-Key": KEY}))
    assert result == NoAnswer("the name could not be looked up; is there a network, and a name server?", connected=False)
    assert time.monotonic() - began < 5


def test_a_port_where_nobody_listens_is_tried_three_times_and_told(listen: Listen) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # not listening
        began = time.monotonic()
        result = send(Request("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/"))
    assert result == NoAnswer("the connection was refused", connected=False)
    assert 1.2 < time.monotonic() - began < 5, "two growing pauses"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        (
            "wants a password",
            b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
        ),
        ("forbids", b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        ("finds nobody", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
        ("redirects", b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_proxy_that_does_not_let_it_through_is_named_as_the_cause(
    name: str, answer: bytes, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Server(says(answer))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{KEY}-password@127.0.0.1:{listen(proxy).port}")
    result = send(Request("GET", f"https://{HOST}/{KEY}", {"Authorization": KEY}))
    assert result == NoAnswer("the proxy did not let it through; see HTTPS_PROXY", connected=False)
    assert len(proxy.heads) == 1
    assert KEY.encode() not in proxy.heads[0]


# ---------------------------------------------------------------- the whole program


def first(home: VaultHome, *words: str, env: dict[str, str] | None = None) -> dict[str, object]:
    done = home.run("check", "--json", *words, env=env, code=None)
    return dict(json.loads(done.stdout)["results"][0])


Raw = Callable[[Asked, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def sends(data: bytes, *, end: str = "close") -> Raw:
    async def talk(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if end == "reset":
            await asyncio.sleep(0.05)
            writer.transport.abort()
        elif end == "wait":
            await asyncio.sleep(30)

    return talk


async def drip(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in OK * 20:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 401 No\r\n\r\n")
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    """A home with one key for each of a few vendors; the canary is in every value."""
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    home = VaultHome(str(folder))
    home.create()
    return home


def secret(ref: str) -> str:
    return f"{'sk-ant-' if ref == 'anthropic' else 'sk-'}{KEY}-{ref}"


def add(home: VaultHome, *refs: str) -> None:
    vault = home.open()
    for ref in refs:
        add_key(vault, f"{ref}/default", secret(ref))


def checked(home: VaultHome, net: Internet, *words: str, code: int | None = None) -> dict[str, dict[str, object]]:
    """What `check --json --debug` tells about each vendor; what was sent is in no output."""
    done = home.run("check", "--json", "--debug", *words, env=net.environment(), code=code)
    assert KEY.encode() not in done.stdout + done.stderr
    return {str(result["provider"]): result for result in json.loads(done.stdout)["results"]}


def test_check_tells_each_fault_of_the_network_and_calls_no_key_invalid(home: VaultHome, net: Internet) -> None:
    echo = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}, "key": secret("x")})
    faults: dict[str, tuple[str, Raw, str]] = {
        "openai": ("api.openai.com", sends(b"", end="wait"), "no answer within 1.5 s"),
        "groq": ("api.groq.com", drip, "no answer within 1.5 s"),
        "mistral": ("api.mistral.ai", sends(OK + b"Content-Length: 10\r\n\r\n{", end="reset"), "the connection broke off"),
        "anthropic": ("api.anthropic.com", sends(b""), "the connection broke off"),
        "deepseek": ("api.deepseek.com", sends(b"", end="reset"), "the connection broke off"),
        "perplexity": ("api.perplexity.ai", sends(b"SSH-2.0-x\r\n\r\n"), "the connection broke off"),
    }
    net.raw |= {host: talk for host, talk, _ in faults.values()}
    net.certificates["api.x.ai"] = context_of(trustme.CA(), "api.x.ai")
    net.hosts["api.x.ai"] = lambda asked: Reply(200)
    add(home, *faults, "xai", "cerebras")
    found = checked(home, net, "--timeout", "1.5", code=8)
    for vendor, (host, _, reason) in faults.items():
        assert found[vendor]["verdict"] == "unreachable", found[vendor]
        assert found[vendor]["usable"] is None
        assert found[vendor]["http_status"] is None
        assert found[vendor]["reason"] == f"{host}: {reason}"
    assert "certificate is not to be trusted" in str(found["xai"]["reason"])
    assert "proxy did not let it through" in str(found["cerebras"]["reason"]), "nobody there"
    assert not net.of("api.x.ai")
    assert {host: len(net.of(host)) for host in ("api.openai.com", "api.groq.com", "api.mistral.ai")} == {
        "api.openai.com": 1,
        "api.groq.com": 1,
        "api.mistral.ai": ATTEMPTS,
    }

    # one that answers makes it no longer code 8, and the text for people holds no more than the JSON
    net.hosts["api.cerebras.ai"] = lambda asked: Reply(401, echo)
    done = home.run("check", "--timeout", "1", "cerebras", "xai", env=net.environment(), code=7)
    assert KEY.encode() not in done.stdout + done.stderr
    assert b"invalid" in done.stdout


def test_check_reads_what_a_wall_in_between_says_as_unknown(home: VaultHome, net: Internet) -> None:
    page = "<!DOCTYPE html><title>Sign in to the hotel's network</title>"
    replies = {
        "openai": ("api.openai.com", Reply(200, page, {"Content-Type": "text/html"})),
        "groq": ("api.groq.com", Reply(403, page, {"Content-Type": "text/html; charset=UTF-8"})),
        "mistral": ("api.mistral.ai", Reply(302, "", {"Location": "https://login.hotel.example/?from=mistral"})),
        "anthropic": ("api.anthropic.com", Reply(307, "", {"Location": "http://api.anthropic.com/v1/models"})),
        "deepseek": ("api.deepseek.com", Reply(451, "{}")),
        "xai": ("api.x.ai", Reply(503, "{}", {"Retry-After": "3600"})),
    }
    by_host = dict(replies.values())
    net.hosts |= dict.fromkeys(by_host, lambda asked: by_host[asked.host])
    net.hosts["login.hotel.example"] = lambda asked: Reply(200)
    add(home, *replies)
    found = checked(home, net, code=0)
    assert {vendor: result["verdict"] for vendor, result in found.items()} == dict.fromkeys(replies, "unknown")
    assert {result["usable"] for result in found.values()} == {None}
    assert "redirect" in str(found["mistral"]["reason"])
    assert "redirect" in str(found["anthropic"]["reason"])
    assert "web page" in str(found["openai"]["reason"])
    assert net.of("login.hotel.example") == []
    assert all(target.endswith(":443") for target in net.connects)
    assert len(net.asked) == len(replies)


def test_check_ends_in_time_under_a_flood_and_reads_the_status(home: VaultHome, net: Internet) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    net.raw |= {
        "api.groq.com": flood,
        "api.deepseek.com": sends(b"HTTP/1.1 401 No\r\nContent-Encoding: gzip\r\n\r\n" + bomb),
    }
    add(home, "groq", "deepseek")
    began = time.monotonic()
    found = checked(home, net, code=7)
    assert time.monotonic() - began < 8
    assert {result["http_status"] for result in found.values()} == {401}
    assert {result["verdict"] for result in found.values()} == {"invalid"}


def test_a_429_is_told_with_the_time_that_the_vendor_names(home: VaultHome, net: Internet) -> None:
    net.hosts["api.groq.com"] = lambda asked: as_json(429, {}, **{"Retry-After": "42"})
    net.hosts["api.mistral.ai"] = lambda asked: as_json(429, {}, **{"Retry-After": "gibberish \u00a7"})
    net.hosts["api.deepseek.com"] = lambda asked: as_json(429, {}, **{"Retry-After": "-1"})
    add(home, "groq", "mistral", "deepseek")
    found = checked(home, net, code=0)
    assert {result["verdict"] for result in found.values()} == {"rate_limited"}
    assert "42 s" in str(found["groq"]["reason"])
    assert "wait" not in str(found["mistral"]["reason"]) + str(found["deepseek"]["reason"])
    assert len(net.asked) == 3


@pytest.mark.parametrize(
    ("proxy", "code", "words"),
    [
        ("ftp://user:%s@proxy.example", 2, "holds no proxy's URL"),
        ("http://user:%s@127.0.0.1:99999", 2, "holds no proxy's URL"),
        ("http://user:%s@[::1", 2, "holds no proxy's URL"),
        ("http://user:%s@no-such-proxy.invalid:3128", 8, "could not be looked up"),
    ],
)
def test_a_proxy_setting_that_does_not_work_is_told_without_its_password(
    proxy: str, code: int, words: str, home: VaultHome
) -> None:
    add(home, "groq", "mistral")
    setting = proxy.replace("%s", KEY)
    for command in ("check", "balance") if code == 2 else ("check",):
        done = home.run(command, "--debug", "groq", env={"HTTPS_PROXY": setting}, code=code)
        told = (done.stdout + done.stderr).decode()
        assert words in told
        assert KEY not in told
        assert "internal error" not in told


def test_a_host_s_name_that_cannot_be_does_not_stop_the_other_keys(home: VaultHome, net: Internet) -> None:
    odd = ["xn--a", "a..b", "a" * 70 + ".example", "-", "xn--" + "9" * 50]
    net.hosts["api.groq.com"] = lambda asked: as_json(200, {"data": []})
    add(home, "groq")
    for number, site in enumerate(odd):
        home.run("add", f"datadog/{number}", "--field", f"site={site}", "--stdin", stdin=secret("datadog").encode())
    done = home.run("check", "--json", env=net.environment(), code=0)
    results = json.loads(done.stdout)["results"]
    verdicts = [result["verdict"] for result in results]
    assert len(verdicts) == 1 + len(odd)
    assert verdicts.count("valid") == 1
    assert set(verdicts) <= {"valid", "unreachable", "unknown"} <= set(ALL)
    assert KEY.encode() not in done.stdout + done.stderr


def test_every_name_of_a_dead_network_together_takes_no_longer_than_one(home: VaultHome) -> None:
    add(home, "openai", "groq", "mistral", "anthropic", "deepseek", "xai", "cerebras", "perplexity", "moonshot", "zhipu")
    began = time.monotonic()
    done = home.run("check", "--json", code=8)
    assert time.monotonic() - began < 8
    for result in json.loads(done.stdout)["results"]:
        assert result["verdict"] == "unreachable"
        assert "the name could not be looked up" in result["reason"]
        assert "network" in result["next"]
