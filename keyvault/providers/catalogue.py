"""Load and look up vendors. A vendor is data: adding one is adding a file.

Those that come with keyvault lie in `vendors/`; a person's own lie in the user's configuration folder and win over ours.
A project's folder is never looked at: a check's URL says where a key is sent.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.settings import config_folder
from keyvault.core.text import closest, escape
from keyvault.store import files

if TYPE_CHECKING:
    from keyvault.providers.schema import Provider

_OURS = os.path.join(os.path.dirname(__file__), "vendors")
_LARGEST = 64 * 1024
_SUFFIX = ".toml"


def own_folder() -> str:
    """Where a person's own vendor files lie; it need not exist."""
    return os.path.join(config_folder(), "providers")


def load(provider_id: str) -> Provider | None:
    """The vendor of that id, or None. Raises InvalidInput, UnsafeFile for a person's own file that cannot be used."""
    if is_own(provider_id):
        return _own(provider_id)
    return _ours(provider_id) if provider_id in _our_names() else None


def get(provider_id: str) -> Provider:
    """The vendor of that id, or of that name in any spelling. Raises NotFound, with a suggestion."""
    wanted = provider_id.casefold()
    found = load(wanted) or next((p for p in everyone() if wanted in _called(p)), None)
    if found is None:
        near = closest(wanted, list(ids()))
        raise NotFound(
            f"no vendor {escape(provider_id[:40])} in the catalogue",
            f"did you mean {near}?"
            if near
            else f"keyvault providers lists them; keyvault providers new {_slug(wanted)} adds one",
        )
    return found


def ids() -> tuple[str, ...]:
    """The ids of all vendors, in order."""
    return tuple(sorted({*_our_names(), *_names(own_folder())}))


def everyone() -> list[Provider]:
    """All vendors, by id. Raises as `load` does."""
    own = _names(own_folder())
    return [_own(name) if name in own else _ours(name) for name in sorted({*_our_names(), *own})]


def fingerprint() -> bytes:
    """Tells one state of all vendors' files from another, without parsing them. Raises UnsafeFile."""
    import hashlib

    texts = {name: files.read_own(_own_path(name), _LARGEST) for name in sorted(_names(own_folder()))}
    parts = (part for name, text in texts.items() for part in (name.encode(), hashlib.sha256(text).digest()))
    return hashlib.sha256(b"\0".join((_our_fingerprint(), *parts))).digest()


def our_own() -> list[Provider]:
    """The vendors that come with keyvault, whatever a person has added."""
    return [_ours(provider_id) for provider_id in sorted(_our_names())]


def is_own(provider_id: str) -> bool:
    """The vendor is a person's own, or overridden by them."""
    return os.path.basename(provider_id) == provider_id and os.path.lexists(_own_path(provider_id))


def parse(data: bytes, provider_id: str, where: str) -> Provider:
    """A vendor from the text of its file. Raises InvalidInput, which says what is wrong and where in the file."""
    import tomllib

    import msgspec

    from keyvault.providers.schema import Provider

    try:
        provider = msgspec.convert(tomllib.loads(data.decode()), Provider)
    except (ValueError, RecursionError, msgspec.ValidationError) as exc:  # also for numbers of thousands of digits
        reason = escape(str(exc).replace("\n", " "))[:300]
        raise InvalidInput(f"{escape(where)} cannot be used: {reason}", "mend or remove that file") from exc
    if provider.id != provider_id:
        raise InvalidInput(f"{escape(where)} says id = {provider.id}", "the file's name and its id have to be the same")
    return provider


@cache
def _ours(provider_id: str) -> Provider:
    path = os.path.join(_OURS, provider_id + _SUFFIX)
    with open(path, "rb") as file:
        return parse(file.read(), provider_id, path)


@cache
def _our_fingerprint() -> bytes:
    import hashlib

    digest = hashlib.sha256()
    for name in sorted(_our_names()):
        with open(os.path.join(_OURS, name + _SUFFIX), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest() + name.encode() + b"\0")
    return digest.digest()


def _own(provider_id: str) -> Provider:
    """A person's own file: only they may be able to write it, for it says where keys are sent."""
    path = _own_path(provider_id)
    return parse(files.read_own(path, _LARGEST), provider_id, path)


def _own_path(provider_id: str) -> str:
    return os.path.join(own_folder(), provider_id + _SUFFIX)


@cache
def _our_names() -> frozenset[str]:
    return _names(_OURS)


def _names(folder: str) -> frozenset[str]:
    try:
        return frozenset(name.removesuffix(_SUFFIX) for name in os.listdir(folder) if name.endswith(_SUFFIX))
    except OSError:
        return frozenset()


def _called(provider: Provider) -> set[str]:
    return {provider.name.casefold(), *(alias.casefold() for alias in provider.aliases)}


def _slug(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)[:32].strip("-") or "my-vendor"
