"""What is left, as each vendor puts it; and no figure rather than a wrong one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
from internet import Internet, Reply
from msgspec.structs import replace
from vaults import VaultHome, add_key
from vendors import PROVIDERS, Case, Counted, Everywhere, Vendors, address, answer, filled, opened, page

from keyvault.core.secret import Secret
from keyvault.liveness import balance
from keyvault.liveness.requests import Subject
from keyvault.net.client import LARGEST_BODY
from keyvault.providers.schema import Balance

EACH = [(p.id, number) for p in PROVIDERS.values() for number in range(len(p.balances))]
NO_FIGURE = "the vendor's answer holds no figure that the catalogue knows"


class Fact(NamedTuple):
    """An answer of a vendor, and the figures in it: amount, unit, parts, facts."""

    vendor: str
    says: str
    body: Any
    figures: list[tuple[str | None, str, dict[str, str], dict[str, str]]]
    number: int = 0
    prefix: str = ""


def left(amount: str | None, unit: str, parts: Mapping[str, str] = {}, /, **facts: str) -> Any:
    return amount, unit, dict(parts), {name.replace("_", " "): text for name, text in facts.items()}


OPENROUTER = {"limit_remaining": 7.5, "usage": 2.5, "usage_monthly": 1.25, "is_free_tier": False, "limit": 10}
SPENT = {"spent_this_month": "1.25", "spent_in_all": "2.5", "free_tier": "no"}
FACTS = [
    Fact("openrouter", "a limit", {"data": OPENROUTER}, [left("7.5", "USD", **SPENT, limit="10")]),
    Fact(
        "openrouter",
        "no limit (null)",
        {"data": OPENROUTER | {"limit_remaining": None, "limit": None, "limit_reset": None}},
        [left(None, "USD", **SPENT, limit="-", limit_resets="-")],
    ),
    Fact(
        "openrouter",
        "an account: credits less usage, without rounding",
        {"data": {"total_credits": 100.5, "total_usage": 25.750000001}},
        [left("74.749999999", "USD")],
        number=1,
    ),
    Fact("openrouter", "an account in debt", {"data": {"total_credits": 1, "total_usage": 3}}, [left("-2", "USD")], number=1),
    Fact(
        "deepseek",
        "two currencies, as text",
        {
            "is_available": True,
            "balance_infos": [
                {"currency": "CNY", "total_balance": "110.00", "granted_balance": "10.00", "topped_up_balance": "100.00"},
                {"currency": "USD", "total_balance": "0.50", "granted_balance": "0.00", "topped_up_balance": "0.50"},
            ],
        },
        [
            left("110.00", "CNY", {"gift": "10.00", "topped up": "100.00"}, usable="yes"),
            left("0.50", "USD", {"gift": "0.00", "topped up": "0.50"}, usable="yes"),
        ],
    ),
    Fact(
        "openai",
        "costs of several days and lines",
        {
            "data": [
                {"results": [{"amount": {"value": 0.06, "currency": "usd"}}, {"amount": {"value": 0.1}}]},
                {"results": []},
                {"results": [{"amount": {"value": "1.004"}}]},
            ]
        },
        [left("1.164", "USD")],
        prefix="sk-admin-",
    ),
    Fact("openai", "nothing spent", {"data": [{"results": []}]}, [left("0", "USD")], prefix="sk-admin-"),
    Fact(
        "anthropic",
        "costs in cents",
        {"data": [{"results": [{"amount": "123.45", "currency": "USD"}]}, {"results": [{"amount": "0.55"}]}]},
        [left("1.2400", "USD")],
        prefix="sk-ant-admin01-",
    ),
    Fact("anthropic", "nothing spent", {"data": []}, [left("0.00", "USD")], prefix="sk-ant-admin01-"),
    Fact(
        "zhipu",
        "a plan's shares, used",
        {"success": True, "data": {"limits": [{"percentage": 12}, {"percentage": 80.5}]}},
        [left("12", "%"), left("80.5", "%")],
    ),
    Fact("chatanywhere", "total less used", {"balanceTotal": 10.5, "balanceUsed": 0.25}, [left("10.25", "CA credits")]),
    Fact(
        "moonshot",
        "cash in debt, voucher left",
        {"code": 0, "data": {"available_balance": 46.58893, "voucher_balance": 49.58893, "cash_balance": -3}},
        [left("46.58893", "CNY", {"cash": "-3", "voucher": "49.58893"})],
    ),
    Fact("deepinfra", "credit counted as negative", {"stripe_balance": -12.5}, [left("12.5", "USD")]),
    Fact("deepinfra", "debt counted as positive", {"stripe_balance": 3}, [left("-3", "USD")]),
    Fact("deepinfra", "nothing, and no minus before it", {"stripe_balance": 0}, [left("0", "USD")]),
    Fact("hyperbolic", "cents", {"credits": 1234}, [left("12.34", "USD")]),
    Fact("novita", "ten-thousandths, as text", {"availableBalance": "123456"}, [left("12.3456", "USD")]),
    Fact(
        "siliconflow",
        "a gift and a part paid",
        {"code": 20000, "data": {"balance": "0.88", "chargeBalance": "88.00", "totalBalance": "88.88"}},
        [left("88.88", "CNY", {"gift": "0.88", "topped up": "88.00"})],
    ),
    Fact(
        "stepfun",
        "what is left, not what was ever paid",
        {"balance": 10.5, "total_cash_balance": 100, "total_voucher_balance": 15},
        [left("10.5", "CNY")],
    ),
    Fact("jina", "tokens", {"wallet": {"total_balance": 999999}}, [left("999999", "tokens")]),
    Fact(
        "elevenlabs",
        "limit less count",
        {"character_limit": 10000, "character_count": 17231, "tier": "free"},
        [left("-7231", "characters", plan="free")],
    ),
    Fact("stability", "credits", {"credits": 0.6336833840314097}, [left("0.6336833840314097", "credits")]),
    Fact(
        "deepgram",
        "projects in two units",
        {"balances": [{"amount": 102.5, "units": "usd"}, {"amount": 7, "units": "hour"}]},
        [left("102.5", "usd"), left("7", "hour")],
    ),
    Fact(
        "tavily",
        "limit less usage",
        {"key": {"limit": 1000, "usage": 150}, "account": {"current_plan": "Bootstrap"}},
        [left("850", "credits", used="150", plan="Bootstrap")],
    ),
    Fact(
        "tavily",
        "no limit (null)",
        {"key": {"limit": None, "usage": 150}, "account": {}},
        [left(None, "credits", used="150")],
    ),
    Fact("serper", "searches", {"balance": 2400, "rateLimit": 50}, [left("2400", "searches")]),
    Fact("firecrawl", "credits", {"success": True, "data": {"remainingCredits": 1000}}, [left("1000", "credits")]),
    Fact("twilio", "a currency of the account", {"balance": "-0.50", "currency": "EUR"}, [left("-0.50", "EUR")]),
    Fact("digitalocean", "owed counted as positive", {"account_balance": "12.23"}, [left("-12.23", "USD")]),
    Fact("digitalocean", "paid ahead", {"account_balance": "-5.00"}, [left("5.00", "USD")]),
    Fact("vercel-ai-gateway", "text", {"balance": "95.50", "total_used": "4.50"}, [left("95.50", "USD")]),
]
FACT_IDS = [f"{fact.vendor}: {fact.says}" for fact in FACTS]
REGIONAL = {"moonshot": "USD", "siliconflow": "USD", "stepfun": "USD", "zhipu": "%", "chatanywhere": "CA credits"}


def case(fact: Fact, body: Any = None) -> Case:
    """Answers for each address of the vendor's balances: its body at the one it is of, and no right elsewhere."""
    replies = [answer(403, {"error": "Only management keys can perform this operation"})] * fact.number
    reply = answer(200, fact.body) if body is None else body
    return Case(fact.vendor, [*replies, reply, answer(403, {})], fact.prefix)


