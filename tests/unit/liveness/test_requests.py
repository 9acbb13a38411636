"""Where a key may go: what people set, and what tries to lead it elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from internet import Internet, Reply
from msgspec import structs
from vaults import VaultHome
from vendors import PROVIDERS, Case, Everywhere, Vendors, answer, opened, supported

from keyvault.core.secret import Secret
from keyvault.liveness.requests import (
    Subject,
    Unready,
    check_for,
    is_declared,
    requests_for,
    without_key,
)
from keyvault.net import client
from keyvault.providers import schema
from keyvault.providers.schema import Check


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Vendors]:
    with opened(tmp_path) as made:
        yield made


def subject(vendor: str, value: str = "a-key", base_url: str = "", **fields: str) -> Subject:
    secrets = {name: Secret(text) for name, text in fields.items()}
    return Subject(f"{vendor}/x", PROVIDERS.get(vendor), Secret(value), secrets, base_url)


def requests(about: Subject) -> list[client.Request]:
    check = check_for(about)
    assert isinstance(check, Check), check
    found = requests_for(about, check)
    assert isinstance(found, list), found
    return found


def unready(about: Subject) -> Unready:
    check = check_for(about)
    found = check if isinstance(check, Unready) else requests_for(about, check)
    assert isinstance(found, Unready), found
    return found


BASE_URLS = {
    # vendor, base URL -> the addresses asked, in order
    ("openai", ""): ["https://api.openai.com/v1/models"],
    ("openai", "https://relay.example/v1"): ["https://relay.example/v1/models"],
    ("openai", "https://relay.example/v1/"): ["https://relay.example/v1/models"],
    ("openai", "https://relay.example:8443/proxy/openai"): ["https://relay.example:8443/proxy/openai/models"],
    ("openai", "http://127.0.0.1:4000/v1"): ["http://127.0.0.1:4000/v1/models"],
    ("openai", "http://localhost:4000"): ["http://localhost:4000/models"],
    ("openai", "http://[::1]:4000/v1"): ["http://[::1]:4000/v1/models"],
    ("openai", "https://API.OPENAI.com/v1"): ["https://api.openai.com/v1/models"],
    ("moonshot", ""): ["https://api.moonshot.cn/v1/users/me/balance", "https://api.moonshot.ai/v1/users/me/balance"],
    ("moonshot", "https://api.moonshot.ai/v1"): [
        "https://api.moonshot.ai/v1/users/me/balance",
        "https://api.moonshot.cn/v1/users/me/balance",
    ],
    ("moonshot", "https://relay.example/v1"): ["https://relay.example/v1/users/me/balance"],
    ("zhipu", "https://api.z.ai/api/coding/paas/v4"): [
        "https://api.z.ai/api/paas/v4/models",
        "https://open.bigmodel.cn/api/paas/v4/models",
    ],
    ("alibaba-bailian", "https://coding.dashscope.aliyuncs.com/v1"): ["https://coding.dashscope.aliyuncs.com/v1/models"],
    ("chatanywhere", ""): ["https://api.chatanywhere.tech/v1/query/balance"],
    ("chatanywhere", "https://api.chatanywhere.org/v1"): ["https://api.chatanywhere.org/v1/query/balance"],
    ("chatanywhere", "https://api.chatanywhere.org"): ["https://api.chatanywhere.org/query/balance"],
    ("mistral", "https://codestral.mistral.ai/v1"): ["https://codestral.mistral.ai/v1/models"],
    ("deepseek", "https://relay.example"): ["https://relay.example/user/balance"],
    ("cohere", "https://relay.example"): ["https://relay.example/models"],
    ("jina", "https://relay.example/v1"): ["https://relay.example/v1/models"],
    ("nobody", "https://relay.example/v1"): ["https://relay.example/v1/models"],
}


@pytest.mark.parametrize(("vendor", "base_url"), BASE_URLS)
def test_a_key_with_a_base_url_is_asked_about_there(vendor: str, base_url: str) -> None:
    assert [request.url for request in requests(subject(vendor, base_url=base_url))] == BASE_URLS[vendor, base_url]


@pytest.mark.parametrize("vendor", sorted(PROVIDERS))
def test_with_a_relay_no_vendors_key_goes_anywhere_else(vendor: str) -> None:
    for check in supported(PROVIDERS[vendor]):
        given = dict(Case(vendor, []).given)
        about = subject(vendor, f"{check.prefix}key", "https://relay.example/base", **given)
        assert {urlsplit(request.url).hostname for request in requests(about)} <= {"relay.example"} | set_by(given, check)


def set_by(given: Mapping[str, str], check: Check) -> set[str]:
    """Hosts that the key's own fields name."""
    return {urlsplit(text).hostname or "" for name, text in given.items() if any(f"{{{name}}}/" in url for url in check.urls)}


