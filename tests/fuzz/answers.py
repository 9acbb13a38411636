"""What vendors answer: figures of an account, and everything that a rotation reads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

from keyvault.core.errors import KeyvaultError
from keyvault.core.secret import Secret
from keyvault.liveness import balance
from keyvault.liveness.requests import Subject
from keyvault.net.client import Answer, Request
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider
from keyvault.rotation.schemes import asking, scheme_for
from keyvault.rotation.schemes.base import API, ROLL, Credential, Job, Refused
from keyvault.vault import keys
from keyvault.vault.keys import VALUE_FIELD, ApiKey, Version

OLD, ADMIN = "old-value-0123456789", "admin-value-0123456789"
_STATUS = (200, 201, 204, 400, 401, 403, 404, 500)
_KEY = ApiKey(
    "0" * 32, "a/b", {"A": ""}, (Version("1" * 32, 1, "2" * 64, "3" * 16),), "1" * 32, added=1, changed=1, revision=(1, "")
)


class _Asker:
    """Answers with one body after the other, and the last one for ever."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    async def send(self, request: Request, attempts: int = 1) -> Answer:
        assert attempts
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def opened(self, _seconds: float) -> Any:
        @asynccontextmanager
        async def opened() -> AsyncIterator[_Asker]:
            yield self

        return opened()


def _answers(data: bytes) -> list[Answer]:
    """Bodies with an empty line between; the first byte of each says its status."""
    parts = [part for part in data.split(b"\n\n") if part] or [b"\0"]
    return [Answer(_STATUS[part[0] % 8], part[1:].decode("utf-8", "replace"), False, True, None) for part in parts]


def balances(data: bytes) -> None:
    """Figures that can be shown and filed, or a reason, from any answer of any vendor."""
    for vendor in _with_balances():
        asker: Any = _Asker(_answers(data))
        standing = _awaited(balance._standing(asker, _subject(vendor)))
        assert standing.figures or standing.reason
        for figure in standing.figures:
            amounts = [figure.amount, *figure.parts.values()]
            assert all(amount is None or (amount.is_finite() and len(f"{amount:f}") < 200) for amount in amounts)
            assert figure.unit.isprintable()
            assert all(len(fact) <= 80 for fact in figure.facts.values())


def rotated(data: bytes) -> None:
    """Whatever one vendor answers: requests go to the vendor alone, no error holds a value, what comes back can be filed."""
    vendors = _with_rotation()
    vendor = vendors[data[0] % len(vendors)] if data else vendors[0]
    asker = _Asker(_answers(data[1:]))
    fields = {name: Secret(field.default or "https://own.example") for name, field in vendor.fields.items()}
    old, by = Credential("a/b", Secret(OLD), fields, ""), Credential("a/admin", Secret(ADMIN), fields, "")
    scheme = scheme_for(vendor, OLD)
    job = Job(vendor, by, old, "id-1", "keyvault-12345678", 30)
    with mock.patch.object(asking.client, "opened", asker.opened):
        create = [scheme.create] if scheme.makes in (API, ROLL) else []
        for step in (scheme.old_id, *create, lambda job: scheme.strays(job, "id-2"), _delete(scheme)):
            try:
                told = step(job)
            except KeyvaultError as exc:
                assert OLD not in exc.message + exc.hint
                assert ADMIN not in exc.message + exc.hint
                continue
            if isinstance(told, str):
                _file(told, None)
            elif isinstance(told, tuple):
                assert told.value.reveal() != OLD
                _file(told.id, told.expires)
                with suppress(KeyvaultError):  # too large, or no text
                    values = {VALUE_FIELD: told.value.reveal()} | {name: part.reveal() for name, part in told.fields.items()}
                    assert keys.decode_values(keys.encode_values(values)) == values
    assert {urlsplit(request.url).hostname for request in asker.asked} <= _hosts(vendor)


def _delete(scheme: Any) -> Callable[[Job], None]:
    def delete(job: Job) -> None:
        if not scheme.can_delete(job.old_id):
            raise Refused("no way")
        scheme.delete(job, job.old_id)

    return delete


def _file(vendor_id: str, expires: int | None) -> None:
    """A record with it can be written and is read again, or is too large."""
    key = _KEY._replace(vendor_id=vendor_id, expires=expires)
    try:
        written = keys.encode_record(key)
    except KeyvaultError:
        return
    assert keys.decode_record(written) == key


def _hosts(vendor: Provider) -> set[str | None]:
    api = vendor.rotation.api
    assert api or vendor.id == "aws"
    calls = [call for call in (api.create, api.listing, api.old, api.identity, *api.delete) if call] if api else []
    urls = [url for call in calls for url in (call.url, getattr(call, "detail", ""))]
    own = [field.default if "://" in field.default else f"https://{field.default}" for field in vendor.fields.values()]
    return {"own.example", "iam.amazonaws.com", *(urlsplit(url).hostname for url in (*urls, *own))}


def _awaited(coroutine: Any) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError


def _subject(vendor: Provider) -> Subject:
    value = next((b.prefix for b in vendor.balances if b.prefix), "") + OLD
    fields = {name: Secret(field.default or "https://own.example") for name, field in vendor.fields.items()}
    return Subject("a/b", vendor, Secret(value), fields, "")


@cache
def _with_balances() -> list[Provider]:
    return [vendor for vendor in catalogue.our_own() if vendor.balances]


@cache
def _with_rotation() -> list[Provider]:
    return [vendor for vendor in catalogue.our_own() if vendor.rotation.api or vendor.rotation.scheme == "aws"]


TARGETS: dict[str, Callable[[bytes], None]] = {"balances": balances, "rotated": rotated}