def figures(counted: Counted) -> list[Any]:
    return [
        (
            None if f.amount is None else f"{f.amount:f}",
            f.unit,
            {name: f"{part:f}" for name, part in f.parts.items()},
            dict(f.facts),
        )
        for f in counted.standing.figures
    ]


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Counted]]:
    with opened(tmp_path_factory.mktemp("balance")) as vendors:
        yield vendors.balances([case(fact) for fact in FACTS])


def test_every_balance_of_the_catalogue_is_told_of_here() -> None:
    assert {(fact.vendor, fact.number) for fact in FACTS} == set(EACH)
    assert len(EACH) > 20


@pytest.mark.parametrize("number", range(len(FACTS)), ids=FACT_IDS)
def test_the_figures_are_the_vendors(told: list[Counted], number: int) -> None:
    fact, counted = FACTS[number], told[number]
    wanted = PROVIDERS[fact.vendor].balances[fact.number]
    assert figures(counted) == fact.figures
    assert {f.scope for f in counted.standing.figures} == {wanted.scope}
    assert {f.means for f in counted.standing.figures} == {wanted.means}
    assert [f.note for f in counted.standing.figures] == ["no limit set" if a is None else "" for a, *_ in fact.figures]
    assert (counted.standing.reason, counted.standing.reached) == ("", True)


