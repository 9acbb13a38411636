"""What is true of answers that no vendor's rule knows, and of answers made to mislead or to hinder."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from internet import Asked, Internet, Reply
from vaults import VaultHome, add_key
from vendors import PROVIDERS, Case, Vendors, answer, opened, page, supported

from keyvault.core.secret import Secret
from keyvault.liveness import check, verdict
from keyvault.liveness.requests import Subject
from keyvault.net.client import LARGEST_BODY, Answer
from keyvault.providers.schema import Check, Rule

PLAIN_VENDOR = "cerebras"  # no rules of its own
HTML = {"Content-Type": "text/html; charset=utf-8"}
SOON = format_datetime(datetime.now(UTC) + timedelta(hours=100), usegmt=True)  # 3xx,xxx seconds, however long the tests take
ELSEWHERE = {"Location": "https://elsewhere.example/v1/models"}

DEFAULTS: dict[str, tuple[Reply, str, str]] = {
    "401": (answer(401, {"error": "no"}), "invalid", ""),
    "401 in plain text": (Reply(401, "no", {"Content-Type": "text/plain"}), "invalid", ""),
    "401 with nothing": (answer(401), "invalid", ""),
    "401 as a page": (page(401), "invalid", ""),
    "402": (answer(402, {"error": "pay"}), "no_credit", ""),
    "403": (answer(403, {"error": "no"}), "refused", ""),
    "403 in plain text": (Reply(403, "Forbidden", {"Content-Type": "text/plain"}), "refused", ""),
    "403 with nothing": (answer(403), "refused", ""),
    "403 as a page": (page(403), "unknown", "web page came back (403)"),
    "403 as a page by its type alone": (Reply(403, "Forbidden", HTML), "unknown", "web page"),
    "403 as a page by its text alone": (answer(403, "  \n<!doctype HTML><title>x"), "unknown", "web page"),
    "403 as a page without a doctype": (answer(403, "<HTML><body>x"), "unknown", "web page"),
    "429": (answer(429, {"error": "slow down"}), "rate_limited", ""),
    "429 with seconds": (answer(429, {}, Retry_After="120"), "rate_limited", "wait 120 s"),
    "429 with a date": (
        answer(429, {}, Retry_After=SOON),
        "rate_limited",
        "wait 3",
    ),  # 3xx,xxx seconds, however long the tests take
    "429 with nonsense": (answer(429, {}, Retry_After="soon"), "rate_limited", "nothing says it is bad"),
    "429 with no number": (answer(429, {}, Retry_After="nan"), "rate_limited", "nothing says it is bad"),
    "429 as a page": (page(429), "unknown", "web page"),
    "400": (answer(400, {"error": "bad"}), "unknown", "no rule of the catalogue fits this answer (400)"),
    "404": (answer(404, {}), "unknown", "the address was not found (404)"),
    "407": (answer(407, {}), "unknown", "a proxy wants a password (407)"),
    "418": (answer(418, {}), "unknown", "(418)"),
    "451": (answer(451, {}), "unknown", "blocked for legal reasons (451)"),
    "500": (answer(500, {}), "unknown", "trouble of its own (500)"),
    "502 as a page": (page(502), "unknown", "web page"),
    "503": (answer(503, {}), "unknown", "(503)"),
    "529": (answer(529, {}), "unknown", "trouble of its own (529)"),
    **{
        f"{status} to elsewhere": (Reply(status, "", ELSEWHERE), "unknown", f"a redirect ({status})")
        for status in (301, 302, 303, 307, 308)
    },
    "302 as a page": (Reply(302, "<html>", HTML | ELSEWHERE), "unknown", "web page"),
    "300": (answer(300, {}), "unknown", "a redirect (300)"),
    "304": (Reply(304), "unknown", "(304)"),
    "200": (answer(200, {"data": []}), "valid", ""),
    "200 as a page": (page(200), "unknown", "web page came back (200)"),
    "200 as a page by its type alone": (Reply(200, "{}", HTML), "unknown", "web page"),
    "201": (answer(201, {}), "unknown", "(201)"),
    "204": (Reply(204), "unknown", "(204)"),
}
STRICT = {name: kind for name, (_, kind, _) in DEFAULTS.items()} | {
    name: "invalid" for name in DEFAULTS if name.startswith(("401", "403"))
}
TIRED = ("500", "502 as a page", "503", "529")


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with opened(tmp_path) as made:
        yield made


def test_what_an_answer_means_where_the_vendor_has_no_rule(vendors: Vendors) -> None:
    told = vendors.check([Case(PLAIN_VENDOR, [reply]) for reply, _, _ in DEFAULTS.values()])
    assert list(next(supported(PROVIDERS[PLAIN_VENDOR])).rules) == []
    found = dict(zip(DEFAULTS, told, strict=True))
    assert {name: one.result.verdict for name, one in found.items()} == {name: kind for name, (_, kind, _) in DEFAULTS.items()}
    for name, (reply, kind, why) in DEFAULTS.items():
        assert why in found[name].result.reason, name
        assert found[name].result.status == reply.status
        assert found[name].result.usable == {"valid": True, "rate_limited": None, "unknown": None}.get(kind, False)
        assert len(found[name].asked) == (3 if name in TIRED else 1), name
    assert {asked.host for asked in vendors.net.asked} == {"api.cerebras.ai"}


def test_strictly_401_and_403_are_invalid_whatever_they_say_and_the_rest_stays(vendors: Vendors) -> None:
    told = vendors.check([Case(PLAIN_VENDOR, [reply]) for reply, _, _ in DEFAULTS.values()], strict=True)
    assert {name: one.result.verdict for name, one in zip(DEFAULTS, told, strict=True)} == STRICT


def test_strictly_no_rule_softens_401_and_403_and_no_other_region_is_asked(vendors: Vendors) -> None:
    told = vendors.check(
        [
            Case("openai", [answer(401, {"error": {"code": "billing_not_active"}})]),
            Case("openai", [answer(403, {"error": {"message": "Missing scopes"}})]),
            Case("groq", [answer(403, {"error": {"message": "check your network settings"}})]),
            Case("elevenlabs", [answer(401)]),
            Case("moonshot", [answer(401), answer(200, {})]),
            Case("slack", [answer(200, {"ok": False, "error": "invalid_auth"})], "xoxb-"),
            Case("slack", [answer(200, {"ok": True})], "xoxb-"),
            Case("pypi", [answer(400, "Include at least one message digest.")]),
        ],
        strict=True,
    )
    assert [one.result.verdict for one in told] == [*["invalid"] * 6, "valid", "valid"]
    assert len(told[4].asked) == 1


def test_strictly_a_listing_that_strangers_get_proves_nothing_either(vendors: Vendors) -> None:
    vendors.stranger = answer(200, {"data": []})
    assert vendors.check([Case("ollama-cloud", [answer(200, {"data": []})])], strict=True)[0].result.verdict == "unknown"


def test_a_page_with_401_is_read_as_the_vendors_own_file_reads_a_bare_401(vendors: Vendors) -> None:
    bare = {
        provider.id: next(check for check in supported(provider) if check.prefix == "")
        for provider in PROVIDERS.values()
        if any(check.prefix == "" for check in supported(provider))
    }
    told = vendors.check([Case(vendor, [page(401, "expired missing_permissions")]) for vendor in bare])
    for one, (vendor, asked) in zip(told, bare.items(), strict=True):
        kind = next((rule.verdict for rule in asked.rules if rule.status == 401 and not rule.body), "invalid")
        assert one.result.verdict == ("invalid" if kind == "invalid_here" and len(asked.urls) > 1 else kind), vendor
    cautious = {vendor for vendor, one in zip(bare, told, strict=True) if one.result.verdict != "invalid"}
    assert {"openai", "elevenlabs", "aws", "mistral", "datadog", "twilio", "chatanywhere"} <= cautious


@pytest.mark.parametrize(
    ("stranger", "expected"),
    [
        (answer(401), "valid"),
        (answer(403, {"error": "no"}), "valid"),
        (answer(400, {"error": "no key"}), "valid"),
        (page(401), "valid"),
        (answer(200, {"data": []}), "unknown"),
        (page(403), "unknown"),
        (answer(429), "unknown"),
        (answer(404), "unknown"),
        (answer(503), "unknown"),
        (Reply(302, "", ELSEWHERE), "unknown"),
    ],
    ids=lambda case: f"{case.status} {'page' if 'html' in str(case.headers) else ''}" if isinstance(case, Reply) else case,
)
def test_a_good_answer_of_what_may_be_public_counts_only_where_a_stranger_is_turned_away(
    vendors: Vendors, stranger: Reply, expected: str
) -> None:
    vendors.stranger = stranger
    told = vendors.check(
        [
            Case("ollama-cloud", [answer(200, {"data": []})]),
            Case("openai", [answer(200, {"data": []})], base_url="https://relay.example/v1"),
            Case("", [answer(200, {"data": []})], base_url="https://relay.example/v1", fields={}),
        ]
    )
    assert [one.result.verdict for one in told] == [expected] * 3
    assert [one.asked[0].host for one in told] == ["ollama.com", "relay.example", "relay.example"]
    finding = (
        "gives the same answer without a key" if stranger.status == 200 else "does not say whether it would refuse a stranger"
    )
    for one in told:
        assert one.result.reason == (
            "it works" if expected == "valid" else f"{one.asked[0].host} {finding}, so it proves nothing"
        )


def test_where_the_key_is_in_the_address_a_stranger_has_another_word_there(vendors: Vendors) -> None:
    at_a_relay = Case("telegram-bot", [answer(200, {"ok": True})], "12345678:", base_url="https://relay.example")
    vendors.stranger = answer(404, {"ok": False})
    assert vendors.check([at_a_relay])[0].result.verdict == "valid"
    vendors.stranger = answer(200, {"ok": True})
    assert vendors.check([at_a_relay])[0].result.verdict == "unknown"


def test_a_stranger_who_gets_no_answer_was_not_turned_away(vendors: Vendors) -> None:
    vendors.stranger = None
    [told] = vendors.check([Case("ollama-cloud", [answer(200, {"data": []})])])
    assert told.result.verdict == "unknown"
    assert told.result.reason == "ollama.com does not say whether it would refuse a stranger, so it proves nothing"


def test_what_only_the_vendor_itself_answers_needs_no_second_question(vendors: Vendors) -> None:
    vendors.stranger = answer(200, {})
    assert vendors.check([Case("openai", [answer(200, {})])])[0].result.verdict == "valid"
    assert len(vendors.net.asked) == 1


def test_a_number_that_only_begins_or_ends_like_a_rules_is_another(vendors: Vendors) -> None:
    told = vendors.check(
        [
            Case("minimax", [answer(200, {"base_resp": {"status_code": 10041}})]),
            Case("minimax", [answer(200, {"base_resp": {"status_code": 20490}})]),
            Case("baidu-qianfan", [answer(200, {"error_code": 1100})], "bce-v3/"),
            Case("baidu-qianfan", [answer(200, {"error_code": 1300})], "bce-v3/"),
            Case("siliconflow", [answer(403, {"code": 300012})]),
            Case("siliconflow", [answer(403, {"code": 130001})]),
            Case("siliconflow", [answer(403, {"code": 30001})]),
            Case("siliconflow", [answer(200, {"code": 200001})]),
        ]
    )
    found = [one.result.verdict for one in told]
    assert found == ["unknown"] * 4 + ["restricted", "restricted", "no_credit", "unknown"]


MARKED = Check(urls=("https://a.example/x",), rules=(Rule(status=200, verdict="invalid", body='"code":"A b"'),))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"code":"A b"}', "invalid"),
        ('{ "code"\r\n\t:  "a B" }', "invalid"),
        ('{"CODE" : "A B"}', "invalid"),
        ('{"code":"Ab"}', "valid"),
        ('{"code":"A  b"}', "valid"),
        ('{"says":"\\"code\\" : \\"A b\\""}', "valid"),
        ('{"code":"x"}', "valid"),
        ('broken " {"code" : "A b"}', "valid"),
    ],
)
def test_blanks_between_parts_do_not_count_and_those_in_texts_do(body: str, expected: str) -> None:
    assert verdict.read(MARKED, Answer(200, body, False, True, None)).verdict == expected


def test_a_key_is_invalid_where_each_address_rejected_it_and_invalid_here_where_one_is_silent() -> None:
    one, other = (check._Heard(host, verdict.Reading("invalid"), 401) for host in ("a.example", "b.example"))
    told = check._Heard("b.example", verdict.Reading("invalid", "it has expired"), 403)
    silent = check._Heard("c.example", verdict.Reading("unreachable", "no route"), None)
    assert check._together([one]) == one
    assert check._together([silent, silent]) == silent
    assert check._together([one, other]) == ("a.example and b.example", ("invalid", "rejected by a.example and b.example"), 401)
    assert check._together([told, one]).reading.why == "it has expired; rejected by b.example and a.example"
    heard = check._together([silent, one, other])
    assert heard.reading.verdict == "invalid_here"
    assert heard.reading.why == "rejected by a.example and b.example; c.example could not be reached"
    assert heard.status == 401
    heard = check._together([silent, one, silent._replace(host="d.example")])
    assert heard.reading.why == "rejected by a.example; c.example and d.example could not be reached"
    works = check._Heard("b.example", verdict.Reading("valid"), 200)
    assert check._elsewhere(works).reading.why == "at b.example: it works"
    assert check._elsewhere(told).reading.why == "at b.example: it has expired"


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 402, 403, 404, 418, 422, 423, 429, 500, 503])
@pytest.mark.parametrize("is_html", [False, True])
def test_who_turns_a_stranger_away(status: int, is_html: bool) -> None:
    expected = status == 401 or (not is_html and status in (400, 403, 422))
    assert verdict.refuses(MARKED, Answer(status, "{}", is_html, True, None)) == expected


def test_a_key_that_looks_like_another_vendors_is_told_so_with_the_way_to_move_it() -> None:
    rejected = check._Heard("api.cerebras.ai", verdict.Reading("invalid"), 401)
    theirs, own = (
        check._result(Subject("cerebras/work", PROVIDERS["cerebras"], Secret(value), {}, ""), rejected)
        for value in ("gsk_" + "aB3" * 17 + "x", "unknown")
    )
    assert theirs.reason == "the vendor rejects it; it looks like a key of Groq"
    assert theirs.then == "keyvault rename cerebras/work groq/work, if it is one"
    assert own.reason == "the vendor rejects it"
    assert own.then == f"make a new one at {PROVIDERS['cerebras'].console_url}, then: keyvault edit --value cerebras/work"


def test_a_rule_gives_its_own_reason_and_strictness_the_status() -> None:
    rule = Rule(status=403, body="", verdict="restricted", why="an admin key is wanted")
    asked = Check(urls=MARKED.urls, rules=(rule,))
    refused = Answer(403, "{}", False, True, None)
    assert verdict.read(asked, refused) == ("restricted", "an admin key is wanted")
    assert verdict.read_strictly(asked, refused) == ("invalid", "the answer was 403")
    good = Answer(200, '{"code":"A b"}', False, True, None)
    assert (verdict.read(MARKED, good).verdict, verdict.read_strictly(MARKED, good).verdict) == ("invalid", "valid")


@pytest.mark.parametrize(
    "body", ['\\"' * (LARGEST_BODY // 2), '"' * LARGEST_BODY, '"\\', " " * LARGEST_BODY, '"a' * 10**5 + "\\"]
)
def test_no_body_makes_reading_slow(body: str) -> None:
    asked = next(supported(PROVIDERS["openai"]))
    began = time.process_time()
    for status in (200, 401, 429):
        verdict.read(asked, Answer(status, body, False, True, None))
    assert time.process_time() - began < 10


def test_a_vendor_hears_of_at_most_eight_keys_at_a_time_and_another_does_not_wait_for_it(tmp_path: Path) -> None:
    hosts = {"cerebras": "api.cerebras.ai", "groq": "api.groq.com"}
    with opened(tmp_path) as vendors:
        now: Counter[str] = Counter()
        most, most_together = dict.fromkeys(hosts.values(), 0), 0

        async def slow(asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal most_together
            now[asked.host] += 1
            most[asked.host] = max(most[asked.host], now[asked.host])
            most_together = max(most_together, now.total())
            await asyncio.sleep(0.2)
            now[asked.host] -= 1
            writer.write(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()

        vendors.net.raw.update(dict.fromkeys(hosts.values(), slow))
        told = vendors.check([Case(vendor, []) for vendor in hosts for _ in range(12)])
    assert [one.result.verdict for one in told] == ["invalid"] * 24
    assert most == dict.fromkeys(hosts.values(), 8)
    assert most_together > 8


def test_results_come_in_the_order_asked_and_each_is_heard_once(vendors: Vendors) -> None:
    cases = [Case(vendor, [answer(401)]) for vendor in ("together", "groq", "together", "perplexity")]
    heard: list[str] = []
    told = vendors.check(cases)
    assert [one.result.ref for one in told] == ["together/c0", "groq/c1", "together/c2", "perplexity/c3"]
    nowhere = Subject("nobody/x", None, Secret("k"), {}, "")
    results = check.check([nowhere, nowhere._replace(ref="nobody/y")], on_result=lambda result: heard.append(result.ref))
    assert [result.verdict for result in results] == ["unknown", "unknown"]
    assert sorted(heard) == ["nobody/x", "nobody/y"]
    assert check.check([]) == []


def test_a_verdict_of_another_version_tells_nothing_of_use() -> None:
    assert verdict.usable("of tomorrow") is None


def test_every_verdict_says_whether_the_key_can_be_used_and_every_bad_one_what_to_do() -> None:
    assert {kind for kind, (usable, _, _) in verdict.MEANINGS.items() if usable} == {"valid", "restricted"}
    assert {kind for kind, (usable, _, _) in verdict.MEANINGS.items() if usable is None} == {
        "rate_limited",
        "unreachable",
        "unknown",
    }
    assert [kind for kind, (_, _, then) in verdict.MEANINGS.items() if not then] == ["valid"]
    assert set(verdict.BAD) == {"invalid", "invalid_here", "refused", "disabled"}


def test_the_command_tells_what_the_vendors_answered(tmp_path: Path) -> None:
    answers = {
        "api.cerebras.ai": (page(403), "unknown"),
        "api.perplexity.ai": (answer(401, {}), "invalid"),
        "api.replicate.com": (answer(403, {}), "refused"),
        "api.together.xyz": (Reply(307, "", ELSEWHERE), "unknown"),
        "slack.com": (answer(200, {"ok": False, "error": "token_revoked"}), "disabled"),
    }
    home, net = VaultHome(str(tmp_path)), Internet(tmp_path)
    vault = home.create()
    vendors = ("cerebras", "perplexity", "replicate", "together", "slack")
    for vendor in vendors:
        add_key(vault, vendor, f"key-of-{vendor}")
    net.hosts = {host: lambda _, reply=reply: reply for host, (reply, _) in answers.items()}  # type: ignore[misc]
    run = home.run("check", "--json", env=net.environment(), code=7)
    results = {result["provider"]: result for result in json.loads(run.stdout)["results"]}
    strictly = json.loads(home.run("check", "--strict", "--json", env=net.environment(), code=7).stdout)["results"]
    net.close()
    assert {vendor: results[vendor]["verdict"] for vendor in vendors} == dict(
        zip(vendors, [kind for _, kind in answers.values()], strict=True)
    )
    assert {result["provider"]: result["verdict"] for result in strictly} == {
        "cerebras": "invalid",
        "perplexity": "invalid",
        "replicate": "invalid",
        "together": "unknown",
        "slack": "disabled",
    }
    assert b"key-of-" not in run.stdout + run.stderr
    assert {asked.host for asked in net.asked} == set(answers)
