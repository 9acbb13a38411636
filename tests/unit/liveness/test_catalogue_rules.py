"""Every check of every vendor's file is made, and every rule of it is met, at the vendor's own address."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

import pytest
from internet import Asked, Reply
from vendors import PROVIDERS, Case, Told, Vendors, address, answer, basic, filled, good, opened, plausible, supported

from keyvault.providers.schema import Check, Provider, Rule

PROVES_NOTHING = {"exa"}  # no free answer of theirs is known to prove a key
CHECKS = [(provider, check) for provider in PROVIDERS.values() for check in supported(provider)]
CHECK_IDS = [f"{provider.id} {check.prefix}".strip() for provider, check in CHECKS]
RULES = [(provider, check, rule) for provider, check in CHECKS for rule in check.rules]
RULE_IDS = [f"{p.id} {c.prefix} {r.status} {r.body or 'any'} -> {r.verdict}".replace("  ", " ") for p, c, r in RULES]
REGIONAL = [(provider, check) for provider, check in CHECKS if len(check.urls) > 1]
REGIONAL_IDS = [f"{provider.id} {check.prefix}".strip() for provider, check in REGIONAL]
SPELLINGS = ("close", "spaced", "other case")


class Ask(NamedTuple):
    """What is expected of one request of a check."""

    place: tuple[str, str]
    headers: dict[str, str]
    basic: str
    form: list[tuple[str, str]]


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendors]:
    with opened(tmp_path_factory.mktemp("rules")) as made:
        yield made


class Heard(NamedTuple):
    """What was made of all cases, which are asked about at the same time."""

    by_rule: list[dict[str, Told]]
    by_check: list[Told]
    by_region: list[dict[str, Told]]


@pytest.fixture(scope="module")
def heard(vendors: Vendors) -> Heard:
    slow = [Case(p.id, replies, c.prefix) for p, c in REGIONAL for replies in stories(c).values()]
    cases = [Case(p.id, [Reply(r.status, body)], c.prefix) for p, c, r in RULES for body in spellings(r.body)]
    cases += [Case(p.id, [good(c)] if can_be_good(c) else [answer(400)], c.prefix) for p, c in CHECKS]
    told = iter(vendors.check(slow + cases))
    by_region = [{name: next(told) for name in stories(check)} for _, check in REGIONAL]
    by_rule = [{spelling: next(told) for spelling in SPELLINGS} for _ in RULES]
    return Heard(by_rule, list(told), by_region)


def spellings(marker: str) -> tuple[str, str, str]:
    body = plausible(marker)
    return body, json.dumps(json.loads(body), indent=3, separators=(" ,", " : ")), body.replace(marker, marker.swapcase())


def can_be_good(check: Check) -> bool:
    return bool(check.valid) or any(rule.verdict == "valid" for rule in check.rules)


def rejection(check: Check) -> Reply:
    """What this vendor's address answers to a key that it does not know."""
    rule = next((rule for rule in check.rules if rule.verdict in ("invalid", "invalid_here")), None)
    return answer(rule.status, plausible(rule.body)) if rule else answer(401, {"error": "no"})


def stories(check: Check) -> dict[str, list[Reply | None]]:
    no, yes = rejection(check), good(check)
    last = len(check.urls) - 1
    return {
        **{f"good at {number}": [*[no] * number, yes] for number in range(1, last + 1)},
        "rejected everywhere": [no],
        "rejected, then silent": [no, None],
        "silent, then rejected": [*[None] * last, no],
        "silent everywhere": [None],
        "silent, then good": [None, yes],
        "trouble, then good": [answer(503), yes],
    }


def expected(provider: Provider, check: Check, key: str) -> list[Ask]:
    """The requests as the file describes them, one for each address."""
    given = Case(provider.id, []).given
    return [
        Ask(
            address(filled(url, key, provider, given, in_url=True)),
            {name.lower(): filled(text, key, provider, given) for name, text in check.headers.items()},
            ":".join(filled(text, key, provider, given) for text in check.basic) if check.basic else "",
            [(name, filled(text, key, provider, given)) for name, text in check.form.items()],
        )
        for url in check.urls
    ]


def shadowing(check: Check, rule: Rule) -> Rule | None:
    """An earlier rule that fits whatever this one fits."""
    earlier = check.rules[: check.rules.index(rule)]
    return next((other for other in earlier if other.status == rule.status and covers(other.body, rule.body)), None)


def covers(one: str, other: str) -> bool:
    """What holds the marker `other` holds `one` too. A marker does not end amid a number."""
    before, found, after = other.lower().partition(one.lower())
    if one == "" or not found:
        return one == ""
    return not (one[-1].isdigit() and after[:1].isdigit()) and not (one[0].isdigit() and before[-1:].isdigit())


@pytest.mark.parametrize(("provider", "check", "rule"), RULES, ids=RULE_IDS)
def test_no_rule_is_hidden_by_an_earlier_one(provider: Provider, check: Check, rule: Rule) -> None:
    assert shadowing(check, rule) is None
    assert 200 <= rule.status < 300 or 400 <= rule.status < 500, "redirects and trouble of the server say nothing about a key"