@pytest.mark.parametrize("number", range(len(FACTS)), ids=FACT_IDS)
def test_the_question_goes_to_the_declared_address_with_the_key_as_in_a_check(told: list[Counted], number: int) -> None:
    fact, counted = FACTS[number], told[number]
    provider = PROVIDERS[fact.vendor]
    wanted = provider.balances[fact.number]
    asked = counted.asked[fact.number]
    host, path = address(filled(wanted.urls[0].replace("{key}", "KEY"), "", provider, Case(fact.vendor, []).given))
    path = path.partition("{month_start")[0].partition("KEY")[0]
    assert (asked.host, asked.method) == (host, wanted.method)
    assert asked.path.startswith(path)
    assert "{" not in asked.path
    assert len(counted.asked) == len(provider.balances)


def test_what_was_spent_is_asked_for_since_the_beginning_of_this_month(told: list[Counted]) -> None:
    by_id = dict(zip(FACT_IDS, told, strict=True))
    iso = by_id["anthropic: nothing spent"].asked[0].path
    unix = by_id["openai: nothing spent"].asked[0].path
    assert "-01T00:00:00Z&" in iso.replace("%3A", ":")
    seconds = int(unix.partition("start_time=")[2].partition("&")[0])
    assert seconds % 86400 == 0
    assert datetime.fromtimestamp(seconds, UTC).strftime("starting_at=%Y-%m-%dT%H:%M:%SZ") in iso.replace("%3A", ":")


@pytest.mark.parametrize(("vendor", "unit"), REGIONAL.items())
def test_a_key_of_the_other_region_has_that_regions_unit(vendors: Vendors, vendor: str, unit: str) -> None:
    fact = next(fact for fact in FACTS if fact.vendor == vendor)
    [counted] = vendors.balances([Case(vendor, [answer(401, {}), answer(200, fact.body)])])
    assert figures(counted) == [(amount, unit, parts, facts) for amount, _, parts, facts in fact.figures]
    assert len(counted.asked) == 2


def test_a_region_that_is_silent_is_passed_by_and_told_where_the_other_one_does_not_know_the_key(vendors: Vendors) -> None:
    fact = next(fact for fact in FACTS if fact.vendor == "moonshot")
    silent = "api.moonshot.cn: the connection broke off"
    known, unknown = vendors.balances(
        [Case("moonshot", [None, answer(200, fact.body)]), Case("moonshot", [None, answer(401, {"error": "no"})])]
    )
    assert (known.standing.reason, known.standing.reached) == ("", True)
    assert [figure.unit for figure in known.standing.figures] == ["USD"]
    assert (unknown.standing.reason, unknown.standing.reached) == (f"the vendor rejects it; {silent}", True)