@pytest.mark.parametrize(
    ("vendor", "base_url", "declared"),
    [
        ("openai", "", True),
        ("openai", "https://api.openai.com/v1", True),
        ("openai", "https://api.openai.com.evil.example/v1", False),
        ("openai", "https://api.openai.com:444/v1", False),
        ("openai", "http://api.openai.com/v1", False),
        ("chatanywhere", "https://api.chatanywhere.org/v1", True),
        ("moonshot", "https://api.moonshot.ai", True),
        ("openai", "https://api.moonshot.ai/v1", False),
        ("nobody", "", False),
        ("nobody", "https://relay.example", False),
    ],
)
def test_only_the_vendors_own_origins_are_its_own(vendor: str, base_url: str, declared: bool) -> None:
    assert is_declared(subject(vendor, base_url=base_url)) == declared


BAD_BASES = [
    "http://relay.example/v1",
    "http://127.evil.example/v1",
    "http://localhost.evil.example/v1",
    "http://127.0.0.1@evil.example/v1",
    "http://2130706433/v1",
    "ftp://relay.example/v1",
    "relay.example/v1",
    "//relay.example/v1",
    "https://",
    "https:///v1",
    "https://me:secret@relay.example/v1",
    "https://relay.example\r\nHost: evil.example/v1",
    "https://relay.example/v1\nX: y",
    "https://relay.example:99999/v1",
    "https://{key}.evil.example/v1",
    "https://evil.example/{secret_access_key}",
    "https://relay.example/v1?x=",
    "https://relay.example/v1#",
    "https://r\u00e9lay.example/v1",
    "file:///etc/passwd",
    "javascript:alert(1)",
]


def test_a_base_url_that_is_none_gets_no_key(vendors: Vendors) -> None:
    cases = [
        Case(vendor, [answer(200, {})], prefix, base_url=base_url)
        for base_url in BAD_BASES
        for vendor, prefix in (("openai", ""), ("deepseek", ""), ("", ""), ("aws", "AKIA"), ("anthropic", "sk-ant-api03-"))
    ]
    told = vendors.check([case._replace(fields={}) if not case.provider else case for case in cases])
    for case, one in zip(cases, told, strict=True):
        assert one.result.verdict in ("unknown", "unreachable"), case
        if one.result.verdict == "unknown":
            assert one.result.reason == "its base URL is not one that a key may be sent to", case
        assert "base-url" in one.result.then or one.result.verdict == "unreachable", one.result
    assert vendors.net.connects == []
    assert vendors.net.asked == []


EVIL = [
    "evil.example/",
    "x@evil.example",
    "evil.example?",
    "evil.example#",
    "//evil.example",
    "evil.example:443",
    "evil.example\\",
    "evil.example%2f",
    "evil.example\r\nX-Evil: 1",
    "evil.example\x00",
    "evil .example",
    " evil.example",
    "-evil.example",
    "evil.example.",
    "",
    "{key}",
    "\u0435vil.example",
    "a" * 300,
]


@pytest.mark.parametrize("evil", EVIL)
def test_a_field_that_is_part_of_a_host_leads_to_no_other(vendors: Vendors, evil: str) -> None:
    told = vendors.check(
        [
            Case("aws-bedrock", [answer(200, {})], fields={"region": evil}),
            Case("datadog", [answer(200, {})], fields={"site": evil}),
        ]
    )
    assert [one.asked for one in told] == [[], []]
    assert vendors.net.connects == []
    for one, name in zip(told, ("region", "site"), strict=True):
        assert one.result.verdict == "unknown"
        assert one.result.reason == f"its field {name} cannot be part of a host's name"
        assert f"--field {name}=" in one.result.then


@pytest.mark.parametrize("site", ["datadoghq.eu", "us3.datadoghq.com", "ddog-gov.com"])
def test_a_field_that_names_the_vendors_other_site_is_heeded(vendors: Vendors, site: str) -> None:
    told = vendors.check([Case("datadog", [answer(200, {"valid": True})], fields={"site": site})])
    assert [asked.host for asked in told[0].asked] == [f"api.{site}"]


