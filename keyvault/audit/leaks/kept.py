"""What is worked out from the vendors' files, kept for the next run: the same files say the same.

Nothing in it is secret. What is torn, foreign or made from other files is not used, and made anew.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, overload

import msgspec

from keyvault.audit.leaks import rules, shapes
from keyvault.audit.leaks.rules import Rule, Rules, Trigger
from keyvault.audit.leaks.shapes import Shape
from keyvault.core.errors import KeyvaultError
from keyvault.core.version import __version__
from keyvault.providers import catalogue
from keyvault.providers.schema import Provider
from keyvault.store import files

_LARGEST = 64 * 1024 * 1024
_DIGEST = 32
_NAME = "rules.db"


def read(path: str, mark: bytes = b"") -> bytes | None:
    """What `write` put there under the same mark; None where there is nothing, or something else."""
    try:
        data = files.read_private(path, _LARGEST)
    except KeyvaultError:
        return None
    body = data[_DIGEST:]
    return body if hashlib.sha256(mark + body).digest() == data[:_DIGEST] else None


def write(path: str, body: bytes, mark: bytes = b"") -> None:
    """Keep it where that is possible."""
    try:
        files.make_private_folder(os.path.dirname(path))
        files.write_private(path, hashlib.sha256(mark + body).digest() + body, durable=False)
    except KeyvaultError:
        return  # it is made anew the next time


def all_rules(folder: str, vendors: bytes) -> Rules:
    """The rules of all vendors, from `folder` if they are kept there. `vendors`: the catalogue's fingerprint.

    Raises InvalidInput, UnsafeFile for a person's own vendor file that cannot be used.
    """
    if not folder:
        return rules.compiled(catalogue.everyone())
    path, mark = os.path.join(folder, _NAME), _program() + vendors
    body = read(path, mark)
    if body is not None:
        return _unpacked(body)
    made = rules.compiled(catalogue.everyone())
    write(path, _packed(made), mark)
    return made


def _program() -> bytes:
    """Tells apart what makes rules: an own checkout changes without a new version."""
    parts = [__version__, sys.version]
    for module in (rules, shapes):
        with open(str(module.__file__), encoding="utf-8") as file:
            parts.append(file.read())
    return hashlib.sha256("\0".join(parts).encode()).digest()


class _Trigger(NamedTuple):
    """A trigger. Its shapes are lists of places in a list of all sets of bytes."""

    kind: str
    expression: str
    fixed: tuple[int, ...]
    rules: tuple[int, ...]
    place: int
    clear: tuple[tuple[int, ...], ...]
    words: tuple[str, ...]


class _Rules(NamedTuple):
    vendors: list[msgspec.Raw]
    rules: list[tuple[int, int, bool]]
    triggers: list[_Trigger]
    named: tuple[int, ...]
    parts: list[str]


class _Vendors(Sequence[Provider]):
    """Vendors, each made when it is first asked for: few searches need them all."""

    def __init__(self, texts: list[msgspec.Raw]) -> None:
        self._texts = texts
        self._made: dict[int, Provider] = {}

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, number: int) -> Provider: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Provider]: ...
    def __getitem__(self, number: int | slice) -> Provider | Sequence[Provider]:
        if isinstance(number, slice):
            return [self[one] for one in range(len(self))[number]]
        if number not in self._made:
            self._made[number] = msgspec.json.decode(self._texts[number], type=Provider)
        return self._made[number]


def _packed(made: Rules) -> bytes:
    parts: dict[frozenset[int], int] = {}

    def numbers(shape: Shape) -> tuple[int, ...]:
        return tuple(parts.setdefault(part, len(parts)) for part in shape)

    triggers = [
        _Trigger(one.kind, one.expression, numbers(one.fixed), one.rules, one.place, tuple(map(numbers, one.clear)), one.words)
        for one in made.triggers
    ]
    vendors = [msgspec.Raw(msgspec.json.encode(vendor)) for vendor in made.vendors]
    told = [(rule.vendor, rule.place, rule.hidden) for rule in made.rules]
    return msgspec.json.encode(
        _Rules(vendors, told, triggers, made.named, [bytes(sorted(part)).decode("latin-1") for part in parts])
    )


def _unpacked(body: bytes) -> Rules:
    kept = msgspec.json.decode(body, type=_Rules)
    parts = [frozenset(part.encode("latin-1")) for part in kept.parts]

    def shape(numbers: tuple[int, ...]) -> Shape:
        return tuple([parts[number] for number in numbers])

    vendors = _Vendors(kept.vendors)
    triggers = tuple(
        Trigger(one.kind, one.expression, shape(one.fixed), one.rules, one.place, tuple(map(shape, one.clear)), one.words)
        for one in kept.triggers
    )
    return Rules(vendors, tuple(Rule(vendors, *told) for told in kept.rules), triggers, kept.named)