def test_a_balance_is_asked_with_the_headers_of_its_own_or_else_with_those_of_the_check(vendors: Vendors) -> None:
    provider = PROVIDERS["openrouter"]
    headers = {"X-Balance": "{key}"}
    own = replace(provider, balances=tuple(replace(b, headers=headers) for b in provider.balances))
    with mock.patch.dict(PROVIDERS, {"openrouter": own}):
        [asked_own] = vendors.balances([Case("openrouter", [answer(200, {})])])
    [asked] = vendors.balances([Case("openrouter", [answer(200, {})])])
    assert [("x-balance" in a.headers, "authorization" in a.headers) for a in asked_own.asked] == [(True, False)] * 2
    assert [("x-balance" in a.headers, "authorization" in a.headers) for a in asked.asked] == [(False, True)] * 2


def test_a_base_url_of_the_other_region_is_asked_first_and_gives_its_unit(vendors: Vendors) -> None:
    fact = next(fact for fact in FACTS if fact.vendor == "moonshot")
    [counted] = vendors.balances([Case("moonshot", [answer(200, fact.body)], base_url="https://api.moonshot.ai/v1")])
    assert [asked.host for asked in counted.asked] == ["api.moonshot.ai"]
    assert counted.standing.figures[0].unit == "USD"


def test_at_a_relay_the_first_unit_counts(vendors: Vendors) -> None:
    fact = next(fact for fact in FACTS if fact.vendor == "moonshot")
    [counted] = vendors.balances([Case("moonshot", [answer(200, fact.body)], base_url="https://relay.example/v1")])
    assert [asked.host for asked in counted.asked] == ["relay.example"]
    assert counted.standing.figures[0].unit == "CNY"


def test_one_figure_is_enough_to_have_been_heard(vendors: Vendors) -> None:
    [counted] = vendors.balances([Case("openrouter", [answer(200, FACTS[0].body), None])])
    assert (len(counted.standing.figures), counted.standing.reason, counted.standing.reached) == (1, "", True)


def test_a_base_url_that_is_none_gets_no_key(vendors: Vendors) -> None:
    [counted] = vendors.balances([Case("deepseek", [answer(200, {})], base_url="http://evil.example")])
    assert counted.standing.figures == ()
    assert "base URL" in counted.standing.reason
    assert vendors.net.connects == []


def test_a_key_without_the_right_to_the_account_has_the_figure_of_the_key(vendors: Vendors) -> None:
    fact = FACTS[0]
    [counted] = vendors.balances([case(fact)])
    assert [f.scope for f in counted.standing.figures] == ["key"]
    assert len(counted.asked) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_a_right_is_lacking_what_is_needed_is_told_and_no_figure(vendors: Vendors, status: int) -> None:
    needing = [(p, b) for p in PROVIDERS.values() for b in p.balances if b.needs and len(p.balances) == 1]
    counted = vendors.balances([Case(p.id, [answer(status, {"error": "no"})], b.prefix) for p, b in needing])
    assert len(needing) >= 4
    assert [c.standing.reason for c in counted] == [f"it needs: {b.needs}" for _, b in needing]
    assert {c.standing.figures for c in counted} == {()}
    assert {c.standing.reached for c in counted} == {True}