BAD_ADDRESSES = [
    "http://evil.example",
    "http://127.evil.example",
    "https://x@evil.example",
    "https://x:y@evil.example",
    "x@evil.example",
    "//evil.example",
    "https://evil.example?",
    "https://evil.example/?x=",
    "evil.example#",
    "https://evil.example\r\nX: 1",
    "evil.example\n",
    "https://",
    "",
    "ftp://evil.example",
    "{key}.evil.example",
    "https://{key}.evil.example",
    "https://evil.example/{key}",
    "\u0435vil.example",
]
ADDRESSED = [
    ("azure-openai", "endpoint", ""),
    ("gitlab", "host", "glpat-"),
    ("langfuse", "host", "sk-lf-"),
    ("supabase", "url", "eyJ"),
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_a_field_that_is_no_plain_address_gets_no_key(vendors: Vendors, address: str) -> None:
    told = vendors.check(
        [
            Case(vendor, [answer(200, {})], prefix, fields={"public_key": "pk-lf-1", name: address})
            for vendor, name, prefix in ADDRESSED
        ]
    )
    assert vendors.net.connects == []
    for one, (_, name, _) in zip(told, ADDRESSED, strict=True):
        assert (one.result.verdict, one.result.reason) == ("unknown", f"its field {name} is no URL")


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("https://git.example", "https://git.example/api/v4/personal_access_tokens/self"),
        ("https://git.example/", "https://git.example/api/v4/personal_access_tokens/self"),
        ("https://git.example:8443/gitlab/", "https://git.example:8443/gitlab/api/v4/personal_access_tokens/self"),
        ("git.example", "https://git.example/api/v4/personal_access_tokens/self"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v4/personal_access_tokens/self"),
    ],
)
def test_a_server_of_ones_own_is_asked_where_its_field_says(given: str, asked: str) -> None:
    assert [request.url for request in requests(subject("gitlab", "glpat-1", host=given))] == [asked]


def test_a_field_in_a_path_stays_one_part_of_it(vendors: Vendors) -> None:
    told = vendors.check(
        [
            Case("twilio", [answer(200, {})], fields={"account_sid": evil})
            for evil in ("../../evil", "a/b", "a?b=c", "a#b", "a b", "a\r\nX-Evil: 1", "a%2fb", "@evil.example/")
        ]
    )
    for one in told:
        assert len(one.asked) <= 1
        for asked in one.asked:
            assert asked.host == "api.twilio.com"
            assert asked.path.startswith("/2010-04-01/Accounts/")
            assert asked.path.count("/") == 3
            assert "?" not in asked.path
            assert "x-evil" not in asked.headers
    assert {asked.host for asked in vendors.net.asked} == {"api.twilio.com"}


@pytest.mark.parametrize("value", ["12:ab/c", "a?b&c=d#e", "a b+c", "\u5bc6\u94a5", "a%2Fb", "a\r\nX: y", "../x"])
def test_a_key_in_an_address_arrives_as_it_is_and_changes_nothing_else(value: str) -> None:
    [request] = requests(subject("telegram-bot", value))
    path = urlsplit(request.url).path
    assert unquote(path) == f"/bot{value}/getMe"
    assert path.count("/") == 2
    [request] = requests(subject("jina", value))
    parts = urlsplit(request.url)
    assert (parts.netloc, parts.fragment) == ("embeddings-dashboard-api.jina.ai", "")
    assert parse_qsl(parts.query) == [("api_key", value)]


UNSENDABLE = ["a\r\nX-Evil: 1", "a\nb", "a\tb", "a\x00b", "a\x7fb", "cl\u00e9", "\u5bc6\u94a5", "a\u200bb", "a\u00a0b"]


@pytest.mark.parametrize("value", UNSENDABLE)
def test_a_key_that_no_header_can_carry_is_not_sent_and_not_shown(tmp_path: Path, value: str) -> None:
    with opened(tmp_path) as vendors:
        told = vendors.check(
            [
                Case("openai", [answer(401)], prefix=value),
                Case("assemblyai", [answer(401)], prefix=value),
                Case("twilio", [answer(401)], prefix=value),
                Case("aws", [answer(401)], prefix=value),
            ]
        )
        assert vendors.net.connects == []
    for one in told:
        assert one.result.verdict == "unknown"
        assert "characters that a request cannot carry" in one.result.reason
        assert value not in repr(one.result)
        assert "kvcase" not in repr(one.result)


def test_a_field_that_no_header_can_carry_is_not_sent(vendors: Vendors) -> None:
    fields = {"email": "me@example.com\r\nX-Evil: 1"}
    [told] = vendors.check([Case("cloudflare", [answer(200, {})], "cfk_", fields=fields)])
    assert told.result.verdict == "unknown"
    assert vendors.net.connects == []


