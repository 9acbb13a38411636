"""Questions about many vendors' keys at once, and servers at the vendors' own addresses that answer each key as told.

Every key holds a mark, by which the servers know whose answer to give, and by which a key that went astray is found.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
from internet import Answerer, Asked, Internet, Reply

from keyvault.core.secret import Secret
from keyvault.liveness import balance, check
from keyvault.liveness.balance import Standing
from keyvault.liveness.check import Result
from keyvault.liveness.requests import Subject
from keyvault.providers import catalogue
from keyvault.providers.schema import Check, Provider, Request

PROVIDERS = {provider.id: provider for provider in catalogue.our_own()}
FIELDS = {
    "account_id": "account-1",
    "account_sid": "AC0001",
    "email": "me@example.com",
    "endpoint": "https://mine.openai.azure.com",
    "project_id": "project-1",
    "public_key": "pk-lf-half",
    "region": "eu-west-1",
    "secret_access_key": "the/secret+half",
    "url": "https://mine.supabase.co",
}
STRANGER = Reply(401, '{"error":"a key is missing"}')
_MARK = re.compile(r"kvcase(\d{5})x")


class Case(NamedTuple):
    """A key, and what is answered to it, by the addresses in the order asked; the last for all further. None: hang up."""

    provider: str
    replies: Sequence[Reply | None]
    prefix: str = ""
    fields: Mapping[str, str] | None = None  # None: all that the vendor's keys can need
    base_url: str = ""

    @property
    def given(self) -> Mapping[str, str]:
        if self.fields is not None:
            return self.fields
        known = PROVIDERS[self.provider].fields
        return {name: text for name, text in FIELDS.items() if name in known and not known[name].default}


class Told(NamedTuple):
    """What was made of a case: the result, and the requests that carried its key."""

    key: str
    result: Result
    asked: list[Asked]


class Counted(NamedTuple):
    """What a balance came to, and the requests that carried the key."""

    standing: Standing
    asked: list[Asked]


class Everywhere(dict[str, Answerer]):
    """One answerer at every address there is, so that a key that goes astray is heard."""

    def __init__(self, answer: Answerer) -> None:
        super().__init__()
        self._answer = answer

    def __contains__(self, host: object) -> bool:
        return True

    def __getitem__(self, host: str) -> Answerer:
        return self._answer


class Vendors:
    """All vendors on loopback, for one question after the other."""

    def __init__(self, folder: Path) -> None:
        self.net = Internet(folder)
        self.net.hosts = Everywhere(self._answer)
        self.stranger: Reply | None = STRANGER
        self._cases: list[Case] = []
        self._keys: list[str] = []
        self._places: list[list[tuple[str, str]]] = []

    def check(self, cases: Sequence[Case], *, strict: bool = False, seconds: float = 60) -> list[Told]:
        subjects = self._begin(cases)
        with reached(self.net):
            results = check.check(subjects, strict=strict, seconds=seconds)
        return [Told(*told) for told in zip(self._keys, results, self._by_case(), strict=True)]

    def balances(self, cases: Sequence[Case], *, seconds: float = 60) -> list[Counted]:
        subjects = self._begin(cases)
        with reached(self.net):
            standings = balance.balances(subjects, seconds=seconds)
        return [Counted(*counted) for counted in zip(standings, self._by_case(), strict=True)]

    def _begin(self, cases: Sequence[Case]) -> list[Subject]:
        self.net.asked.clear()
        self._cases = list(cases)
        self._keys = [f"{case.prefix}kvcase{number:05d}x-the-rest" for number, case in enumerate(cases)]
        self._places = [[] for _ in cases]
        return [
            Subject(
                f"{case.provider}/c{number}",
                PROVIDERS.get(case.provider),
                Secret(key),
                {name: Secret(text) for name, text in case.given.items()},
                case.base_url,
            )
            for number, (case, key) in enumerate(zip(cases, self._keys, strict=True))
        ]

    def _answer(self, asked: Asked) -> Reply:
        number = number_in(asked)
        if number is None:
            if self.stranger is None:
                raise ConnectionResetError
            return self.stranger
        place = (asked.host, asked.path.partition("?")[0])
        places, replies = self._places[number], self._cases[number].replies
        if place not in places:
            places.append(place)
        reply = replies[min(places.index(place), len(replies) - 1)]
        if reply is None:
            raise ConnectionResetError
        body = reply.body.replace("%KEY%", self._keys[number]) if isinstance(reply.body, str) else reply.body
        return reply._replace(body=body)

    def _by_case(self) -> list[list[Asked]]:
        found: list[list[Asked]] = [[] for _ in self._cases]
        for asked in self.net.asked:
            number = number_in(asked)
            if number is not None:
                found[number].append(asked)
        return found


@contextmanager
def reached(net: Internet) -> Iterator[None]:
    """This process reaches `net` instead of the world."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in net.environment().items():
            patch.setenv(name, text)
        yield