def broken(fact: Fact) -> dict[str, Reply]:
    """Answers in which this figure is not, or is none."""
    wanted = PROVIDERS[fact.vendor].balances[fact.number]
    names = [step.removesuffix("[*]") for step in wanted.amount.split(".")]
    close = json.dumps(fact.body)

    def with_amount(text: str) -> Reply:
        return answer(200, json.dumps(replaced(fact.body, names, "%AMOUNT%")).replace('"%AMOUNT%"', text))

    return {
        "nothing": answer(200, ""),
        "null": answer(200, "null"),
        "a list": answer(200, "[]"),
        "a text": answer(200, '"hello"'),
        "empty": answer(200, "{}"),
        "misspelt": answer(200, close.replace(f'"{names[-1]}"', '"other"')),
        "text": with_amount('"plenty"'),
        "empty text": with_amount('""'),
        "true": with_amount("true"),
        "an object": with_amount('{"value":[]}'),
        "a list of numbers": with_amount("[1,2]"),
        "NaN": with_amount("NaN"),
        "Infinity": with_amount("Infinity"),
        "-Infinity": with_amount("-Infinity"),
        '"NaN"': with_amount('"NaN"'),
        '"sNaN"': with_amount('"sNaN"'),
        '"Infinity"': with_amount('"-Infinity"'),
        "1e999999": with_amount("1e999999"),
        '"1e999999"': with_amount('"1e999999"'),
        "1e-999999": with_amount("1e-999999"),
        "an exponent beyond all": with_amount("1e" + "9" * 40),
        "ten thousand digits": with_amount("9" * 10_000),
        "nesting": answer(200, "[" * 100_000),
        "nesting at the figure": with_amount("[" * 5_000 + "]" * 5_000),
        "cut": answer(200, close[:-1]),
        "too long": answer(200, close + " " * LARGEST_BODY),
        "a page": page(200, close),
        "a page by its type": Reply(200, close, {"Content-Type": "text/html"}),
        "201": answer(201, fact.body),
        "204": Reply(204),
        "302": Reply(302, close, {"Location": "https://elsewhere.example/"}),
        "500": answer(500, fact.body),
        "bytes that are no text": Reply(200, b"\xff\xfe\x00"),
    }


def replaced(value: Any, names: list[str], new: str) -> Any:
    """`value` with every entry at that path replaced."""
    if not names:
        return new
    if isinstance(value, list):
        return [replaced(entry, names, new) for entry in value]
    return {name: replaced(part, names[1:], new) if name == names[0] else part for name, part in value.items()}


PROPER = {
    (fact.vendor, fact.number): fact for fact in reversed(FACTS) if "null" not in fact.says and "nothing" not in fact.says
}


def test_an_answer_without_the_figure_gives_none_and_a_reason(vendors: Vendors) -> None:
    asked = [(fact, name, reply) for fact in PROPER.values() for name, reply in broken(fact).items()]
    counted = vendors.balances([case(fact, reply) for fact, _, reply in asked])
    for (fact, name, _), one in zip(asked, counted, strict=True):
        assert one.standing.figures == (), (fact.vendor, name)
        assert one.standing.reason, (fact.vendor, name)
        assert "kvcase" not in one.standing.reason
    assert set(PROPER) == set(EACH)
    assert "elsewhere.example" not in {one.host for one in vendors.net.asked}


def test_null_is_no_limit_only_where_the_vendor_means_that(vendors: Vendors) -> None:
    facts = list(PROPER.values())
    paths = [PROVIDERS[fact.vendor].balances[fact.number].amount.replace("[*]", "").split(".") for fact in facts]
    bodies = [
        json.dumps(replaced(fact.body, path, "%N%")).replace('"%N%"', "null") for fact, path in zip(facts, paths, strict=True)
    ]
    counted = vendors.balances([case(fact, answer(200, body)) for fact, body in zip(facts, bodies, strict=True)])
    limitless = {fact.vendor for fact, one in zip(facts, counted, strict=True) if one.standing.figures}
    assert limitless == {"openrouter", "tavily"}
    assert {f.amount for one in counted for f in one.standing.figures} == {None}


@pytest.mark.parametrize(
    "unit", ["null", "7", '""', '{"a":1}', '"' + "U" * 25 + '"', '"\\ud800"', '"US\\u0000D"', '"US\\u202eD"', '["USD"]']
)
def test_a_unit_that_is_no_name_gives_no_figure(vendors: Vendors, unit: str) -> None:
    [counted] = vendors.balances([Case("twilio", [answer(200, '{"balance":"1","currency":' + unit + "}")])])
    assert counted.standing.figures == ()
    assert counted.standing.reason == NO_FIGURE


