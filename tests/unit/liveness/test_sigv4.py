"""AWS signatures: keyvault's requests against an independent computation, which itself is held to AWS's published vectors.

The vectors are of AWS's Signature Version 4 test suite (in botocore, tests/unit/auth/aws4_testsuite) and of the example in its
documentation, GET ListUsers. The computation follows "Create a signed AWS API request" of the IAM User Guide.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote

import pytest
from internet import Asked, Internet, Reply
from vaults import VaultHome

ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
DATE = "20150830T123600Z"
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/"
    "qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7"
    "ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


class Signed(NamedTuple):
    """The canonical request's hash, and the signature."""

    hash: str
    signature: str


def sign(method: str, target: str, headers: list[tuple[str, str]], body: str, *, secret: str, scope: str, date: str) -> Signed:
    """By the documentation: canonical request, string to sign, derived key, signature."""
    path, _, query = target.partition("?")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    merged: dict[str, list[str]] = {}
    for name, value in headers:
        merged.setdefault(name.lower(), []).append(re.sub(" +", " ", value.strip()))
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{','.join(merged[name])}" for name in sorted(merged)),
            "",
            ";".join(sorted(merged)),
            hashlib.sha256(body.encode()).hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{hashed}"
    return Signed(hashed, hmac.new(key, text.encode(), hashlib.sha256).hexdigest())


