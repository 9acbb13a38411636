"""A good key is never called bad for what happens between the vendor and us, whatever the vendor; and what rules mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from internet import Asked, Reply
from vendors import PROVIDERS, Case, Everywhere, Vendors, answer, basic, filled, good, number_in, opened, page, supported

from keyvault.liveness import verdict
from keyvault.net.client import Answer
from keyvault.providers.schema import Check, Rule

CHECKS = [(provider, check) for provider in PROVIDERS.values() for check in supported(provider)]
HARMLESS = {"unknown", "unreachable"}
checks = st.sampled_from([check for _, check in CHECKS])
markers = st.sampled_from(sorted({rule.body for _, check in CHECKS for rule in check.rules if rule.body}))
leaves = st.none() | st.booleans() | st.integers(-9, 10**6) | st.text(max_size=12) | markers
documents = st.recursive(
    leaves, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part, max_size=3), max_leaves=8
)
noise = st.text(max_size=60) | st.lists(markers | st.text(max_size=9), max_size=6).map(" ".join) | documents.map(json.dumps)


def plain(status: int, body: str, *, is_html: bool = False) -> Answer:
    return Answer(status, body, is_html, True, None)


@settings(max_examples=400)
@given(checks, st.integers(200, 599), noise)
def test_a_page_means_nothing_whatever_it_says_but_with_401(check: Check, status: int, body: str) -> None:
    reading = verdict.read(check, plain(status, body, is_html=True))
    if status == 401:
        bare = next((rule.verdict for rule in check.rules if rule.status == 401 and not rule.body), "invalid")
        assert reading.verdict == bare
    else:
        assert reading.verdict == "unknown"


@settings(max_examples=400)
@given(checks, st.integers(500, 599) | st.integers(300, 399) | st.sampled_from([404, 407, 408, 425, 451]), noise)
def test_trouble_on_the_way_is_never_the_keys_fault_unless_the_vendor_is_known_to_mean_it(
    check: Check, status: int, body: str
) -> None:
    known = {rule.verdict for rule in check.rules if rule.status == status}
    assert verdict.read(check, plain(status, body)).verdict in {"unknown"} | known
    assert status < 400 or status == 404 or known == set()


@settings(max_examples=400)
@given(checks, noise)
def test_a_good_status_that_no_rule_mentions_is_good(check: Check, body: str) -> None:
    folded = "".join(body.lower().split())
    if any(rule.status == 200 and "".join(rule.body.lower().split()) in folded for rule in check.rules):
        return
    expected = "valid" if 200 in check.valid else "unknown"
    assert verdict.read(check, plain(200, body)).verdict == expected


@settings(max_examples=300)
@given(checks, noise, noise)
def test_403_without_a_rule_is_refused_and_never_invalid(check: Check, first: str, second: str) -> None:
    known = {rule.verdict for rule in check.rules if rule.status == 403}
    assert verdict.read(check, plain(403, first + second)).verdict in {"refused"} | known
    if not any(rule.status == 403 and not rule.body for rule in check.rules):
        assert verdict.read(check, plain(403, "")).verdict == "refused"


@settings(max_examples=400)
@given(
    st.text(st.sampled_from('ab":19'), min_size=1, max_size=6),
    st.text(st.sampled_from('ab":19 '), max_size=6),
    st.text(st.sampled_from('ab":19 '), max_size=6),
)
@example('"code":1', "{", "9}")
@example("1", "9", "")
@example("a1", "", "1")
def test_a_marker_does_not_begin_or_end_amid_a_number(marker: str, before: str, after: str) -> None:
    check = Check(urls=("https://a.example/x",), rules=(Rule(status=200, verdict="invalid", body=marker),))
    body = before + marker + after
    amid = (marker[-1].isdigit() and after[:1].isdigit()) or (marker[0].isdigit() and before[-1:].isdigit())
    met = verdict.read(check, plain(200, body)).verdict == "invalid"
    if not amid:
        assert met
    elif body.count(marker) == 1 and " " not in body and '"' not in body:
        assert not met


@settings(max_examples=300)
@given(documents, checks, st.sampled_from([200, 400, 401, 402, 403, 422, 429]), st.sampled_from([None, 1, 4, "\t"]))
def test_how_a_document_is_laid_out_changes_nothing(document: Any, check: Check, status: int, indent: int | str | None) -> None:
    close = json.dumps(document, separators=(",", ":"))
    wide = json.dumps(document, indent=indent, separators=(" ,", " : "))
    assert verdict.read(check, plain(status, wide)) == verdict.read(check, plain(status, close))
    assert verdict.read(check, plain(status, close.upper())) == verdict.read(check, plain(status, close.lower()))


FAULTS: dict[str, Reply | bytes | None] = {
    "hangs up": None,
    "resets": b"RST",
    "is silent": b"SILENT",
    "ends amid the head": b"HTTP/1.1 401 X\r\nContent-Le",
    "ends amid the body": b'HTTP/1.1 401 X\r\nContent-Length: 500\r\n\r\n{"error":{"code":"invalid_api_key"',
    "is no HTTP": b"220 mail.example ESMTP\r\n",
    "500": answer(500, {"error": {"code": "invalid_api_key"}}),
    "529": answer(529, {}),
    "403 page": page(403, "Incorrect API key provided invalid_auth reported as leaked"),
    "200 page": page(200, '"status_code":2049 "error_code":110 invalid_auth'),
    "502 page": page(502),
    "302": Reply(302, "", {"Location": "https://elsewhere.example/"}),
    "307": Reply(307, "", {"Location": "https://elsewhere.example/"}),
}


class Faulty:
    """The vendors' own addresses, with a fault for each key."""

    def __init__(self, vendors: Vendors, faults: dict[str, Reply | bytes | None]) -> None:
        self.vendors = vendors
        self.faults = faults
        for provider, check in CHECKS:
            for url in check.urls:
                host = filled(url, "", provider, Case(provider.id, []).given).split("/")[2]
                vendors.net.raw[host] = self._talk

    async def _talk(self, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        key = next(text for text in (asked.path, asked.body, repr(asked.headers), basic(asked)) if "fault" in text)
        fault = self.faults[list(self.faults)[int(key.partition("fault")[2][:2])]]
        if isinstance(fault, Reply):
            head = "".join(f"{name}: {text}\r\n" for name, text in fault.headers.items())
            body = fault.body if isinstance(fault.body, bytes) else fault.body.encode()
            writer.write(f"HTTP/1.1 {fault.status} X\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body)
        elif fault == b"SILENT":
            await reader.read()  # until the other side has had enough
        elif fault == b"RST":
            writer.transport.abort()
            return
        elif fault:
            writer.write(fault)
        await writer.drain()
        writer.close()

    def ask(self) -> list[tuple[str, str, str]]:
        """Vendor, fault and verdict, for all vendors and faults."""
        named = [(p.id, c, n, name) for p, c in CHECKS for n, name in enumerate(self.faults)]
        cases = [Case(vendor, [], f"{check.prefix}fault{number:02}") for vendor, check, number, _ in named]
        told = self.vendors.check(cases, seconds=1.5)
        return [(vendor, name, one.result.verdict) for (vendor, _, _, name), one in zip(named, told, strict=True)]


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with opened(tmp_path) as made:
        yield made


def test_no_vendors_good_key_is_called_bad_for_a_fault_on_the_way(vendors: Vendors) -> None:
    quick = ("is silent", "ends amid the body", "403 page", "200 page", "307")
    found = Faulty(vendors, {name: FAULTS[name] for name in quick}).ask()
    assert len(found) == len(CHECKS) * len(quick)
    assert [line for line in found if line[2] not in HARMLESS] == []
    assert {kind for _, name, kind in found if name == "is silent"} == {"unreachable"}
    assert "elsewhere.example" not in {asked.host for asked in vendors.net.asked}


@pytest.mark.nightly
def test_no_vendors_good_key_is_called_bad_for_any_fault_on_the_way(vendors: Vendors) -> None:
    found = Faulty(vendors, FAULTS).ask()
    assert [line for line in found if line[2] not in HARMLESS] == []


def test_a_good_key_that_is_heard_at_the_second_attempt_is_valid(vendors: Vendors) -> None:
    vendors.stranger = answer(401)
    proving = [(provider, check) for provider, check in CHECKS if provider.id != "exa"]
    first = {f"{provider.id} {check.prefix}" for provider, check in proving}
    seen: set[int] = set()
    answerer = vendors.net.hosts["any"]

    def tired(asked: Asked) -> Reply:
        number = number_in(asked)
        if number is not None and number not in seen:
            seen.add(number)
            return answer(503, {})
        return answerer(asked)

    vendors.net.hosts = Everywhere(tired)
    told = vendors.check([Case(provider.id, [good(check)], check.prefix) for provider, check in proving])
    assert {one.result.verdict for one in told} == {"valid"}
    assert len(seen) == len(first)