@pytest.mark.parametrize("number", range(len(RULES)), ids=RULE_IDS)
def test_an_answer_that_fits_a_rule_gets_its_verdict(heard: Heard, number: int) -> None:
    _, check, rule = RULES[number]
    rejected = rule.verdict in ("invalid", "invalid_here")
    for spelling, told in heard.by_rule[number].items():
        wanted = "invalid" if rejected and len(check.urls) > 1 else rule.verdict
        assert (told.result.verdict, told.result.status) == (wanted, rule.status), spelling
        if rule.why and not (rejected and len(check.urls) > 1):
            assert told.result.reason == rule.why
        assert told.key not in repr(told.result)


@pytest.mark.parametrize("number", range(len(CHECKS)), ids=CHECK_IDS)
def test_the_request_carries_the_key_where_the_file_says_and_nowhere_else(heard: Heard, number: int) -> None:
    provider, check = CHECKS[number]
    told = heard.by_check[number]
    assert len(told.asked) == 1, "a good key is asked about once"
    asked, wanted = told.asked[0], expected(provider, check, told.key)[0]
    assert (asked.host, asked.path) == wanted.place
    assert asked.method == check.method
    if check.signature:
        signed = f"AWS4-HMAC-SHA256 Credential={told.key}/"
        assert asked.headers["authorization"].startswith(signed)
        assert f"/{check.signature.regions[0]}/{check.signature.service}/aws4_request" in asked.headers["authorization"]
        assert "the/secret+half" not in repr(asked)
    else:
        given = wanted.headers | ({"authorization": asked.headers["authorization"]} if check.basic else {})
        assert {name: asked.headers.get(name) for name in given} == given
        assert basic(asked) == wanted.basic
    if check.form:
        assert parse_qsl(asked.body, keep_blank_values=True) == wanted.form
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    else:
        assert asked.body == check.body
    assert carried(asked, told.key) == declared(check)


def carried(asked: Asked, key: str) -> int:
    text = "\n".join((asked.path, asked.body, basic(asked), *asked.headers.values()))
    return text.count(key)


def declared(check: Check) -> int:
    texts = (check.urls[0], *check.headers.values(), *(check.basic or ()), *check.form.values())
    count: int = sum(text.count("{key}") for text in texts)
    return count + 1 if check.signature else count


@pytest.mark.parametrize("number", range(len(CHECKS)), ids=CHECK_IDS)
def test_a_good_key_is_valid(heard: Heard, number: int) -> None:
    provider, check = CHECKS[number]
    assert can_be_good(check) == (provider.id not in PROVES_NOTHING)
    if can_be_good(check):
        assert heard.by_check[number].result.verdict == "valid"
        assert heard.by_check[number].result.then == ""


@pytest.mark.parametrize("number", range(len(RULES)), ids=RULE_IDS)
def test_a_key_goes_to_the_addresses_of_its_check_only_each_once_and_in_order(heard: Heard, number: int) -> None:
    provider, check, rule = RULES[number]
    for told in heard.by_rule[number].values():
        places = [ask.place for ask in expected(provider, check, told.key)]
        seen = [(asked.host, asked.path) for asked in told.asked]
        assert seen == (places if rule.verdict in ("invalid", "invalid_here") else places[:1])


@pytest.mark.parametrize("number", range(len(REGIONAL)), ids=REGIONAL_IDS)
def test_a_key_is_invalid_only_where_every_address_of_the_vendor_rejects_it(heard: Heard, number: int) -> None:
    provider, check = REGIONAL[number]
    told = heard.by_region[number]
    places = [ask.place for ask in expected(provider, check, told["rejected everywhere"].key)]
    for region in range(1, len(check.urls)):
        found = told[f"good at {region}"]
        assert found.result.verdict == "valid"
        assert found.result.reason.startswith(f"at {places[region][0]}: ")
        assert [(asked.host, asked.path) for asked in found.asked] == places[: region + 1]
    verdicts = {name: one.result.verdict for name, one in told.items() if not name.startswith("good at")}
    assert verdicts == {
        "rejected everywhere": "invalid",
        "rejected, then silent": "invalid_here",
        "silent, then rejected": "invalid_here",
        "silent everywhere": "unreachable",
        "silent, then good": "valid",
        "trouble, then good": "unknown",
    }
    silent = places[-1][0]
    assert silent in told["rejected, then silent"].result.reason


UNSUPPORTED = [(p, check) for p in PROVIDERS.values() for check in p.checks if check.unsupported]


def test_what_cannot_be_asked_is_not_sent_and_the_reason_is_told(vendors: Vendors) -> None:
    told = vendors.check([Case(provider.id, [answer(200, {})], check.prefix) for provider, check in UNSUPPORTED])
    assert len(told) > 20
    for one, (provider, check) in zip(told, UNSUPPORTED, strict=True):
        assert (one.result.verdict, one.result.status, one.asked) == ("unknown", None, [])
        assert one.result.reason == f"{provider.name} cannot be asked: {check.unsupported}"


def test_every_vendor_is_asked_or_says_why_not() -> None:
    assert {provider.id for provider, _ in (*CHECKS, *UNSUPPORTED)} == set(PROVIDERS)
