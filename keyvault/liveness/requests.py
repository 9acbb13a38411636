"""The requests that ask about one key: where they may go, and what is filled in."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from keyvault.core.secret import Secret
from keyvault.net.client import Request, Signer
from keyvault.providers import address, schema
from keyvault.providers.schema import PLACEHOLDER, Check, Provider

_HOST_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")


class Subject(NamedTuple):
    """A key to ask about: its name, vendor if known, value, further values by field, and its own base URL or ''."""

    ref: str
    provider: Provider | None
    value: Secret
    fields: Mapping[str, Secret]
    base_url: str

    @property
    def page(self) -> str:
        """Where the vendor's keys are made."""
        return (self.provider and self.provider.console_url) or "the vendor's page"


class Unready(NamedTuple):
    """Nothing can be asked yet: why, and what to do."""

    why: str
    then: str = ""


def check_for(subject: Subject) -> Check | Unready:
    """The check for this key: its kind's, else the vendor's, else a listing of the models at its own base URL."""
    provider = subject.provider
    if provider:
        value = subject.value.reveal()
        found = next((check for check in provider.checks if value.startswith(check.prefix)), None)
        if found and found.unsupported:
            return Unready(f"{provider.name} cannot be asked: {found.unsupported}")
        if found and places(subject, found.urls):
            return found
    base = subject.base_url or (provider.base_url if provider else "")
    if not base:
        return Unready(
            "keyvault knows no way to check it", f"keyvault edit {subject.ref} --base-url URL, if it speaks OpenAI's API"
        )
    try:
        return Check(urls=(base.rstrip("/") + "/models",), headers={"Authorization": "Bearer {key}"}, ask_without_key=True)
    except ValueError:
        return Unready("its base URL is not one that a key may be sent to", f"keyvault edit {subject.ref} --base-url https://…")


def is_declared(subject: Subject) -> bool:
    """The key goes to the vendor's own addresses, not to one that the user set."""
    return address.is_theirs(subject.provider, subject.base_url)


def places(subject: Subject, urls: tuple[str, ...]) -> list[str]:
    """Where to ask, in order."""
    return address.places(subject.provider, subject.base_url, urls)


def requests_for(subject: Subject, asked: schema.Request, headers_of: schema.Request | None = None) -> list[Request] | Unready:
    """One request for each address that may be asked, in order; headers and password are those of `headers_of`, if given."""
    dress = headers_of or asked
    if subject.base_url and not _is_plain(subject.base_url):
        return Unready("its base URL is not one that a key may be sent to", f"keyvault edit {subject.ref} --base-url https://…")
    found: list[Request] = []
    missing: set[str] = set()
    for template in places(subject, asked.urls):
        needed = {name for text in (template, *_texts(dress), *asked.form.values()) for name in PLACEHOLDER.findall(text)}
        if lacking := needed - set(_values(subject)):
            missing |= lacking
            continue
        url = _fill_url(template, subject)
        if isinstance(url, Unready):
            return url
        signer = None
        if asked.signature:
            region = asked.signature.regions[asked.urls.index(template) if template in asked.urls else 0]
            values = _values(subject)
            if "secret_access_key" not in values:
                return Unready("it lacks its secret half", f"keyvault edit {subject.ref} --secret-field secret_access_key")
            signer = Signer(
                values["key"], values["secret_access_key"], values.get("session_token", ""), region, asked.signature.service
            )
        found.append(
            Request(
                asked.method,
                url,
                {name: _fill(text, subject) for name, text in dress.headers.items()},
                asked.body,
                {name: _fill(text, subject) for name, text in asked.form.items()},
                (_fill(dress.basic[0], subject), _fill(dress.basic[1], subject)) if dress.basic else None,
                signer,
            )
        )
    if found:
        return found
    if not missing:
        return Unready("the address set for it is not one where this can be asked")
    return Unready(
        f"it lacks {', '.join(sorted(missing))}",
        f"keyvault edit {subject.ref} " + " ".join(f"--field {n}=…" for n in sorted(missing)),
    )


def without_key(request: Request, key: str) -> Request:
    """The same request as a stranger would send it; in an address that holds the key, another word is in its place."""
    scheme, _, rest = request.url.partition("//")
    host, slash, path = rest.partition("/")
    url = f"{scheme}//{host}{slash}{path.replace(quote(key, safe=':'), '0')}"
    headers = {name: text for name, text in request.headers.items() if name.lower() in ("content-type", "accept")}
    return request._replace(url=url, headers=headers, form={}, basic=None, signer=None)


def _texts(request: schema.Request) -> tuple[str, ...]:
    return (*request.headers.values(), *(request.basic or ()))


def _values(subject: Subject) -> dict[str, str]:
    declared = subject.provider.fields if subject.provider else {}
    defaults = {name: field.default for name, field in declared.items() if field.default}
    given = {name: value.reveal() for name, value in subject.fields.items()}
    return _month_start() | defaults | given | {"key": subject.value.reveal()}


def _fill(template: str, subject: Subject) -> str:
    values = _values(subject)
    return PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _fill_url(template: str, subject: Subject) -> str | Unready:
    """A URL with its placeholders filled; what is filled in cannot lead to another host than it says."""
    values = _values(subject)
    origin = PLACEHOLDER.match(template)
    start = ""
    if origin:  # the field holds the beginning, as in {endpoint}/openai/models
        start = values[origin[1]]
        start = start if "://" in start else f"https://{start}"
        template = template[origin.end() :]
        if not _is_plain(start):
            return Unready(f"its field {origin[1]} is no URL", f"keyvault edit {subject.ref} --field {origin[1]}=https://…")
    scheme, separator, rest = template.partition("://") if not start else ("", "", template)
    host, slash, path = rest.partition("/") if separator else ("", "", rest)
    for name in PLACEHOLDER.findall(host):
        if not _HOST_PART.match(values[name]):
            return Unready(f"its field {name} cannot be part of a host's name", f"keyvault edit {subject.ref} --field {name}=…")
    host = PLACEHOLDER.sub(lambda found: values[found[1]], host)
    path = PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=":"), path)
    return start.rstrip("/") + scheme + separator + host + slash + path


def _is_plain(text: str) -> bool:
    """An address that people set, to which a path can be added."""
    if set("{?#") & set(text):
        return False
    try:
        schema.check_url(text)
    except ValueError:
        return False
    return True


def _month_start() -> dict[str, str]:
    """The beginning of this month, for vendors who tell what was spent since a date."""
    today = time.gmtime()
    start = f"{today.tm_year:04}-{today.tm_mon:02}-01T00:00:00Z"
    from calendar import timegm

    return {"month_start": start, "month_start_unix": str(timegm((today.tm_year, today.tm_mon, 1, 0, 0, 0)))}
