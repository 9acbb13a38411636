"""From what a person names (a path, or `kind:name`) to the values that lie there."""

from __future__ import annotations

from collections.abc import Iterable

from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.text import escape
from keyvault.discover import clean, sources, stores, text_file
from keyvault.discover.clean import Cleaning
from keyvault.discover.found import Found, Reading
from keyvault.discover.judging import is_secret
from keyvault.discover.sources.base import CannotEdit
from keyvault.discover.stores import LARGEST, AskHidden

_MOST_NAMED = 12


def read_all(
    names: Iterable[str], kind: str = "", ask: AskHidden | None = None, *, settings_too: bool = False
) -> tuple[list[Found], list[str]]:
    """The keys in the sources, and a line about each part that was skipped. `ask` gets the password of a locked one.

    `settings_too`: what is no secret in a .env file is taken as well.
    Raises NotFound, InvalidInput, StoreFailed, Locked, WrongSecret, Unreachable.
    """
    found: list[Found] = []
    skipped: list[str] = []
    for name in names:
        reading = read_one(name, kind, ask)
        skipped += reading.skipped
        left: dict[str, None] = {}
        for one in reading.found:
            if settings_too or not reading.mixed or is_secret(one):
                found.append(one)
            else:
                left[one.variable] = None
        if left:
            shown = ", ".join([*list(left)[:_MOST_NAMED], *(["..."] if len(left) > _MOST_NAMED else [])])
            skipped.append(
                f"{escape(name)} has settings that look like no keys, and were left out: {shown}; --all takes them in"
            )
    return found, skipped


def read_one(name: str, kind: str = "", ask: AskHidden | None = None) -> Reading:
    """What one source holds. Raises as `read_all` does."""
    store, colon, inner = name.partition(":")
    if colon and store in sources.STORES and not kind:
        return stores.read(store, inner, ask)
    data = text_file.read_bytes(name, LARGEST)
    kind = kind or stores.binary_kind(data, name)
    if kind in sources.STORE_FILES:
        return stores.read(kind, name, ask)
    if len(data) > text_file.LARGEST_TEXT:
        raise InvalidInput(f"{escape(name)} is larger than {text_file.LARGEST_TEXT // 1024:,} KiB", "no file of keys is")
    file = text_file.decode(name, data)
    if name.endswith(".ipynb") and not kind:
        reading = Reading(name)
        reading.skipped.append(f"{escape(name)} is a notebook, and was not read: keyvault discover tells which keys are in it")
        return reading
    source = sources.text_source(kind) if kind else sources.recognise(file)
    try:
        return source.read(file)
    except RecursionError as exc:
        raise InvalidInput(f"{escape(name)} is nested too deep", "no file of keys is") from exc
    except KeyvaultError as exc:
        if escape(name) in exc.message:
            raise
        raise type(exc)(f"{escape(name)}: {exc.message}", exc.hint) from exc


def is_store(name: str) -> bool:
    """The source is another program's store, and no file that could be edited."""
    store, colon, _ = name.partition(":")
    return bool(colon) and store in sources.STORES


def cleaning_of(name: str, kind: str, there: dict[tuple[str, str], str]) -> Cleaning | None:
    """What a source becomes without the values that the vault holds. Raises CannotEdit for what is no file of text."""
    if is_store(name):
        raise CannotEdit(f"{escape(name)} is another program's store")
    return clean.prepare(name, kind, there)
