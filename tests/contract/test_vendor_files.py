"""What every vendor's file that comes with keyvault has to hold to."""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections import Counter
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

import keyvault.providers
from keyvault.core.refs import check_variable, parse_ref
from keyvault.core.secret import Secret
from keyvault.liveness import verdict
from keyvault.liveness.requests import Subject, check_for, is_declared, requests_for
from keyvault.net.client import Answer, Request
from keyvault.providers import catalogue, schema
from keyvault.providers.schema import PLACEHOLDER, Check, Provider

FOLDER = os.path.join(os.path.dirname(keyvault.providers.__file__), "vendors")
FILES = sorted(os.listdir(FOLDER))
VENDORS = catalogue.our_own()
PATTERNS = [(p.id, number, pattern) for p in VENDORS for number, pattern in enumerate(p.patterns)]
REQUESTS = [
    (f"{p.id}-{kind}{number}", p, request)
    for p in VENDORS
    for kind, found in (("check", p.checks), ("balance", p.balances))
    for number, request in enumerate(found)
    if request.urls
]
every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda v: v.id)
every_pattern = pytest.mark.parametrize("pattern", [x[2] for x in PATTERNS], ids=[f"{x[0]}-{x[1]}" for x in PATTERNS])
every_request = pytest.mark.parametrize(("vendor", "request_"), [x[1:] for x in REQUESTS], ids=[x[0] for x in REQUESTS])


def text_of(name: str) -> bytes:
    with open(os.path.join(FOLDER, name), "rb") as file:
        return file.read()


# ---------------------------------------------------------------- the files


def test_none_has_got_lost_and_nothing_else_is_in_the_folder() -> None:
    assert len(FILES) >= 80
    assert all(name.endswith(".toml") for name in FILES)
    assert [vendor.id for vendor in VENDORS] == sorted(name.removesuffix(".toml") for name in FILES)


@pytest.mark.parametrize("name", FILES)
def test_it_parses_strictly_and_is_called_as_its_file(name: str) -> None:
    vendor = catalogue.parse(text_of(name), name.removesuffix(".toml"), name)
    assert vendor.id == name.removesuffix(".toml")
    assert str(parse_ref(vendor.id)) == f"{vendor.id}/default"


@pytest.mark.parametrize("name", FILES)
def test_it_says_where_it_is_from_and_how_sure_that_is(name: str) -> None:
    data = tomllib.loads(text_of(name).decode())
    assert data.get("confidence") in ("high", "medium", "low"), "said, not left to the default"
    assert data.get("sources"), "no facts without a source"
    assert all(source.strip() == source and len(source) > 5 for source in data["sources"])
    assert data["category"]
    assert data["rotation"]["kind"]
    assert data["revocation"]["kind"]


@pytest.mark.parametrize("name", FILES)
def test_it_is_finished_and_plain(name: str) -> None:
    text = text_of(name).decode()
    assert not re.search(r"\b(?:TODO|FIXME|XXX|TBD)\b", text)
    assert "\r" not in text
    assert "\t" not in text
    assert text.endswith("\n")
    assert not re.search(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text), "nothing invisible"


@every_vendor
def test_its_addresses_are_https(vendor: Provider) -> None:
    assert vendor.console_url.startswith("https://"), "add --open needs it"
    assert vendor.docs_url.startswith("https://")
    for url in (vendor.base_url, *vendor.other_base_urls, *(u for c in (*vendor.checks, *vendor.balances) for u in c.urls)):
        assert url == "" or url.startswith(("https://", "{")), url
        assert not url.endswith(" ")


# ---------------------------------------------------------------- names


@every_vendor
def test_its_variables_may_be_exported(vendor: Provider) -> None:
    named = [*vendor.variables, *(field.variable for field in vendor.fields.values())]
    for variable in (*named, *(v for pattern in vendor.patterns for v in pattern.variables)):
        assert check_variable(variable) == variable
        assert variable == variable.upper(), "as programs read it"
    assert len(set(named)) == len(named)


def test_no_two_vendors_keys_have_one_variable() -> None:
    counted = Counter(variable for vendor in VENDORS for variable in vendor.variables)
    assert [variable for variable, count in counted.items() if count > 1] == []


def test_no_field_has_the_variable_of_a_key_and_only_the_region_of_aws_is_shared() -> None:
    keys = {variable for vendor in VENDORS for variable in vendor.variables}
    counted = Counter(field.variable for vendor in VENDORS for field in vendor.fields.values())
    assert keys & set(counted) == set()
    assert {variable for variable, count in counted.items() if count > 1} == {"AWS_REGION"}


