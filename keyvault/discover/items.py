"""Entries of password managers: which of them are API keys, whose, and under which label."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from keyvault.discover.found import Reading
from keyvault.discover.judging import could_be_secret, is_known, is_variable, says_secret
from keyvault.discover.sources.base import slug
from keyvault.discover.sources.hosts import vendor_called, vendor_of_host
from keyvault.providers.identify import owner_of

MOST_ITEMS = 20_000

# What people add to a vendor's name.
_FILLING = frozenset(
    (
        *("api", "key", "keys", "token", "tokens", "secret", "secrets", "access", "personal", "credentials"),
        *("the", "my", "for", "of"),
    )
)


class Item(NamedTuple):
    """One entry. fields: name and value of each part that could be a key; `main`: the one that the entry is about."""

    name: str
    fields: tuple[tuple[str, str], ...]
    urls: tuple[str, ...] = ()
    folder: str = ""
    line: int = 0
    main: str = ""


def taken(path: str, items: list[Item]) -> Reading:
    """The keys among entries; how many others were passed over is told."""
    reading = Reading(path)
    passed = sum(1 for item in items if not take_item(reading, item))
    if passed == 1:
        reading.skip(0, "has one other entry that looks like no API key, and was passed over")
    elif passed:
        reading.skip(0, f"has {passed} other entries that look like no API keys, and were passed over")
    return reading


def take_item(reading: Reading, item: Item, *, named: bool = False) -> bool:
    """Add what is a key in an entry. `named`: a person named this very entry. Whether there was one.

    The password of a website is none, unless the entry's name or the value's shape says that it is a key.
    """
    vendor, label = whose(item)
    taken = False
    for field, value in item.fields:
        if not value:
            continue
        own_name = field if is_variable(field) else ""
        about = item.name if field == item.main else field
        says = says_secret(slug(about).replace("-", "_").upper()) or (is_variable(about) and is_known(about))
        by_name = named and field == item.main
        if not (by_name or owner_of(value) or (could_be_secret(value) and (says or (own_name and is_known(own_name))))):
            continue
        name_is_variable = field == item.main and is_variable(item.name) and "_" in item.name
        variable = item.name if name_is_variable else own_name
        reading.add(variable, value, item.line, provider=vendor, label=label, group=f"{item.folder}/{item.name}")
        taken = True
    return taken


def whose(item: Item) -> tuple[str, str]:
    """Vendor and label, by the entry's name, its folder, or its address."""
    for text, rest in ((item.name, ""), (item.folder.rpartition("/")[2], item.name)):
        words = [word for word in re.split(r"[\s()\[\]/_:,|\u2013\u2014-]+", text) if word and word.lower() not in _FILLING]
        for size in range(min(len(words), 4), 0, -1):
            for start in range(len(words) - size + 1):
                vendor = vendor_called(" ".join(words[start : start + size]))
                if vendor:
                    return vendor, "-".join([*words[:start], *words[start + size :]]) or rest
    for url in item.urls:
        try:
            host = urlsplit(url if "//" in url else "//" + url).hostname or ""
        except ValueError:
            continue
        vendor = next(
            (
                v
                for h in (host, f"api.{host}", host.partition(".")[2], f"api.{host.partition('.')[2]}")
                if (v := vendor_of_host(h)[0])
            ),
            "",
        )
        if vendor:
            return vendor, item.name
    return "", item.name
