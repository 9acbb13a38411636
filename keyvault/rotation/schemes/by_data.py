"""The way that most vendors go, from the requests in their file: make a key by name, list keys, delete one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from keyvault.core import clock
from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret
from keyvault.liveness import requests
from keyvault.liveness.requests import Subject
from keyvault.net.client import Request
from keyvault.providers.schema import PLACEHOLDER, Api, Call, Listing, Provider, check_url
from keyvault.rotation.schemes.asking import ask, at, document
from keyvault.rotation.schemes.base import API, MANUAL, NOTHING, PUBLIC, ROLL, Job, Made, Refused, Unclear

_MOST_PAGES = 50
_HINT = re.compile(r"(.*?)(?:\.{3}|…|\*+)(.*)\Z", re.DOTALL)  # how vendors mask: sk-or-v1-0e6...1c96


class ByData:
    """A vendor's way as its file tells it; without requests there, everything is done by hand."""

    refuses_another = False

    def __init__(self, provider: Provider | None, value: str = "", *, by_hand: bool = False) -> None:
        api = provider.rotation.api if provider else None
        if api and value.startswith(api.unless or "\0"):
            api = None
        self._api = api or Api(by="self")
        creates = self._api.create is not None and not by_hand
        self.makes = (ROLL if self._api.rolls else API) if creates else MANUAL
        self.name = provider.id if provider and creates else "manual"
        self.by: str = self._api.by
        self.proven = self._api.proven or api is None
        self.lists = creates and self._api.listing is not None
        self.settle = self._api.settle
        if self.makes == ROLL:
            self.revokes = NOTHING
        else:
            self.revokes = (PUBLIC if self._api.irreversible else API) if self._api.delete else MANUAL

    def old_id(self, job: Job) -> str:
        """Part of the value, or what the list says of an id that we know or a masked value that can only be this key's."""
        if self._api.id_pattern and (found := re.match(self._api.id_pattern, job.old.value.reveal())):
            return found[1]
        if identity := self._api.identity:
            told = at(document(ask(self._request(identity, job), allowed=identity.success)), identity.path)
            return str(told) if isinstance(told, (str, int)) else ""
        listing = self._api.old or self._api.listing
        if listing is None:
            return job.old_id
        entries = self._entries(job, listing)
        known = (
            entries
            if listing is self._api.listing or not self._api.listing
            else entries + self._entries(job, self._api.listing)
        )
        if job.old_id and any(at(entry, listing.id) == job.old_id for entry in known):
            return job.old_id
        value = job.old.value.reveal()
        found_ids = [str(at(entry, listing.id)) for entry in entries if listing.hint and _fits(at(entry, listing.hint), value)]
        return found_ids[0] if len(found_ids) == 1 else ""

    def create(self, job: Job) -> Made:
        """A new key, with the limits of the old one where the vendor tells them. Raises Refused, Unclear, InvalidInput."""
        creation = self._api.create
        assert creation is not None
        body = dict(creation.json or {})
        if creation.copies:
            entry = self._entry_of_old(job)
            if entry is None and creation.required:
                raise Refused(
                    f"the vendor does not tell what {job.old.ref} may do, so a new key could not get the same rights",
                    f"say which it is: keyvault edit {job.old.ref} --vendor-id ID; or make the new key by hand: --manual",
                )
            copied = {name: at(entry, path) for name, path in creation.copies.items()}
            body |= {name: value for name, value in copied.items() if value is not None}
        request = self._request(creation, job, body=None if creation.json is None else body)
        told = document(ask(request, once=True, allowed=creation.success))
        secret = _first(told, creation.secret)
        if not secret or secret == job.old.value.reveal():
            raise Unclear("the vendor answered as if a key was made, and gave none", "resume in a while")
        return Made(
            Secret(secret), {}, _first(told, creation.id), _time(at(told, creation.expires) if creation.expires else None)
        )

    def strays(self, job: Job, keep: str) -> list[str]:
        """Keys of the job's name, which nobody but this rotation can have made."""
        listing = self._api.listing
        if listing is None:
            return []
        found = [at(entry, listing.id) for entry in self._entries(job, listing) if at(entry, listing.name) == job.name]
        return [str(vendor_id) for vendor_id in found if str(vendor_id) != keep]

    def can_delete(self, vendor_id: str) -> bool:
        """There is a request for an id of that kind, known or not."""
        call = self._deletion(vendor_id)
        return call is not None and bool(vendor_id or "{id}" not in _all_text(call))

    def _deletion(self, vendor_id: str) -> Call | None:
        return next((call for call in self._api.delete if vendor_id.startswith(call.id_prefix)), None)

    def delete(self, job: Job, vendor_id: str) -> None:
        """Delete by id, or where the vendor wants it by value, `job.old`. Raises Refused, Unclear."""
        call = self._deletion(vendor_id)
        if call is None or not self.can_delete(vendor_id):
            raise Refused("the vendor's id of the key is not known", f"keyvault edit {job.old.ref} --vendor-id ID")
        ask(self._request(call, job._replace(old_id=vendor_id)), allowed=(*call.success, *call.gone))

    def _entry_of_old(self, job: Job) -> Any | None:
        listing = self._api.old or self._api.listing
        if listing is None or not job.old_id:
            return None
        if listing.detail:
            call = Call(url=listing.detail, headers=listing.headers)
            return document(ask(self._request(call, job), allowed=(200,)))
        return next((entry for entry in self._entries(job, listing) if at(entry, listing.id) == job.old_id), None)

    def _entries(self, job: Job, listing: Listing) -> list[Any]:
        """All entries, page by page. Raises Unclear for more pages than anybody has keys."""
        entries: list[Any] = []
        for _ in range(_MOST_PAGES):
            request = self._request(listing, job)
            if entries and listing.page:
                last = str(len(entries)) if listing.by == "offset" else str(at(entries[-1], listing.id))
                mark = "&" if "?" in request.url else "?"
                request = request._replace(url=f"{request.url}{mark}{listing.page}={quote(last, safe='')}")
            page = at(document(ask(request, allowed=listing.success)), listing.items)
            if not isinstance(page, list):
                raise Unclear("the vendor's list of keys cannot be read", "resume in a while")
            entries += page
            if not page or not listing.page:
                return entries
        raise Unclear("the vendor's list of keys does not end", "resume in a while")

    def _request(self, call: Call, job: Job, body: Mapping[str, Any] | None = None) -> Request:
        """One request. Raises Refused where something that it needs is not known, or it would go to a stranger."""
        sender = {"old": job.old, "nobody": None}.get(call.as_, job.by)
        lifetime = timedelta(days=min(job.days, 365) - 1 if job.days > 0 else 364)
        values = {name: field.default for name, field in job.provider.fields.items() if field.default}
        values |= {name: value.reveal() for part in (job.old, job.by) for name, value in part.fields.items()}
        values |= {"old": job.old.value.reveal(), "id": job.old_id, "name": job.name}
        values["expires_date"] = (datetime.fromtimestamp(clock.now(), UTC) + lifetime).strftime("%Y-%m-%d")
        if sender:
            values["key"] = sender.value.reveal()
        content = body if body is not None else call.json
        if lacking := sorted(set(PLACEHOLDER.findall(_all_text(call))) - set(values)):
            raise Refused(
                f"{lacking[0]} of {job.by.ref} is not known, and the vendor wants it",
                f"keyvault edit {job.by.ref} --field {lacking[0]}=…",
            )
        headers = self._api.headers if call.headers is None else call.headers
        if call.as_ == "nobody":
            headers = call.headers or {}
        filled = {name: _fill(text, values) for name, text in headers.items()}
        text = json.dumps(_fill_all(content, values)) if content is not None else ""
        if text:
            filled["Content-Type"] = "application/json"
        return Request(call.method, _url(_checked_address(call.url, job), values), filled, text)


