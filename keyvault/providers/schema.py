"""What a vendor's file may say. docs/how-to/own-providers.md explains it for people who write one."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

Verdict = Literal["valid", "restricted", "no_credit", "rate_limited", "disabled", "invalid", "invalid_here", "unknown"]
Confidence = Literal["high", "medium", "low"]
Status = Annotated[int, msgspec.Meta(ge=100, le=599)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
FieldName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,64}$")]
Header = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Span = Annotated[str, msgspec.Meta(pattern=r"^(?:[1-9][0-9]{0,3}[dwmy])?$")]
HeaderValue = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]*$", max_length=512)]

PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")
LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|::1)\Z")  # as net.client


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A table of the file: no key that is not listed here."""


class Field(_Part, frozen=True, kw_only=True):
    """A further part of a credential, and the variable that programs read it from. `default`: what checks take without it."""

    variable: Variable
    secret: bool
    description: str = ""
    default: str = ""


class Pattern(_Part, frozen=True, kw_only=True):
    """One shape of a vendor's keys. `generic`: other vendors' keys look so too. `variables`: those this kind belongs to."""

    kind: str
    regex: str
    prefix: str = ""
    generic: bool = False
    variables: tuple[Variable, ...] = ()
    checksum: Literal["", "crc32-base62"] = ""
    confidence: Confidence | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for what is no expression."""
        try:
            re.compile(self.regex)
        except re.error as exc:
            raise ValueError(f"the regex does not compile: {exc}") from exc


class Rule(_Part, frozen=True, kw_only=True):
    """What one answer means. `body` is a marker: anywhere in the body, in either case, blanks between JSON parts aside."""

    status: Status
    verdict: Verdict
    body: str = ""
    why: str = ""


class Signature(_Part, frozen=True, kw_only=True):
    """A request that is signed instead of carrying the key. `regions`: one for each URL."""

    scheme: Literal["aws-sigv4"]
    service: str
    regions: tuple[str, ...]


class Request(_Part, frozen=True, kw_only=True):
    """How a question is put. `{key}` and the names of fields are filled in; a URL for each of the vendor's regions."""

    prefix: str = ""
    method: Literal["GET", "POST"] = "GET"
    urls: tuple[str, ...] = ()
    headers: dict[Header, HeaderValue] = {}
    basic: tuple[str, str] | None = None
    form: dict[str, str] = {}
    body: str = ""
    signature: Signature | None = None
    confidence: Confidence | None = None
    note: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a URL that would carry the key in clear."""
        for url in self.urls:
            check_url(url)
        if self.signature and len(self.signature.regions) != len(self.urls):
            raise ValueError("a signature needs one region for each URL")


class Check(Request, frozen=True, kw_only=True):
    """How a vendor tells whether a key works, for keys that begin with `prefix`. The first rule that fits decides.

    `ask_without_key`: a good answer counts only where the same request without the key is refused.
    `unsupported`: why there is no check.
    """

    valid: tuple[Status, ...] = (200,)
    ask_without_key: bool = False
    unsupported: str = ""
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where there is neither a URL nor a reason."""
        super().__post_init__()
        if bool(self.urls) == bool(self.unsupported):
            raise ValueError("a check has urls, or says why it is unsupported")