def test_no_name_means_two_vendors() -> None:
    counted: Counter[str] = Counter()
    for vendor in VENDORS:
        counted.update({vendor.id, vendor.name.casefold(), *(alias.casefold() for alias in vendor.aliases)})
    assert [name for name, count in counted.items() if count > 1] == []


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        *[("智谱", "zhipu"), ("智谱AI", "zhipu"), ("深度求索", "deepseek"), ("月之暗面", "moonshot"), ("魔搭", "modelscope")],
        *[
            ("通义千问", "alibaba-bailian"),
            ("百炼", "alibaba-bailian"),
            ("灵积", "alibaba-bailian"),
            ("阿里云", "alibaba-cloud"),
        ],
        *[("千帆", "baidu-qianfan"), ("文心一言", "baidu-qianfan"), ("豆包", "volcengine-ark"), ("火山方舟", "volcengine-ark")],
        *[("讯飞星火", "iflytek-spark"), ("百川智能", "baichuan"), ("零一万物", "01ai"), ("阶跃星辰", "stepfun")],
        *[("腾讯混元", "tencent-hunyuan"), ("硅基流动", "siliconflow"), ("稀宇科技", "minimax"), ("亚马逊云科技", "aws")],
        *[("GPT", "openai"), ("OPENAI", "openai"), ("OpenAI", "openai"), ("hugging face", "huggingface")],
    ],
)
def test_people_s_names_for_it_find_it(
    name: str, vendor: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    assert catalogue.get(name).id == vendor


# ---------------------------------------------------------------- patterns


def literal_start(regex: str) -> str:
    """The text with which all that the expression matches begins."""
    text = ""
    for op, argument in parser.parse(regex):
        if op is not ops.LITERAL:
            break
        text += chr(argument)
    return text


def nested(tree: Any, inside: bool = False) -> bool:
    """A repetition of variable count inside another: the mark of expressions that can take exponential time."""
    for op, argument in tree:
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT):
            least, most, body = argument
            if inside and least != most:
                return True
            if nested(body, inside or (least != most and most > 1)):
                return True
        elif (op is ops.SUBPATTERN and nested(argument[-1], inside)) or (
            op is ops.BRANCH and any(nested(branch, inside) for branch in argument[1])
        ):
            return True
    return False


def test_the_search_for_nested_repetitions_finds_them() -> None:
    assert nested(parser.parse("(a+)+b"))
    assert nested(parser.parse("x(?:[a-z]{2,5}-|y)*"))
    assert not nested(parser.parse("(?:-[0-9]{10,13}){3}(?:dev-)?[a-z]+"))


@every_pattern
def test_its_expression_is_of_bounded_effort(pattern: schema.Pattern) -> None:
    assert not nested(parser.parse(pattern.regex))
    bare = re.sub(r"\[\^[^]]*\]|\\.", "", pattern.regex)
    assert not re.search(r"\(\?[=!<P]|\.\*|\.\+|\^|\$|\*\?|\+\?", bare), "plain expressions only"
    least, _ = parser.parse(pattern.regex).getwidth()
    assert least >= 16, "shorter ones match words"


@every_pattern
def test_long_text_that_nearly_fits_is_refused_fast(pattern: schema.Pattern) -> None:
    begin = pattern.prefix or literal_start(pattern.regex)
    texts = [begin + char * 100_000 for char in "aA0-_./=+:\n{"]
    texts += [begin + ("a1B2c3d4" * 3 + end) * 4000 for end in "._-:/="]
    texts += [begin * 4000 + "!", '{"private_key_id": "' + "a" * 100_000, ("0" * 40 + "-") * 2500]
    began = time.process_time()
    found = [re.fullmatch(pattern.regex, text + "!") for text in texts]
    assert time.process_time() - began < 0.5
    assert found == [None] * len(texts)


@every_pattern
def test_its_prefix_is_how_all_that_it_matches_begins(pattern: schema.Pattern) -> None:
    start = literal_start(pattern.regex)
    assert start.startswith(pattern.prefix)
    if len(start) >= 3 and start != "eyJ":  # which is how every JWT begins
        assert pattern.prefix, "a fixed start is worth showing"


@every_vendor
def test_the_variables_of_its_patterns_are_its_own(vendor: Provider) -> None:
    own = {*vendor.variables, *(field.variable for field in vendor.fields.values())}
    other = {v for p in VENDORS if p is not vendor for v in (*p.variables, *(field.variable for field in p.fields.values()))}
    named = {variable for pattern in vendor.patterns for variable in pattern.variables}
    assert (named - own) & other == set(), "a kind of key that belongs to another vendor's variable"


# ---------------------------------------------------------------- checks


@every_vendor
def test_it_can_be_checked_or_says_why_not(vendor: Provider) -> None:
    assert vendor.checks, "a vendor without a check says unsupported"
    for check in vendor.checks:
        assert bool(check.urls) != bool(check.unsupported)
        if check.unsupported:
            assert not check.unsupported.endswith(".")
    before: list[str] = []
    for check in vendor.checks:
        assert not any(check.prefix.startswith(earlier) for earlier in before), "an earlier check takes all of its keys"
        before.append(check.prefix)


