"""Planted keys of every vendor in every place are found; what only looks like keys is not."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from collections.abc import Iterator

import pytest
import shaped_keys

from keyvault.audit.findings import UNKNOWN, Leak
from keyvault.audit.leaks.pieces import Piece, Plan
from keyvault.audit.leaks.rules import is_public
from keyvault.audit.leaks.searching import Search, searcher
from keyvault.crypto.primitives import hmac_sha256
from keyvault.providers import catalogue
from keyvault.providers.schema import Pattern, Provider

KEY = b"f" * 32
URL_SAFE = str.maketrans("+/", "-_")
ENGINES = ("hyperscan", "plain")
PATTERNS = [
    pytest.param(vendor, pattern, id=f"{vendor.id}-{number}")
    for vendor in catalogue.our_own()
    for number, pattern in enumerate(vendor.patterns)
]
SHARED_PREFIX = re.compile(r"sk[-_]")


@pytest.fixture(autouse=True, scope="module")
def no_own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="module")
def search(no_own_files: None) -> Search:
    return searcher(Plan((), KEY, "hyperscan"))


def print_of(value: str) -> str:
    return hmac_sha256(KEY, value.encode()).hex()[:16]


def told(search: Search, data: bytes) -> list[Leak]:
    return search.search(Piece(data, "file"))


@pytest.mark.parametrize(("vendor", "pattern"), PATTERNS)
def test_a_planted_key_is_found_in_every_place(search: Search, vendor: Provider, pattern: Pattern) -> None:
    chance = random.Random(hashlib.sha256(f"{vendor.id} {pattern.regex}".encode()).digest())
    values = [shaped_keys.key(pattern, chance) for _ in range(12)]
    name = shaped_keys.variable(vendor, pattern)
    missed = dict.fromkeys(shaped_keys.PLACES, 0)
    for value in values:
        for place, write in shaped_keys.PLACES.items():
            leaks = told(search, write(name, value))
            assert all(leak.kind == UNKNOWN and value not in repr(leak) for leak in leaks)
            missed[place] += not any(leak.fingerprint == print_of(value) for leak in leaks)
    if is_public(vendor, pattern):
        assert set(missed.values()) == {len(values)}, "public, so no leak"
        return
    if pattern.generic and not SHARED_PREFIX.match(pattern.regex):
        assert missed.pop("bare") == len(values), "nothing says whose it is"
    assert max(missed.values()) <= 1, "one in twelve looks like a placeholder at most"


@pytest.mark.parametrize(("vendor", "pattern"), [param for param in PATTERNS if not is_public(*param.values)])  # type: ignore[arg-type]
def test_behind_its_variable_a_key_is_its_vendors(search: Search, vendor: Provider, pattern: Pattern) -> None:
    chance = random.Random(vendor.id)
    name = shaped_keys.variable(vendor, pattern)
    found = [told(search, f"{name}={shaped_keys.key(pattern, chance)}\n".encode()) for _ in range(8)]
    assert sum([leak.provider for leak in leaks] == [vendor.id] for leaks in found) >= 7


def test_near_misses_are_not_found(search: Search) -> None:
    chance = random.Random(3)
    lines = []
    for vendor in catalogue.our_own():
        for pattern in vendor.patterns:
            if pattern.generic or "private_key" in pattern.regex or "{2,}" in pattern.regex:
                continue
            value = shaped_keys.key(pattern, chance)
            lines.append(f"x{value}")  # goes on to the left
            if re.search(r"\{\d+\}\Z", pattern.regex):
                lines += [f"{value}0a", value[:-1]]  # too long, too short
    found = [(leak.what, lines[leak.line - 1]) for leak in told(search, "\n".join(lines).encode())]
    kept = [
        line for what, line in found if not any(re.fullmatch(p.regex, line) for v in catalogue.our_own() for p in v.patterns)
    ]
    assert kept == []


PLACEHOLDERS = """
OPENAI_API_KEY=sk-your-key-here-your-key-here-your-key-here-0000
OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
DEEPSEEK_API_KEY=sk-00000000000000000000000000000000
DEEPSEEK_API_KEY=sk-1234567890abcdef1234567890abcdef
DEEPSEEK_API_KEY=sk-0123456789abcdef0123456789abcdef
MISTRAL_API_KEY=your_mistral_api_key_goes_in_here
MISTRAL_API_KEY=YOURMISTRALKEYYOURMISTRALKEYYOUR
GROQ_API_KEY=gsk_EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE00
AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE
AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
stripe.api_key = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"
stripe.api_key = "sk_test_BQokikJOvBiI2HlWgH4olfQ2"
token: ghp_16C7e42F292c6912E7710c838347Ae178B4a
SENDGRID_API_KEY=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
TELEGRAM_BOT_TOKEN=110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw
SLACK_BOT_TOKEN=xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy
SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX
TWILIO_AUTH_TOKEN=0123456789abcdef0123456789abcdef
ANTHROPIC_API_KEY=${ANTHROPIC_API_KEY}
COHERE_API_KEY=<your cohere key>
HF_TOKEN=hf_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
STRIPE_PUBLISHABLE_KEY=pk_live_51HqLyjWDarjtT1zdp7dcAbCdEf
SENTRY_DSN=https://0f3a9c1b77d24e5a8b6c9d0e1f2a7b84@o12345.ingest.sentry.io/42
"""


def test_placeholders_and_what_is_printed_in_manuals_are_not_found(search: Search) -> None:
    lines = PLACEHOLDERS.split("\n")
    assert [lines[leak.line - 1] for leak in told(search, PLACEHOLDERS.encode())] == []


def corpora() -> dict[str, str]:
    chance = random.Random(11)

    def sha(bits: int) -> str:
        return chance.randbytes(bits // 8).hex()

    def sri(bits: int) -> str:
        return base64.b64encode(chance.randbytes(bits // 8)).decode()

    def yarn(package: str) -> str:
        return f'"{package}@^1":\n  resolved "https://registry/{package}.tgz#{sha(160)}"\n  integrity sha512-{sri(512)}\n'

    packages = [
        f"{word}-sdk" for word in "mistral groq openai stripe aws sentry cohere twilio vercel exa npm together".split()
    ] * 40
    pem = "\n".join(sri(48 * 8) for _ in range(200))
    return {
        "package-lock.json": json.dumps(
            {
                "packages": {
                    p: {"version": "1.0.0", "integrity": f"sha512-{sri(512)}", "resolved": f"https://{p}/"} for p in packages
                }
            }
            | {"list": [{"name": p, "integrity": f"sha1-{sri(160)}", "shasum": sha(160)} for p in packages]},
            indent=2,
        ),
        "poetry.lock": "".join(f'name = "{p}"\nfiles = [{{file = "{p}.whl", hash = "sha256:{sha(256)}"}}]\n' for p in packages),
        "Cargo.lock": "".join(f'[[package]]\nname = "{p}"\nchecksum = "{sha(256)}"\n' for p in packages),
        "yarn.lock": "".join(map(yarn, packages)),
        "requirements.txt": "".join(f"{p}==1.0 --hash=sha256:{sha(256)} \\\n  --hash=sha256:{sha(256)}\n" for p in packages),
        "RECORD": "".join(f"{p}.py,sha256={sri(256).translate(URL_SAFE)[:43]},12\n" for p in packages),
        "uuids": "".join(
            f"{p}_id = {uuid.UUID(int=chance.getrandbits(128))}\n  key: {p}, uuid: {uuid.UUID(int=1)}\n" for p in packages
        ),
        "git": "".join(
            f"commit {sha(160)}\nindex {sha(160)[:7]}..{sha(160)[:7]}\n    use {p} token {sha(160)[:12]}\n" for p in packages
        ),
        "ci.yml": "".join(
            f"- uses: {p}/action@{sha(160)}\n  cache-key: {p}-{sha(256)}\n  etag: {sha(128)}\n" for p in packages
        ),
        "pem": f"-----BEGIN PUBLIC KEY-----\n{pem}\n-----END PUBLIC KEY-----\nssh-rsa {sri(3072)} me@mistral\n",
        "minified.js": ";".join(
            f'var a{i}="{chance.choice(packages)}",b=e.key,n=function(t){{return"{sha(64)}"+t.token[{i}]}}' for i in range(2000)
        ),
        "map": json.dumps({"mappings": "".join(chance.choice("AACAgBDEFGHIJK,;") for _ in range(50000)), "sources": packages}),
        "image": f'<img alt="mistral token" src="data:image/png;base64,{sri(400000)}">',
        "code": "".join(
            f"    {p}_token_provider = get_the_default_credential_provider_for_{p}_clients_v2(key)\n"
            for p in (package.replace("-", "_") for package in packages)
        ),
    }


@pytest.mark.parametrize("name", sorted(corpora()))
def test_no_false_finding(search: Search, name: str) -> None:
    text = corpora()[name]
    leaks = told(search, text.encode())
    lines = text.split("\n")
    assert [(leak.provider, lines[leak.line - 1][max(0, leak.column - 40) : leak.column + 60]) for leak in leaks] == []


@pytest.mark.parametrize("name", ENGINES)
def test_both_engines_tell_the_same_of_the_corpus(no_own_files: None, search: Search, name: str) -> None:
    other = searcher(Plan((), KEY, name))
    assert other.engine == name
    chance = random.Random(5)
    for vendor in catalogue.our_own():
        for pattern in vendor.patterns:
            value = shaped_keys.key(pattern, chance)
            for write in shaped_keys.PLACES.values():
                data = write(shaped_keys.variable(vendor, pattern), value)
                assert told(other, data) == told(search, data)
