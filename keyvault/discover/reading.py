"""From what a person names (a path, or `kind:name`) to the values that lie there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.text import escape
from keyvault.discover import clean, sources, text_file
from keyvault.discover.clean import Cleaning
from keyvault.discover.found import Found, Reading

AskHidden = Callable[[str], str]


def read_all(names: Iterable[str], kind: str = "", ask: AskHidden | None = None) -> tuple[list[Found], list[str]]:
    """What the sources hold, and a line about each part that was skipped. `ask` gets the password of a locked one.

    Raises NotFound, InvalidInput, StoreFailed, Locked, WrongSecret, Unreachable.
    """
    found: list[Found] = []
    skipped: list[str] = []
    for name in names:
        reading = read_one(name, kind, ask)
        found += reading.found
        skipped += reading.skipped
    return found, skipped


def read_one(name: str, kind: str = "", ask: AskHidden | None = None) -> Reading:
    """What one source holds. Raises as `read_all` does."""
    file = text_file.read(name)
    source = sources.text_source(kind) if kind else sources.recognise(file)
    try:
        return source.read(file)
    except RecursionError as exc:
        raise InvalidInput(f"{escape(name)} is nested too deep", "no file of keys is") from exc
    except KeyvaultError as exc:
        if escape(name) in exc.message:
            raise
        raise type(exc)(f"{escape(name)}: {exc.message}", exc.hint) from exc


def cleaning_of(name: str, kind: str, there: dict[tuple[str, str], str]) -> Cleaning | None:
    """What a source becomes without the values that the vault holds. Raises CannotEdit for what is no file of text."""
    return clean.prepare(name, kind, there)