def test_a_form_carries_any_key(vendors: Vendors) -> None:
    [told] = vendors.check([Case("nvidia-nim", [answer(200, {})], "nvapi-\u5bc6&x=1 +")])
    assert parse_qsl(told.asked[0].body) == [("credentials", told.key)]


@pytest.mark.parametrize(
    ("vendor", "prefix", "missing"),
    [
        ("aws-bedrock", "", "region"),
        ("azure-openai", "", "endpoint"),
        ("cloudflare", "cfat_", "account_id"),
        ("cloudflare", "cfk_", "email"),
        ("langfuse", "sk-lf-", "public_key"),
        ("supabase", "sb_secret_", "url"),
        ("twilio", "", "account_sid"),
    ],
)
def test_a_missing_field_is_named_and_nothing_is_sent(vendors: Vendors, vendor: str, prefix: str, missing: str) -> None:
    [told] = vendors.check([Case(vendor, [answer(200, {})], prefix, fields={})])
    assert (told.result.verdict, told.result.reason) == ("unknown", f"it lacks {missing}")
    assert told.result.then == f"keyvault edit {vendor}/c0 --field {missing}=…"
    assert vendors.net.connects == []


def test_an_access_key_without_its_secret_half_is_not_sent() -> None:
    found = unready(subject("aws", "AKIA1"))
    assert found.why == "it lacks its secret half"
    assert "--secret-field secret_access_key" in found.then


def test_a_session_token_is_signed_with_and_sent(vendors: Vendors) -> None:
    fields = {"secret_access_key": "half", "session_token": "the-session"}
    [told] = vendors.check([Case("aws", [answer(200, "<x/>")], "ASIA", fields=fields)])
    assert told.result.verdict == "valid"
    assert told.asked[0].headers["x-amz-security-token"] == "the-session"
    assert "x-amz-security-token" in told.asked[0].headers["authorization"]


def test_an_address_is_left_out_where_its_field_is_missing_and_others_can_be_asked(vendors: Vendors) -> None:
    without, given = vendors.check(
        [
            Case("cloudflare", [answer(401, {"errors": [{"code": 1000}]})], fields={}),
            Case("cloudflare", [answer(401, {"errors": [{"code": 1000}]})], fields={"account_id": "a"}),
        ]
    )
    assert [asked.path for asked in without.asked] == ["/client/v4/user/tokens/verify"]
    assert [asked.path for asked in given.asked] == [
        "/client/v4/user/tokens/verify",
        "/client/v4/accounts/a/tokens/verify",
    ]
    assert (without.result.verdict, given.result.verdict) == ("invalid_here", "invalid")


def test_all_that_is_missing_is_named_where_no_address_can_be_asked() -> None:
    asked = schema.Request(urls=("https://a.example/{one}", "https://{other}.example/x"), headers={"X-Key": "{key}"})
    found = requests_for(subject("nobody"), asked)
    assert found == ("it lacks one, other", "keyvault edit nobody/x --field one=… --field other=…")
    [request] = requests_for(subject("nobody", other="b"), asked)
    assert request.url == "https://b.example/x"


def test_placeholders_are_filled_wherever_they_stand() -> None:
    asked = schema.Request(
        urls=("{endpoint}/a/{one}/{month_start}",),
        headers={"X-Since": "{month_start_unix}", "X-One": "{one}"},
        form={"since": "{month_start}", "key": "{key}"},
    )
    found = requests_for(subject("nobody", endpoint="https://own.example/", one="1/2"), asked)
    assert isinstance(found, list)
    since = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    written = since.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found[0].url == f"https://own.example/a/1%2F2/{written}"
    assert found[0].headers == {"X-Since": str(int(since.timestamp())), "X-One": "1/2"}
    assert found[0].form == {"since": written, "key": "a-key"}


def test_each_part_of_a_cloud_is_asked_with_its_own_region() -> None:
    found = requests(subject("aws", "AKIA1", secret_access_key="half"))
    assert [(urlsplit(request.url).hostname, request.signer and request.signer.region) for request in found] == [
        ("sts.amazonaws.com", "us-east-1"),
        ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
    ]
    assert {request.signer and request.signer.token for request in found} == {""}


def test_a_key_that_no_check_of_its_vendor_fits_is_asked_for_the_models_or_not_at_all() -> None:
    checks = tuple(structs.replace(check, prefix="sk-") for check in PROVIDERS["groq"].checks)
    groq = structs.replace(PROVIDERS["groq"], checks=checks)
    odd = subject("groq", "of-no-kind")._replace(provider=groq)
    check = check_for(odd)
    assert isinstance(check, Check)
    assert check.urls == ("https://api.groq.com/openai/v1/models",)
    assert check_for(odd._replace(value=Secret("sk-1"))) == checks[0]
    assert isinstance(check_for(odd._replace(provider=structs.replace(groq, base_url=""))), Unready)