HOST = ("Host", "example.amazonaws.com")
WHEN = ("X-Amz-Date", DATE)
FORM = "application/x-www-form-urlencoded"
VECTORS = {
    "get-vanilla": (
        ("GET", "/", [HOST, WHEN], ""),
        "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        ("GET", "/?Param2=value2&Param1=value1", [HOST, WHEN], ""),
        "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-header-value-trim": (
        ("GET", "/", [HOST, ("My-Header1", " value1"), ("My-Header2", ' "a   b   c"'), WHEN], ""),
        "a726db9b0df21c14f559d0a978e563112acb1b9e05476f0a6a1c7d68f28605c7",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-header-key-duplicate": (
        ("GET", "/", [HOST, ("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1"), WHEN], ""),
        "dc7f04a3abfde8d472b0ab1a418b741b7c67174dad1551b4117b15527fbe966c",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
    ),
    "post-vanilla": (
        ("POST", "/", [HOST, WHEN], ""),
        "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        ("POST", "/", [("Content-Type", FORM), HOST, WHEN], "Param1=value1"),
        "42a5e5bb34198acb3e84da4f085bb7927f2bc277ca766e6d19c73c2154021281",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-x-www-form-urlencoded-parameters": (
        ("POST", "/", [("Content-Type", FORM + "; charset=utf8"), HOST, WHEN], "Param1=value1"),
        "2e1cf7ed91881a30569e46552437e4156c823447bf1781b921b5d486c568dd1c",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
    "post-sts-header-before": (
        ("POST", "/", [HOST, WHEN, ("X-Amz-Security-Token", TOKEN)], ""),
        "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_the_computation_gives_the_signatures_that_aws_published(name: str) -> None:
    (method, target, headers, body), hashed, signature = VECTORS[name]
    found = sign(method, target, headers, body, secret=SECRET, scope="20150830/us-east-1/service/aws4_request", date=DATE)
    assert found == Signed(hashed, signature)


def test_the_computation_gives_the_signature_of_the_documentation_s_example() -> None:
    headers = [("Content-Type", FORM + "; charset=utf-8"), ("Host", "iam.amazonaws.com"), WHEN]
    scope = "20150830/us-east-1/iam/aws4_request"
    found = sign("GET", "/?Action=ListUsers&Version=2010-05-08", headers, "", secret=SECRET, scope=scope, date=DATE)
    assert found.signature == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"


# ---------------------------------------------------------------- a token service that looks at signatures

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/((\d{8})/([a-z0-9-]+)/sts/aws4_request), "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
IDENTITY = (
    '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    "<Arn>arn:aws:iam::123456789012:user/Alice</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


def error(code: str, message: str) -> Reply:
    body = f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return Reply(403, body, {"Content-Type": "text/xml"})


class Pair(NamedTuple):
    """What the service knows of a key."""

    secret: str
    token: str = ""


class TokenService:
    """STS of one part of AWS: recomputes each signature from what arrived. `clock` is how far its clock is ahead of ours."""

    def __init__(self, region: str, pairs: dict[str, Pair], clock: timedelta = timedelta()) -> None:
        self.region = region
        self.pairs = pairs
        self.clock = clock
        self.seen: list[str] = []

    def __call__(self, asked: Asked) -> Reply:
        found = AUTHORIZATION.fullmatch(asked.headers["authorization"])
        if not found:
            return error("IncompleteSignature", "no")
        key_id, scope, day, region, signed, signature = found.groups()
        names = signed.split(";")
        self.seen.append(signed)
        needed = {"host"} | {name for name in asked.headers if name.startswith("x-amz-") or name == "content-type"}
        sent = asked.headers["x-amz-date"]
        if not needed <= set(names) or not sent.startswith(day) or region != self.region:
            return error("SignatureDoesNotMatch", f"Credential should be scoped to a valid region, not {region!r}")
        if asked.headers["x-amz-content-sha256"] != hashlib.sha256(asked.body.encode()).hexdigest():
            return error("XAmzContentSHA256Mismatch", "no")
        pair = self.pairs.get(key_id)
        if pair is None or asked.headers.get("x-amz-security-token", "") != pair.token:
            return error("InvalidClientTokenId", "The security token included in the request is invalid.")
        age = datetime.now(UTC) + self.clock - datetime.strptime(sent, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if age > timedelta(minutes=15):
            return error("SignatureDoesNotMatch", f"Signature expired: {sent} is now earlier than 20260101T000000Z (15 min.)")
        if age < -timedelta(minutes=15):
            return error("SignatureDoesNotMatch", f"Signature not yet current: {sent} is still later than 20260101T000000Z")
        headers = [(name, asked.headers[name]) for name in names]
        expected = sign(asked.method, asked.path, headers, asked.body, secret=pair.secret, scope=scope, date=sent).signature
        if not hmac.compare_digest(expected, signature):
            return error(
                "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
            )
        assert dict(parse_qsl(asked.body))["Action"] == "GetCallerIdentity"
        return Reply(200, IDENTITY, {"Content-Type": "text/xml"})


GLOBAL, CHINA, GOV = "sts.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com"
KNOWN = "AKIAIOSFODNN7EXAMPLE"
CHINESE = "AKIACHINAKEY7EXAMPLE"
SESSION = "ASIAIOSFODNN7EXAMPLE"


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Internet]:
    internet = Internet(tmp_path)
    internet.hosts[GLOBAL] = TokenService("us-east-1", {KNOWN: Pair(SECRET), SESSION: Pair(SECRET, TOKEN)})
    internet.hosts[CHINA] = TokenService("cn-north-1", {CHINESE: Pair("zh/" + SECRET)})
    internet.hosts[GOV] = TokenService("us-gov-west-1", {})
    yield internet
    internet.close()


@pytest.fixture
def check(tmp_path: Path, net: Internet) -> Callable[..., dict[str, object]]:
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    home = VaultHome(str(folder))
    home.create()

    def ask(key_id: str, secret: str | None, token: str = "") -> dict[str, object]:
        words = ["--secret-field", "secret_access_key=env:S"] if secret else []
        words += ["--secret-field", "session_token=env:T"] if token else []
        home.run("add", "aws", *words, "--stdin", stdin=key_id.encode(), env={"S": secret or "", "T": token})
        done = home.run("check", "--json", "--debug", env=net.environment(), code=None)
        for hidden in filter(None, (secret, token)):
            assert hidden.encode() not in done.stdout + done.stderr
        if secret:
            assert secret not in repr(net.asked) + repr(net.connect_heads), "a signature is sent, not the secret"
        return dict(json.loads(done.stdout)["results"][0])

    return ask


def test_a_pair_is_signed_as_aws_wants_it(check: Callable[..., dict[str, object]], net: Internet) -> None:
    result = check(KNOWN, SECRET)
    assert (result["verdict"], result["http_status"]) == ("valid", 200)
    (asked,) = net.asked
    assert (asked.host, asked.method, asked.path) == (GLOBAL, "POST", "/")
    assert asked.headers["content-type"] == FORM
    service = net.hosts[GLOBAL]
    assert isinstance(service, TokenService)
    assert service.seen == ["content-type;host;x-amz-content-sha256;x-amz-date"]


def test_a_temporary_key_is_signed_together_with_its_token(check: Callable[..., dict[str, object]], net: Internet) -> None:
    assert check(SESSION, SECRET, TOKEN)["verdict"] == "valid"
    service = net.hosts[GLOBAL]
    assert isinstance(service, TokenService)
    assert service.seen == ["content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token"]
    assert net.asked[0].headers["x-amz-security-token"] == TOKEN


def test_a_temporary_key_without_its_token_is_not_called_valid(check: Callable[..., dict[str, object]]) -> None:
    result = check(SESSION, SECRET)
    assert result["verdict"] in ("invalid", "invalid_here")


def test_a_wrong_secret_is_invalid_and_the_reason_says_which_half(check: Callable[..., dict[str, object]]) -> None:
    result = check(KNOWN, SECRET[:-1] + "Z")
    assert result["verdict"] == "invalid"
    assert "AWS knows the key id, but the secret does not belong to it" in str(result["reason"])


def test_a_key_of_china_is_found_there_with_a_signature_for_that_region(
    check: Callable[..., dict[str, object]], net: Internet
) -> None:
    result = check(CHINESE, "zh/" + SECRET)
    assert result["verdict"] == "valid"
    assert CHINA in str(result["reason"])
    assert [asked.host for asked in net.asked] == [GLOBAL, CHINA]
    assert "/cn-north-1/sts/" in net.asked[1].headers["authorization"]


def test_a_key_that_no_part_of_aws_knows_is_invalid(check: Callable[..., dict[str, object]], net: Internet) -> None:
    assert check("AKIAUNKNOWN7EXAMPLE2", SECRET)["verdict"] == "invalid"
    assert [asked.host for asked in net.asked] == [GLOBAL, CHINA, GOV]


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_does_not_make_a_key_bad(hours: int, check: Callable[..., dict[str, object]], net: Internet) -> None:
    net.hosts[GLOBAL] = TokenService("us-east-1", {KNOWN: Pair(SECRET)}, clock=timedelta(hours=hours))
    result = check(KNOWN, SECRET)
    assert (result["verdict"], result["usable"]) == ("unknown", None)
    assert "clock" in str(result["reason"])
    assert len(net.asked) == 1


def test_half_a_pair_is_not_sent(check: Callable[..., dict[str, object]], net: Internet) -> None:
    result = check(KNOWN, None)
    assert result["verdict"] == "unknown"
    assert "secret half" in str(result["reason"])
    assert "--secret-field secret_access_key" in str(result["next"])
    assert net.connects == []