def _first(told: Any, paths: tuple[str, ...]) -> str:
    """The first text or number that stands at one of the paths, as text."""
    found = [value for path in paths if type(value := at(told, path)) in (str, int) and value]
    return str(found[0]) if found else ""


def _checked_address(url: str, job: Job) -> str:
    """The address, unless the key is for a relay or a server of its own: that one gets no administrator's key, and the vendor
    gets no key that is not its own. Raises Refused.
    """
    for key in (job.old, job.by):
        subject = Subject(key.ref, job.provider, key.value, key.fields, key.base_url)
        if not (url.startswith("{") or requests.is_declared(subject)):
            raise Refused(f"{key.ref} is for another address than {job.provider.name}'s own", "rotate it with --manual")
    return url


def _url(template: str, values: Mapping[str, str]) -> str:
    """The address with its placeholders filled; what is filled in leads to no other host than a field that is one says."""
    origin = PLACEHOLDER.match(template)
    start = ""
    if origin:  # a field holds the beginning, as in {host}/api/v4
        start = values[origin[1]].rstrip("/")
        start = start if "://" in start else f"https://{start}"
        try:
            check_url(start)
        except ValueError as exc:
            raise Refused(f"the field {origin[1]} is no URL") from exc
        template = template[origin.end() :]
    return start + PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)


def _fits(hint: Any, value: str) -> bool:
    """A masked value that can be this one's. Short ends would fit too many."""
    found = _HINT.match(hint) if isinstance(hint, str) else None
    return found is not None and len(found[1]) + len(found[2]) >= 6 and value.startswith(found[1]) and value.endswith(found[2])


def _fill(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)


def _fill_all(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _fill(value, values)
    if isinstance(value, Mapping):
        return {name: _fill_all(inner, values) for name, inner in value.items()}
    return [_fill_all(inner, values) for inner in value] if isinstance(value, (list, tuple)) else value


def _all_text(call: Call) -> str:
    return " ".join((call.url, json.dumps(call.json or {}), *(call.headers or {}).values()))


def _time(told: Any) -> int | None:
    try:
        if type(told) is int:
            at = told // 1000 if told > clock.LATEST // 10 else told  # some count milliseconds
            return at if clock.is_time(at) else None
        return clock.parse_time(told) if isinstance(told, str) else None
    except InvalidInput:
        return None