@every_request
def test_the_key_goes_to_the_vendor_s_host_and_is_asked_for(vendor: Provider, request_: schema.Request) -> None:
    """Hosts are literal or a field that is no secret; the key is neither in a host nor missing."""
    dress: schema.Request = request_
    if isinstance(request_, schema.Balance) and not request_.headers and not request_.basic:
        dress = next(check for check in vendor.checks if request_.prefix.startswith(check.prefix))
    everywhere = " ".join((*request_.urls, *dress.headers.values(), *(dress.basic or ()), *request_.form.values()))
    assert "{key}" in everywhere or request_.signature, "nothing would be asked about"
    for url in request_.urls:
        whole_host = PLACEHOLDER.match(url)
        host_text = whole_host[0] if whole_host else url.partition("://")[2].partition("/")[0]
        for name in PLACEHOLDER.findall(host_text):
            assert name in vendor.fields, "never the key"
            assert not vendor.fields[name].secret
        if whole_host:
            assert url[whole_host.end()] == "/"
            assert whole_host[1] in vendor.fields


@every_request
def test_fixed_hosts_belong_to_the_vendor(vendor: Provider, request_: schema.Request) -> None:
    """A slip in a host's name would send keys to a stranger: each has to be of a domain that the file names elsewhere too."""

    def domain(url: str) -> str:
        return ".".join((urlsplit(url).hostname or "").split(".")[-2:])

    homes = {domain(url) for url in (vendor.base_url, *vendor.other_base_urls, vendor.console_url, vendor.docs_url) if url}
    homes |= {"com.cn"} if vendor.id == "aws" else set()  # sts.cn-north-1.amazonaws.com.cn, compared whole below
    for url in request_.urls:
        if "{" not in url.partition("://")[2].partition("/")[0] and not url.startswith("{"):
            assert domain(url) in homes, url
    if vendor.id == "aws":
        assert all(re.search(r"\bamazonaws\.com(?:\.cn)?/", url) for url in request_.urls)


@every_vendor
def test_no_url_is_asked_twice_for_one_key(vendor: Provider) -> None:
    for request in (*vendor.checks, *vendor.balances):
        assert len(set(request.urls)) == len(request.urls)


def test_the_key_is_in_no_query_where_the_vendor_takes_it_elsewhere() -> None:
    """Proxies and servers log addresses. These two have no other way."""
    in_path = {name.rpartition("-")[0] for name, _, request in REQUESTS if any("{key}" in url for url in request.urls)}
    assert in_path == {"jina", "telegram-bot"}


@every_vendor
def test_every_rule_can_decide(vendor: Provider) -> None:
    for check in vendor.checks:
        for number, rule in enumerate(check.rules):
            body = "{" + (rule.body or "anything") + "}"
            # each rule is given its own number as the reason, so the reading tells which one decided
            numbered = tuple(msgspec.structs.replace(r, why=str(n)) for n, r in enumerate(check.rules))
            answer = Answer(rule.status, body, is_html=False, whole=True, retry_after=None)
            reading = verdict.read(msgspec.structs.replace(check, rules=numbered), answer)
            assert reading.why == str(number), f"rule {number} never decides: {check.rules[int(reading.why)]} comes first"


@every_vendor
def test_the_reasons_are_short_phrases(vendor: Provider) -> None:
    proper = {"AWS", "Bedrock", "Anthropic", "Cloudflare", "Discord", "ElevenLabs", "Exa", "GitHub", "GitLab", "Google", "Groq"}
    for rule in (rule for check in vendor.checks for rule in check.rules):
        if not rule.why:
            continue
        assert 5 <= len(rule.why) <= 100, rule.why
        assert not rule.why.endswith((".", "!", " ")), rule.why
        first = re.split(r"[^A-Za-z]", rule.why)[0]
        assert first[:1].islower() or first in proper or not first, rule.why
        assert rule.why.isprintable()


@every_vendor
def test_an_ordinary_key_of_it_makes_requests_that_carry_it(vendor: Provider) -> None:
    """With all fields given, each check and balance turns into requests to https hosts, which carry the key or a signature."""
    values = {name: Secret("https://own.example" if _is_origin(vendor, name) else "abc") for name in vendor.fields}
    for check in vendor.checks:
        key = f"{check.prefix}canarykeycanarykey"
        subject = Subject(f"{vendor.id}/x", vendor, Secret(key), values, "")
        found = check_for(subject)
        if check.unsupported:
            assert not isinstance(found, Check)
            continue
        assert found == check
        assert is_declared(subject)
        requests = requests_for(subject, check)
        assert isinstance(requests, list), requests
        assert len(requests) == len(check.urls)
        for request in requests:
            assert request.url.startswith("https://")
            assert "{" not in request.url
            assert _carries(request, key), check


def _is_origin(vendor: Provider, name: str) -> bool:
    return any(url.startswith("{" + name + "}") for request in (*vendor.checks, *vendor.balances) for url in request.urls)


def _carries(request: Request, key: str) -> bool:
    texts = (request.url, *request.headers.values(), *(request.basic or ()), *request.form.values())
    return any(key in text for text in texts) or (request.signer is not None and request.signer.access_id == key)