class Balance(Request, frozen=True, kw_only=True):
    """Where a vendor tells what is left. Paths are names joined by dots, `[*]` for every entry of a list.

    Amount less `minus`, times `scale`. `units`: one, or one for each URL; or at `unit_path`, beside the amount.
    `parts` and `facts` are further figures and plain fields, by the name that is shown. `means` = "spent" or "used" where the
    vendor tells only that. Without `headers` and `basic` those of the check are taken.
    """

    scope: str
    amount: str
    minus: str = ""
    units: tuple[str, ...] = ()
    unit_path: str = ""
    scale: str = "1"
    null_means: str = ""
    means: Literal["left", "spent", "used"] = "left"
    parts: dict[str, str] = {}
    facts: dict[str, str] = {}
    needs: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for units that do not fit the URLs."""
        super().__post_init__()
        if not self.unit_path and len(self.units) not in (1, len(self.urls)):
            raise ValueError("a balance needs one unit, or one for each URL")


class Call(_Part, frozen=True, kw_only=True):
    """One request of a rotation. Placeholders: `{key}` (the credential that may do it), `{old}` (the value that goes),
    `{id}`, `{name}`, `{expires_date}`, and fields of either key. `gone`: answers that mean it was done before. `as`: whose
    key is sent instead of the usual one. `id_prefix`: only for ids that begin so.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: str
    headers: dict[Header, HeaderValue] | None = None
    json: dict[str, object] | None = None
    success: tuple[Status, ...] = (200, 201, 202, 204)
    gone: tuple[Status, ...] = ()
    as_: Literal["", "old", "nobody"] = msgspec.field(default="", name="as")
    id_prefix: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a URL that would carry the key in clear."""
        check_url(self.url)


class Creation(Call, frozen=True, kw_only=True):
    """The request that makes a key. `secret` and `id`: where they may stand in the answer, the first that is there.

    `copies`: what the new key gets from the old one's entry, as field of the request and path in the entry; where `required`
    and the entry is not found, nothing is made, for the new key would have other rights. `expires`: where its end stands.
    """

    secret: tuple[str, ...]
    id: tuple[str, ...] = ()
    expires: str = ""
    copies: dict[str, str] = {}
    required: bool = False


class Listing(Call, frozen=True, kw_only=True):
    """The request that lists keys: where the entries stand, and in each its id, name and masked value.

    `page`: the parameter that asks for what follows, by number of entries (`by` = "offset") or by the last id. `detail`: where
    one entry is told in full.
    """

    items: str
    id: str = "id"
    name: str = "name"
    hint: str = ""
    page: str = ""
    by: Literal["offset", "id"] = "offset"
    detail: str = ""


class Identity(Call, frozen=True, kw_only=True):
    """The request that tells the id of the old key, and where it stands."""

    path: str


class Api(_Part, frozen=True, kw_only=True):
    """The vendor's requests, for a program. `by`: whose key is sent, an administrator's or the key itself.

    `unless`: keys that begin so are replaced by hand.
    `admin_variables` and `admin_prefix` tell which key of the vault is the administrator's. `rolls`: `create` gives the same
    key a new value, and the old one is dead at once. `irreversible`: `delete` works for everybody and cannot be undone.
    The old key's id is part of its value (`id_pattern`), is told (`identity`), or is looked up in `old`, else in `listing`.
    `settle`: seconds until a new key works and a deleted one does not. `proven`: keyvault's tests run it against a double.
    """

    by: Literal["admin", "self"]
    unless: tuple[str, ...] = ()
    headers: dict[Header, HeaderValue] = {}
    admin_variables: tuple[Variable, ...] = ()
    admin_prefix: str = ""
    create: Creation | None = None
    rolls: bool = False
    listing: Listing | None = None
    old: Listing | None = None
    identity: Identity | None = None
    id_pattern: str = ""
    delete: tuple[Call, ...] = ()
    irreversible: bool = False
    settle: int = 10
    proven: bool = False


class Rotation(_Part, frozen=True, kw_only=True):
    """How a key is replaced: by the vendor's API with another credential, with the key itself, partly, or by hand.

    `calls` is for people; `api`, where it is there, is what `rotate` does. `scheme`: a module of its own does it.
    `rotate_after`: the age at which the vendor itself advises to replace a key, such as 90d.
    """

    kind: Literal["api", "self", "partial", "manual"]
    needs: str = ""
    rotate_after: Span = ""
    confidence: Confidence | None = None
    note: str = ""
    calls: dict[str, str] = {}
    api: Api | None = None
    scheme: Literal["", "aws"] = ""


class Revocation(_Part, frozen=True, kw_only=True):
    """How a key is switched off. `call` is for people."""

    kind: Literal["api", "partial", "manual"]
    needs: str = ""
    call: str = ""
    note: str = ""


class Provider(_Part, frozen=True, kw_only=True):
    """One vendor. `variables`: the first is the one its own library reads."""

    id: Id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    variables: Annotated[tuple[Variable, ...], msgspec.Meta(min_length=1)]
    category: str = ""
    aliases: tuple[str, ...] = ()
    base_url: str = ""
    base_url_variable: str = ""
    other_base_urls: tuple[str, ...] = ()
    openai_compatible: bool = False
    console_url: str = ""
    docs_url: str = ""
    notes: str = ""
    confidence: Confidence = "low"
    sources: tuple[str, ...] = ()
    fields: dict[FieldName, Field] = {}
    patterns: tuple[Pattern, ...] = ()
    checks: tuple[Check, ...] = ()
    balances: tuple[Balance, ...] = ()
    rotation: Rotation = Rotation(kind="manual")
    revocation: Revocation = Revocation(kind="manual")

    def __post_init__(self) -> None:
        """Raises ValueError for what would send a key astray, or name a field that is not there."""
        for url in (self.base_url, *self.other_base_urls):
            if url:
                check_url(url)
        if self.console_url and urlsplit(self.console_url).scheme != "https":
            raise ValueError("console_url has to begin with https://")
        for request in (*self.checks, *self.balances):
            texts = (*request.urls, *request.headers.values(), *(request.basic or ()), *request.form.values())
            for name in (name for text in texts for name in PLACEHOLDER.findall(text)):
                if name not in ("key", "month_start", "month_start_unix") and name not in self.fields:
                    raise ValueError(f"{{{name}}} is no field of this vendor")
        if any(check.prefix == "" for check in self.checks[:-1]):
            raise ValueError("a check without prefix is for all other keys, so it comes last")


def check_url(url: str) -> None:
    """Raises ValueError unless a key may be sent there: https, or http on this machine; no name and password in it."""
    if "{key}" in (url.partition("://")[2] or url).partition("/")[0]:
        raise ValueError("the key may not be part of a host's name")
    if url.startswith("{"):
        return  # a field's value, looked at when it is known
    try:
        parts = urlsplit(PLACEHOLDER.sub("x", url))
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises ValueError for what is no port
    except ValueError as exc:
        raise ValueError("this is no URL") from exc
    if (
        not host
        or parts.username is not None
        or parts.password is not None
        or "{" in host
        or " " in url
        or not url.isascii()
        or not url.isprintable()
    ):
        raise ValueError("this is no plain URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and LOOPBACK.match(host)):
        raise ValueError("a URL has to begin with https://; http:// only for this machine")