@contextmanager
def opened(folder: Path) -> Iterator[Vendors]:
    vendors = Vendors(folder)
    try:
        yield vendors
    finally:
        vendors.net.close()


def basic(asked: Asked) -> str:
    """The name and password of a request, or nothing."""
    kind, _, text = asked.headers.get("authorization", "").partition(" ")
    return base64.b64decode(text).decode() if kind == "Basic" else ""


def number_in(asked: Asked) -> int | None:
    """Whose key a request carries, wherever it may be."""
    found = _MARK.search("\n".join((asked.path, asked.body, basic(asked), *asked.headers.values())))
    return int(found[1]) if found else None


def answer(status: int, value: Any = "", **headers: str) -> Reply:
    """JSON, with blanks between its parts as many vendors send it; text stays as it is. %KEY% becomes the key."""
    body = value if isinstance(value, str) else json.dumps(value)
    return Reply(status, body, {name.replace("_", "-"): text for name, text in headers.items()})


def page(status: int, text: str = "Attention required") -> Reply:
    return Reply(status, f"<!DOCTYPE html><html><body>{text}</body></html>", {"Content-Type": "text/html; charset=utf-8"})


def supported(provider: Provider) -> Iterator[Check]:
    return (check for check in provider.checks if not check.unsupported)


def filled(text: str, key: str, provider: Provider, given: Mapping[str, str], *, in_url: bool = False) -> str:
    """A template of the catalogue with a key and fields in it, in the plainest way."""
    values = {name: field.default for name, field in provider.fields.items() if field.default} | dict(given)
    values["key"] = quote(key, safe=":") if in_url else key
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def address(url: str) -> tuple[str, str]:
    """Host, and path with what follows."""
    parts = urlsplit(url)
    return parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")


def good(asked: Request) -> Reply:
    """An answer that only a good key gets, by the vendor's own file."""
    assert isinstance(asked, Check)
    rule = next((rule for rule in asked.rules if rule.verdict == "valid"), None)
    return answer(rule.status, plausible(rule.body)) if rule else answer(asked.valid[0], {"id": "%KEY%", "object": "list"})


def plausible(marker: str) -> str:
    """A JSON body of a vendor that holds the marker, and an echo of the key."""
    if re.fullmatch(r'"\w+":\{', marker):
        return '{"data":{' + marker + '"id":"u-1"}},"echo":"%KEY%"}'
    if re.fullmatch(r'"\w+":', marker):
        return "{" + marker + '7777,"echo":"%KEY%"}'
    if re.fullmatch(r'"\w+":.+', marker):
        return '{"echo":"%KEY%","result":{' + marker + ',"n":1}}'
    if marker.startswith('"') and not marker.strip('"').isdigit():
        return "{" + marker + ':[{"message":"no"}],"echo":"%KEY%"}'
    code = marker.strip('"')
    return json.dumps({"error": {"code": code, "message": f"{code} (%KEY%)"}}, separators=(",", ":"))
