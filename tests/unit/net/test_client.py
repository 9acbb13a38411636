"""What the one HTTP client sends, keeps, repeats and reads. Faults of the network are in tests/faults/test_network.py."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import logging
import random
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from internet import PROXIES, Answerer, Asked, Internet, Listener, Reply, send, send_all

from keyvault import __version__
from keyvault.core.errors import InvalidInput
from keyvault.liveness.requests import without_key
from keyvault.net import client
from keyvault.net.client import ATTEMPTS, LARGEST_BODY, Answer, NoAnswer, Request, Signer

KEY = "CanaryKey-7f3Qz-wombat-quartz"
HOST = "api.vendor.example"
URL = f"https://{HOST}/v1/models"


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_proxy: None) -> Iterator[Internet]:
    internet = Internet(tmp_path)
    for name, value in internet.environment().items():
        monkeypatch.setenv(name, value)
    yield internet
    internet.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    made: list[Listener] = []

    def make(
        talk: Callable[[socket.socket], None], *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> Listener:
        made.append(Listener(talk, address=address, tls=tls))
        return made[-1]

    yield make
    for listener in made:
        listener.close()


def answer_to(request: Request, seconds: float = 5.0) -> Answer:
    answer = send(request, seconds)
    assert isinstance(answer, Answer), answer
    return answer


def always(reply: Reply) -> Answerer:
    return lambda _: reply


def in_turn(*replies: Reply) -> Answerer:
    left = list(replies)
    return lambda _: left.pop(0)


class Timed:
    """Answers in turn, and notes when it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.times: list[float] = []

    def __call__(self, _: Asked) -> Reply:
        self.times.append(time.monotonic())
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False)]


# ---------------------------------------------------------------- what is sent