@pytest.mark.parametrize("unit", ["$", "U" * 24])
def test_a_unit_may_be_short_or_long(vendors: Vendors, unit: str) -> None:
    [counted] = vendors.balances([Case("twilio", [answer(200, {"balance": "1", "currency": unit})])])
    assert [figure.unit for figure in counted.standing.figures] == [unit]


def test_parts_are_scaled_as_the_amount_is() -> None:
    told = Balance(
        urls=("https://a.example/x",), scope="account", amount="left", units=("USD",), scale="0.01", parts={"given": "given"}
    )
    [figure] = balance._figures(told, {"left": Decimal(250), "given": Decimal(50)}, "USD")
    assert (figure.amount, figure.parts) == (Decimal("2.50"), {"given": Decimal("0.50")})


def test_parts_that_do_not_belong_to_the_amounts_give_no_figure(vendors: Vendors) -> None:
    entry = {"currency": "CNY", "total_balance": "1", "granted_balance": "x", "topped_up_balance": "1"}
    bodies: list[Any] = [
        {"balance_infos": [entry]},
        {"balance_infos": [{**entry, "granted_balance": "NaN"}]},
        {"balance_infos": [{"total_balance": "1", "granted_balance": "1", "topped_up_balance": "1"}]},
        {"balance_infos": {"0": entry}},
        {"balance_infos": []},
    ]
    counted = vendors.balances([Case("deepseek", [answer(200, body)]) for body in bodies])
    assert [one.standing.figures for one in counted] == [()] * len(bodies)


def test_a_part_that_is_null_is_left_out_and_facts_are_cut(vendors: Vendors) -> None:
    cash, plan = vendors.balances(
        [
            Case("moonshot", [answer(200, {"data": {"available_balance": 1, "cash_balance": None, "voucher_balance": 1}})]),
            Case("elevenlabs", [answer(200, {"character_limit": 2, "character_count": 1, "tier": "x" * 10**5})]),
        ]
    )
    assert figures(cash) == [left("1", "CNY", {"voucher": "1"})]
    assert figures(plan) == [left("1", "characters", plan="x" * 80)]


def test_many_digits_stay_a_number_that_can_be_read(vendors: Vendors) -> None:
    [counted] = vendors.balances([Case("stability", [answer(200, '{"credits":1.' + "3" * 50_000 + "}")])])
    [figure] = counted.standing.figures
    assert figure.amount is not None
    assert len(f"{figure.amount:f}") < 40
    assert abs(figure.amount - Decimal(4) / 3) < Decimal("1e-20")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (answer(401, {"error": "no"}), "the vendor rejects it"),
        (answer(402, {}), "it is right, but there is no credit left"),
        (answer(403, {}), "refused: dead, lacking a right, or blocked from where you are"),
        (answer(429, {}, Retry_After="60"), "too many requests; the vendor asks to wait 60 s"),
        (answer(404, {}), "the address was not found (404)"),
        (answer(200, {}), NO_FIGURE),
        (None, "api.stability.ai: the connection broke off"),
    ],
    ids=["401", "402", "403", "429", "404", "200 without", "hang-up"],
)
def test_why_there_is_no_figure(vendors: Vendors, reply: Reply | None, reason: str) -> None:
    [counted] = vendors.balances([Case("stability", [reply])])
    assert counted.standing == balance.Standing("stability/c0", (), reason, reply is not None)


def test_a_missing_field_is_told_and_nothing_is_sent(vendors: Vendors) -> None:
    twilio, deepgram = vendors.balances([Case(vendor, [answer(200, {})], fields={}) for vendor in ("twilio", "deepgram")])
    assert (twilio.standing.figures, twilio.standing.reason) == ((), "it lacks account_sid")
    assert (deepgram.standing.figures, deepgram.standing.reason) == ((), "it lacks project_id")
    assert (twilio.standing.reached, deepgram.standing.reached) == (True, True)  # nobody was silent
    assert vendors.net.connects == []