def test_an_address_where_it_cannot_be_asked_is_told() -> None:
    asked = schema.Request(urls=("https://elsewhere.example/x",), headers={"X-Key": "{key}"})
    found = requests_for(subject("openai", base_url="https://relay.example/v1"), asked)
    assert found == ("the address set for it is not one where this can be asked", "")


def test_a_key_of_nobody_without_an_address_is_not_sent() -> None:
    found = unready(subject("nobody"))
    assert found.why == "keyvault knows no way to check it"
    assert found.then == "keyvault edit nobody/x --base-url URL, if it speaks OpenAI's API"


def test_a_key_of_nobody_with_an_address_is_asked_for_its_models_as_openai_is() -> None:
    about = subject("nobody", "the-key", "https://own.example/v1/")
    [request] = requests(about)
    assert (request.method, request.url) == ("GET", "https://own.example/v1/models")
    assert request.headers == {"Authorization": "Bearer the-key"}
    check = check_for(about)
    assert isinstance(check, Check)
    assert check.ask_without_key  # nothing is known of what a stranger gets there


def test_braces_in_a_key_are_not_filled_in() -> None:
    [request] = requests(subject("cloudflare", "cfk_{email}{account_id}", account_id="1", email="{key}@example.com"))
    assert request.headers["X-Auth-Key"] == "cfk_{email}{account_id}"
    assert request.headers["X-Auth-Email"] == "{key}@example.com"


def test_what_a_stranger_sends_holds_no_key() -> None:
    for provider in PROVIDERS.values():
        for check in supported(provider):
            for request in requests(subject(provider.id, f"{check.prefix}the-key", **Case(provider.id, []).given)):
                stranger = without_key(request, f"{check.prefix}the-key")
                assert "the-key" not in repr(tuple(stranger))
                assert (stranger.form, stranger.basic, stranger.signer) == ({}, None, None)
                url = request.url.replace(f"{check.prefix}the-key", "0")
                assert (stranger.method, stranger.url, stranger.body) == (request.method, url, request.body)


def test_a_stranger_speaks_of_the_same_things() -> None:
    headers = {"Accept": "application/json", "CONTENT-TYPE": "text/plain"}
    request = client.Request("POST", "https://a.example/x", {**headers, "X-Api-Key": "the-key"})
    assert without_key(request, "the-key").headers == headers


@pytest.mark.parametrize("key", ["relay", "12:ab/c", "example"])
def test_a_stranger_asks_at_the_same_host_and_another_word_is_where_the_key_was(key: str) -> None:
    [request] = requests(subject("telegram-bot", key, "https://relay.example"))
    assert without_key(request, key).url == "https://relay.example/bot0/getMe"


def test_neither_a_request_nor_a_signer_shows_what_it_carries() -> None:
    about = subject("aws", "AKIA-the-key", secret_access_key="the-half")
    for request in (*requests(about), *requests(subject("telegram-bot", "12:the-key"))):
        shown = f"{request!r} {request} {request.signer!r}"
        assert "the-key" not in shown
        assert "the-half" not in shown


def test_the_command_asks_at_the_address_that_was_set_and_nowhere_else(tmp_path: Path) -> None:
    home, net = VaultHome(str(tmp_path)), Internet(tmp_path)
    home.create()

    def answered(asked: Any) -> Reply:
        return answer(200, {"data": []}) if "the-key" in repr(asked.headers) else answer(401)

    net.hosts = Everywhere(answered)
    home.run("add", "openai", "--base-url", "https://relay.example/v1", "--stdin", stdin=b"the-key-1")
    home.run("add", "chatanywhere", "--base-url", "https://api.chatanywhere.org/v1", "--stdin", stdin=b"the-key-2")
    home.run("add", "twilio", "--stdin", stdin=b"the-key-3")
    found = json.loads(home.run("check", "--json", env=net.environment()).stdout)["results"]
    net.close()
    assert {result["provider"]: result["verdict"] for result in found} == {
        "openai": "valid",
        "chatanywhere": "valid",
        "twilio": "unknown",
    }
    assert set(net.connects) == {"relay.example:443", "api.chatanywhere.org:443"}
    keyed = [asked for asked in net.asked if "the-key" in repr(asked)]
    assert {(asked.host, asked.path) for asked in keyed} == {
        ("relay.example", "/v1/models"),
        ("api.chatanywhere.org", "/v1/query/balance"),
    }
    assert base64.b64encode(b"the-key-3") not in repr(net.asked).encode()