def test_every_request_says_who_asks_and_that_it_wants_json_unpacked(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    answer_to(Request("GET", URL))
    (asked,) = net.asked
    assert asked.headers["user-agent"] == f"keyvault/{__version__}"
    assert asked.headers["accept"].startswith("application/json")
    assert asked.headers["accept-encoding"] == "identity"


def test_headers_of_the_vendor_replace_the_usual_ones(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    answer_to(Request("GET", URL, {"Accept": "application/vnd.github+json", "X-Api-Key": KEY}))
    (asked,) = net.asked
    assert asked.headers["accept"] == "application/vnd.github+json"
    assert asked.headers["x-api-key"] == KEY


def test_body_form_and_basic_password_arrive_as_they_were_given(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    send_all(
        Request("POST", URL + "?body", body='{"query":"{viewer{id}}"}', headers={"Content-Type": "application/json"}),
        Request("POST", URL + "?form", form={"token": "a b+c&d=ü"}),
        Request("GET", URL + "?basic", basic=("someone", "pass:word")),
    )
    by_query = {asked.path.partition("?")[2]: asked for asked in net.asked}
    assert by_query["body"].body == '{"query":"{viewer{id}}"}'
    assert by_query["form"].body == "token=a+b%2Bc%26d%3D%C3%BC"
    assert base64.b64decode(by_query["basic"].headers["authorization"].removeprefix("Basic ")) == b"someone:pass:word"


def test_a_stranger_sends_none_of_what_makes_the_request_ours(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    ours = Request(
        "POST",
        URL,
        {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY, "Content-Type": "application/json"},
        "{}",
        {},
        ("u", KEY),
        Signer("AKID", KEY, "", "us-east-1", "sts"),
    )
    answer_to(without_key(ours, "KEY"))
    (asked,) = net.asked
    assert KEY not in repr(asked)
    assert "authorization" not in asked.headers
    assert (asked.method, asked.body, asked.headers["content-type"]) == ("POST", "{}", "application/json")


def test_cookies_of_one_answer_go_with_no_other_request(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200, "", {"Set-Cookie": "session=of-another-key; Path=/; Secure"}))

    async def three() -> None:
        async with client.opened(5) as asker:
            for number in range(3):
                await asker.send(Request("GET", f"{URL}?{number}"))

    asyncio.run(three())
    assert len(net.asked) == 3
    assert [asked.headers.get("cookie") for asked in net.asked] == [None, None, None]


def test_the_proxy_hears_host_and_port_and_nothing_of_the_key(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    send_all(
        Request("GET", f"https://{HOST}/bot{KEY}/getMe?api_key={KEY}", {"Authorization": f"Bearer {KEY}"}),
        Request("GET", URL, basic=("user", KEY)),
    )
    assert [asked.host for asked in net.asked] == [HOST, HOST]
    assert net.connects == [f"{HOST}:443"] * 2
    for head in net.connect_heads:
        assert KEY not in head
        assert "authorization" not in head.lower()
        assert base64.b64encode(f"user:{KEY}".encode()).decode() not in head


@pytest.mark.parametrize("host", ["a..b.example", "x" * 64 + ".example", "[::ffff:1.2.3.4.5]", "[::1%no-such]", "."])
def test_a_host_that_is_none_ends_in_a_result_and_not_in_an_error(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one odd address would stop the check of all other keys."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    result = send(Request("GET", f"https://{host}/v1"))
    assert isinstance(result, NoAnswer)
    assert result.reason == "its address is none that can be asked"
    assert not result.sent


@pytest.mark.parametrize(
    "url",
    [
        "http://api.vendor.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://127.evil.example/v1",
        "http://127.0.0.2/v1",
        "http://localhost.evil.example/v1",
        "http://[::2]/v1",
        "http://192.168.1.1/v1",
        "ftp://api.vendor.example/v1",
        "HTTP://api.vendor.example/v1",
        "//api.vendor.example/v1",
        "file:///etc/passwd",
    ],
)
def test_nothing_is_sent_in_clear_or_to_what_is_no_address(url: str, net: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{net.port}")
    result = send(Request("GET", url, {"Authorization": KEY}))
    assert isinstance(result, NoAnswer)
    assert KEY not in result.reason
    assert net.connects == []
    assert net.asked == []


@pytest.mark.parametrize("value", ["key\n", "ke\ry", "key\x00", "schlüssel", "key\u200b", "\x1b[31m", "密钥"])
@pytest.mark.parametrize("place", ["header", "basic", "signer"])
def test_a_value_that_no_request_can_carry_is_not_sent(value: str, place: str, net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200))
    request = {
        "header": Request("GET", URL, {"Authorization": f"Bearer {value}"}),
        "basic": Request("GET", URL, basic=("u", value)),
        "signer": Request("GET", URL, signer=Signer("AKID", value, "", "us-east-1", "sts")),
    }[place]
    result = send(request)
    assert isinstance(result, NoAnswer)
    assert "is it the key, and all of it?" in result.reason
    assert value not in result.reason
    assert net.connects == []


# ---------------------------------------------------------------- what is kept to itself


def test_nothing_that_was_sent_or_echoed_is_logged(net: Internet) -> None:
    echo = {
        "Location": f"https://other.example/{KEY}",
        "Set-Cookie": f"k={KEY}",
        "WWW-Authenticate": f'Bearer error="{KEY}"',
        "X-Echo": KEY,
    }
    net.hosts[HOST] = in_turn(
        Reply(200, KEY, echo), Reply(302, KEY, echo), Reply(401, KEY, echo), Reply(500, KEY), Reply(500), Reply(200), Reply(200)
    )
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:

        async def several() -> None:
            async with client.opened(5) as asker:
                await asker.send(Request("GET", f"https://{HOST}/bot{KEY}/getMe", {"Authorization": f"Bearer {KEY}"}))
                await asker.send(Request("GET", f"https://{HOST}/v1?api_key={KEY}"))
                await asker.send(Request("POST", URL, basic=("user", KEY), form={"token": KEY}))
                await asker.send(Request("POST", URL, body=KEY))
                await asker.send(Request("GET", URL, signer=Signer(KEY, KEY, KEY, "us-east-1", "sts")))
                await asker.send(Request("GET", f"https://nowhere.example/{KEY}"))

        asyncio.run(several())
        logging.getLogger("test").debug("the handler works")
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert len(net.asked) == 7
    text = log.getvalue()
    assert "the handler works" in text
    for told in (KEY, base64.b64encode(f"user:{KEY}".encode()).decode(), HOST, "/v1"):
        assert told not in text


def test_repr_of_what_is_sent_shows_where_it_goes_and_nothing_else() -> None:
    signer = Signer("AKIDEXAMPLE", KEY, KEY, "us-east-1", "sts")
    request = Request(
        "GET", f"https://{HOST}:444/bot{KEY}?key={KEY}", {"Authorization": KEY}, KEY, {"t": KEY}, ("u", KEY), signer
    )
    assert repr(request) == f"Request(GET {HOST}:444)"
    assert str(request) == repr(request)
    assert f"{[request]}" == f"[Request(GET {HOST}:444)]"
    assert KEY not in repr(signer) + str(signer) + f"{signer}"
    assert Request("GET", f"https://user:{KEY}@{HOST}/").host == HOST


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["another host", "another port", "plain http", "the same host", "no host", "nonsense"])
def test_no_redirect_is_followed(status: int, to: str, net: Internet, listen: Callable[..., Listener]) -> None:
    second = listen(lambda connection: None)
    target = {
        "another host": f"https://thief.example/v1?k={KEY}",
        "another port": f"https://localhost:{second.port}/v1",
        "plain http": f"http://127.0.0.1:{second.port}/v1",
        "the same host": "/v2/models",
        "no host": "https:///v1",
        "nonsense": "javascript:alert(1)",
    }[to]
    net.hosts["thief.example"] = always(Reply(200))
    net.hosts[HOST] = always(Reply(status, "", {"Location": target}))
    for method in ("GET", "POST"):
        result = send(Request(method, URL, {"Authorization": f"Bearer {KEY}"}, basic=("u", KEY) if method == "POST" else None))
        assert isinstance(result, Answer)
        assert result.status == status
    assert [asked.path for asked in net.asked] == ["/v1/models"] * 2
    assert net.connects == [f"{HOST}:443"] * 2
    assert second.connections == 0


def test_an_odd_redirect_ends_in_a_result_and_not_in_an_error(net: Internet) -> None:
    odd = ["https://xn--a/", "http://[::", "//", "https://h:99999/", "é", "%zz", "https://\x7f/", "?", "https://ä.example/"]
    locations = {f"host{number}.example": location for number, location in enumerate([*odd, "javascript:x", "a" * 70000])}
    for host, location in locations.items():
        net.hosts[host] = always(Reply(302, "", {"Location": location}))
    for answer in send_all(*(Request("GET", f"https://{host}/", {"Authorization": KEY}) for host in locations)):
        assert isinstance(answer, NoAnswer) or answer.status == 302
    assert set(net.connects) == {f"{host}:443" for host in locations}


# ---------------------------------------------------------------- once more, or not


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 402, 403, 404, 408, 409, 418, 422, 425, 429, 451])
def test_an_answer_below_500_is_the_only_one(status: int, net: Internet) -> None:
    net.hosts[HOST] = always(Reply(status))
    assert answer_to(Request("GET", URL)).status == status
    assert len(net.asked) == 1


def test_5xx_is_asked_again_with_growing_pauses_and_three_times_at_most(net: Internet) -> None:
    hosts = {f"{status}.example": Timed(Reply(status)) for status in (500, 502, 503, 504, 529)}
    net.hosts.update(hosts)
    answers = send_all(*(Request("GET", f"https://{host}/") for host in hosts))
    assert [a.status for a in answers if isinstance(a, Answer)] == [500, 502, 503, 504, 529]
    for timed in hosts.values():
        assert len(timed.times) == ATTEMPTS == 3
        first, second = timed.pauses
        assert 0.4 < first < second < 4


def test_what_comes_after_trouble_counts(net: Internet) -> None:
    net.hosts[HOST] = in_turn(Reply(500), Reply(502), Reply(200, "well"))
    net.hosts["dead.example"] = in_turn(Reply(503), Reply(401, "no"))
    well, dead = send_all(Request("GET", URL), Request("GET", "https://dead.example/"))
    assert isinstance(well, Answer)
    assert isinstance(dead, Answer)
    assert (well.status, well.body) == (200, "well")
    assert (dead.status, dead.body) == (401, "no")


def test_retry_after_of_a_503_is_waited_for_when_it_is_short(net: Internet) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    hosts = {
        "seconds.example": Timed(Reply(503, "", {"Retry-After": "2"}), Reply(200)),
        "date.example": Timed(Reply(503, "", {"Retry-After": date}), Reply(200)),
        "past.example": Timed(Reply(503, "", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), Reply(200)),
        "nonsense.example": Timed(Reply(503, "", {"Retry-After": "soon"}), Reply(200)),
    }
    net.hosts.update(hosts)
    answers = send_all(*(Request("GET", f"https://{host}/") for host in hosts))
    assert [a.status for a in answers if isinstance(a, Answer)] == [200] * 4
    assert 2.0 <= hosts["seconds.example"].pauses[0] < 4
    assert 1.0 <= hosts["date.example"].pauses[0] < 4
    assert hosts["past.example"].pauses[0] < 1.9
    assert hosts["nonsense.example"].pauses[0] < 1.9


def test_a_vendor_who_asks_for_a_long_pause_is_not_asked_again(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(503, "", {"Retry-After": "60"}))
    net.hosts["later.example"] = always(Reply(503, "", {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}))
    began = time.monotonic()
    answers = send_all(Request("GET", URL), Request("GET", "https://later.example/"))
    assert [a.status for a in answers if isinstance(a, Answer)] == [503, 503]
    assert len(net.asked) == 2
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        ("0", 0),
        ("2.5", 2.5),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("9" * 400, None),
        ("1e300", None),
        ("1000000", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("2026-01-01T00:00:00Z", None),
        ("17, 18", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_or_nothing(text: str, seconds: float | None, net: Internet) -> None:
    net.hosts[HOST] = always(Reply(429, "", {"Retry-After": text}))
    answer = answer_to(Request("GET", URL))
    assert len(net.asked) == 1
    assert answer.retry_after == seconds


def test_a_date_in_retry_after_becomes_the_seconds_until_then(net: Internet) -> None:
    then = datetime.now(UTC) + timedelta(seconds=100)
    net.hosts[HOST] = always(Reply(429, "", {"Retry-After": format_datetime(then, usegmt=True)}))
    found = answer_to(Request("GET", URL)).retry_after
    assert found is not None
    assert 80 < found <= 100


# ---------------------------------------------------------------- what is read


def test_a_body_up_to_the_limit_is_whole_and_one_more_byte_is_cut(net: Internet) -> None:
    for packing, pack in (("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)):
        for size in (0, 1, LARGEST_BODY - 1, LARGEST_BODY, LARGEST_BODY + 1, LARGEST_BODY + 70000):
            data = pack(random.Random(size).randbytes(size).hex()[:size].encode())
            net.hosts[f"{packing}{size}.example"] = always(Reply(200, data, {"Content-Encoding": packing}))
    hosts = list(net.hosts)
    for host, answer in zip(hosts, send_all(*(Request("GET", f"https://{h}/") for h in hosts), seconds=20), strict=True):
        assert isinstance(answer, Answer), (host, answer)
        size = int(host.removesuffix(".example").lstrip("identygzpfla"))
        expected = random.Random(size).randbytes(size).hex()[:size]
        assert answer.body == expected[:LARGEST_BODY], host
        assert answer.whole == (size <= LARGEST_BODY), host


@pytest.mark.parametrize("packing", ["br", "zstd", "compress", "gzip, br", "rot13"])
def test_a_packing_that_was_not_asked_for_leaves_the_status_and_no_body(packing: str, net: Internet) -> None:
    net.hosts[HOST] = always(Reply(401, b"\x0b\x02\x80abc\x03", {"Content-Encoding": packing}))
    answer = answer_to(Request("GET", URL))
    assert (answer.status, answer.body, answer.whole) == (401, "", False)


def test_what_says_gzip_and_is_not_is_no_answer_and_not_asked_again(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(200, b'{"data":[]}', {"Content-Encoding": "gzip"}))
    assert send(Request("GET", URL)) == NoAnswer("the answer is not HTTP that can be read")
    assert len(net.asked) == 1


@pytest.mark.parametrize(
    ("kind", "body", "html"),
    [
        ("text/html", "{}", True),
        ("TEXT/HTML; charset=utf-8", "", True),
        ("application/json", "<!DOCTYPE html><p>", True),
        ("application/json", "\n\n  <html lang=en>", True),
        ("text/plain", "<HTML>", True),
        ("text/plain", "Authentication Fails (governor)", False),
        ("application/json", '{"message":"<html>"}', False),
        ("application/xml", "<ErrorResponse>", False),
        ("", "{}", False),
    ],
)
def test_a_page_for_people_is_told_from_an_answer(kind: str, body: str, html: bool, net: Internet) -> None:
    net.hosts[HOST] = always(Reply(403, body, {"Content-Type": kind}))
    assert answer_to(Request("GET", URL)).is_html is html


def test_bytes_that_are_no_text_do_not_stop_the_reading(net: Internet) -> None:
    net.hosts[HOST] = always(Reply(401, b'{"e":"\xff\xfe\x00"}'))
    answer = answer_to(Request("GET", URL))
    assert (answer.status, answer.whole) == (401, True)
    assert answer.body.startswith('{"e":"')


# ---------------------------------------------------------------- proxies


class Socks:
    """A SOCKS5 server without a password, which leads every name to one port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.names: list[str] = []

    def __call__(self, connection: socket.socket) -> None:
        read = connection.makefile("rb").read
        read(read(2)[1])
        connection.sendall(b"\x05\x00")
        assert read(4)[3] == 3, "names are for the proxy to look up"
        self.names.append(read(read(1)[0]).decode())
        read(2)
        connection.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        with socket.create_connection(("127.0.0.1", self.port)) as there:
            back = threading.Thread(target=self.pump, args=(there, connection))
            back.start()
            self.pump(connection, there)
            back.join(10)

    @staticmethod
    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_a_socks_proxy_carries_the_key_inside_tls(
    scheme: str, net: Internet, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    net.hosts["direct"] = always(Reply(200, "through socks"))
    socks = Socks(net.listen(tls=HOST))
    proxy = listen(socks)
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://127.0.0.1:{proxy.port}")
    answer = answer_to(Request("GET", URL, {"Authorization": KEY}))
    assert answer.body == "through socks"
    assert socks.names == [HOST]
    assert [asked.headers["authorization"] for asked in net.asked] == [KEY]


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_proxy_is_taken_from_any_of_the_usual_variables(name: str, net: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HTTPS_PROXY")
    monkeypatch.setenv(name, f"http://127.0.0.1:{net.port}")
    net.hosts[HOST] = always(Reply(200))
    answer_to(Request("GET", URL))
    assert net.connects == [f"{HOST}:443"]


@pytest.mark.parametrize("no_proxy_value", ["*", "other.example, vendor.example"])
def test_hosts_in_no_proxy_are_asked_directly(no_proxy_value: str, net: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy_value)
    net.hosts[HOST] = always(Reply(200))
    result = send(Request("GET", URL))
    assert isinstance(result, NoAnswer)
    assert "name could not be looked up" in result.reason
    assert net.connects == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_never_asked_through_a_proxy(
    host: str, scheme: str, net: Internet, listen: Callable[..., Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = listen(lambda connection: None)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    net.hosts["direct"] = always(Reply(200, "here"))
    family = "::1" if host == "[::1]" else "127.0.0.1"
    port = net.listen(family=family, tls=host.strip("[]") if scheme == "https" else None)
    assert answer_to(Request("GET", f"{scheme}://{host}:{port}/v1", {"Authorization": KEY})).body == "here"
    assert proxy.connections == 0
    assert net.connects == []


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://proxy.example",
        "socks4://proxy.example",
        "http://[::1",
        "http://proxy.example:port",
        "http://user:%s@127.0.0.1:99999",
        "127.0.0.1:99999",
        "http://user:%s@proxy.example:-1",
        "://",
        "http://\n",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_setting_that_makes_no_sense_is_told_before_anything_is_asked(
    proxy: str, name: str, no_proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, proxy.replace("%s", KEY))
    with pytest.raises(InvalidInput) as caught:
        send(Request("GET", URL))
    assert "HTTPS_PROXY" in str(caught.value)
    assert KEY not in str(caught.value) + repr(caught.value) + caught.value.hint


def test_a_proxy_s_password_goes_to_the_proxy_and_nowhere_else(net: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:{KEY}@127.0.0.1:{net.port}")
    net.hosts[HOST] = always(Reply(200))
    answer_to(Request("GET", URL))
    expected = base64.b64encode(f"someone:{KEY}".encode()).decode()
    assert f"proxy-authorization: basic {expected}".lower() in net.connect_heads[0].lower()
    assert "proxy-authorization" not in net.asked[0].headers
    assert expected not in repr(net.asked)