def test_parts_may_be_fewer_than_amounts_or_missing() -> None:
    told = Balance(
        urls=("https://a.example/x",), scope="account", amount="rows[*].left", units=("USD",), parts={"given": "rows[*].given"}
    )
    rows = [{"left": "1", "given": "4"}, {"left": "2", "given": None}, {"left": "3", "given": "6"}]
    for present, parts in ((rows, ["4", None, "6"]), ([{"left": "1"}, *rows[1:]], [None, None, None])):
        found = list(balance._figures(told, {"rows": present}, "USD"))
        assert [figure.amount for figure in found] == [1, 2, 3]
        assert [figure.parts.get("given") for figure in found] == [part and Decimal(part) for part in parts]
    short = Balance(urls=told.urls, scope="account", amount="rows[*].left", units=("USD",), parts={"given": "given[*]"})
    found = list(balance._figures(short, {"rows": rows, "given": ["9", "8"]}, "USD"))
    assert [figure.parts.get("given") for figure in found] == [9, 8, None]


def test_a_key_of_nobody_has_no_balance() -> None:
    assert not balance.tells(Subject("nobody/x", None, Secret("k"), {}, ""))
    assert balance.tells(Subject("openrouter/x", PROVIDERS["openrouter"], Secret("k"), {}, ""))


def test_vendors_that_tell_nothing_are_not_asked(vendors: Vendors) -> None:
    silent = [provider.id for provider in PROVIDERS.values() if not provider.balances]
    counted = vendors.balances([Case(vendor, [answer(200, {})]) for vendor in silent])
    plain = vendors.balances([Case(vendor, [answer(200, {})], prefix) for vendor, prefix in PLAIN_KEYS])
    assert {one.standing.reason for one in (*counted, *plain)} == {"the vendor tells no balance"}
    assert vendors.net.connects == []
    assert len(silent) > 50


PLAIN_KEYS = [("openai", "sk-proj-"), ("anthropic", "sk-ant-api03-")]  # only their admin keys are told anything


def test_the_command_tells_keeps_and_compares_the_figures(tmp_path: Path) -> None:
    home, net = VaultHome(str(tmp_path)), Internet(tmp_path)
    vault = home.create()
    bodies: dict[str, tuple[str, Any]] = {
        "deepinfra": ("api.deepinfra.com", {"stripe_balance": 0}),
        "novita": ("api.novita.ai", {"availableBalance": "123456"}),
        "elevenlabs": ("api.elevenlabs.io", {"character_limit": 9, "character_count": 1, "tier": "\ud800\x1b[2J\u202e"}),
        "stability": ("api.stability.ai", {"credits": "NaN"}),
    }
    for vendor in (*bodies, "groq"):
        add_key(vault, vendor, f"key-of-{vendor}")
    by_host = {host: answer(200, body) for host, body in bodies.values()}
    net.hosts = Everywhere(lambda asked: by_host[asked.host])
    plain = home.run("balance", env=net.environment()).stdout.decode()
    found = json.loads(home.run("balance", "--json", "--below", "5", env=net.environment(), code=7).stdout)["balances"]
    home.run("balance", "novita", "elevenlabs", "--below", "5", env=net.environment(), code=0)
    listed = home.run("list").stdout.decode()
    net.close()
    assert "\x1b" not in plain
    assert "\u202e" not in plain
    assert "12.3456 USD" in plain
    assert NO_FIGURE in plain
    assert "groq" not in plain
    amounts = {entry["provider"]: (entry["amount"], entry.get("below")) for entry in found}
    assert amounts == {
        "deepinfra": ("0", True),
        "novita": ("12.3456", False),
        "elevenlabs": ("8", False),
        "stability": (None, None),
    }
    assert "12.3456 USD" in listed
    assert set(net.connects) == {f"{host}:443" for host, _ in bodies.values()}
