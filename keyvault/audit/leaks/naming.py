"""Which vendor does the text around a key name: by variable, in another name, by host, or by its own name?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from keyvault.audit.leaks.rules import Rule, variables
from keyvault.providers.schema import Provider

BY_VARIABLE, BY_NAME, NEAR, NOWHERE = 3, 2, 1, 0

_BEFORE, _AFTER = 400, 240
_LINES = 3
_IDENTIFIER = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FILLERS = frozenset(b"value default str string or bearer basic token get none export set setenv const let var".split())
_SOUNDS_SECRET = re.compile(r"key|token|secret|passw|pwd|auth|bearer|credential|cred|(?:^|_)[as]k$", re.IGNORECASE)
_SOUNDS_PUBLIC = re.compile(
    r"hash|sha\d|sha$|md5|digest|checksum|integrity|etag|commit|revision|uuid|guid|finger_?print|nonce|public|cache|keyid"
    r"|(?:^|_)(?:id|csrf|build|version|ref)$",
    re.IGNORECASE,
)
# Names of vendors that are also words of prose or of every program.
_COMMON = frozenset(
    "step solar spark sonar together replicate nim cf do gh hf gpt yi exa fireworks notion linear serper jina groq ernie"
    " vertex kimi sentry slack stripe netlify vercel langchain meta upstage ngc claude default llama".split()
)


class Around(NamedTuple):
    """What surrounds a place: the name that the value is given, and the text near by, in lower case."""

    name: str
    text: str


class _Words(NamedTuple):
    stems: re.Pattern[str]
    near: re.Pattern[str] | None
    plain: tuple[str, ...]  # the same, to see at once that none is there


def around(data: bytes, start: int, end: int) -> Around:
    """The lines of this place and those beside them, a few hundred bytes at most."""
    before = data[max(0, start - _BEFORE) : start]
    after = data[end : end + _AFTER]
    before = b"\n".join(before.split(b"\n")[-_LINES:])
    after = b"\n".join(after.split(b"\n")[:_LINES])
    words: list[bytes] = _IDENTIFIER.findall(before[-200:])
    named = next((word for word in reversed(words) if word.lower() not in _FILLERS), words[-1] if words else b"")
    return Around(named.decode(), (before + b" " + after).decode("utf-8", "replace").lower())


class Namer:
    """Tells how surely a place belongs to a vendor."""

    def __init__(self) -> None:
        self._words: dict[str, _Words] = {}
        self._variables: dict[Rule, tuple[tuple[str, ...], re.Pattern[str]]] = {}

    def how_surely(self, rule: Rule, found: Around, *, secret: bool = True) -> int:
        """BY_VARIABLE, BY_NAME, NEAR or NOWHERE. `secret`: the value's own name has to sound like a secret's."""
        upper = found.name.upper()
        if rule not in self._variables:
            names = tuple(name.upper() for name in variables(rule))
            self._variables[rule] = names, _part_of_name(names)
        names, among = self._variables[rule]
        if upper in names:
            return BY_VARIABLE
        if secret and _SOUNDS_PUBLIC.search(found.name):
            return NOWHERE
        if among.search(upper):
            return BY_VARIABLE
        if secret and not _SOUNDS_SECRET.search(found.name):
            return NOWHERE
        words = self._of(rule.provider)
        if words.stems.search(_CAMEL.sub("_", found.name).lower()):
            return BY_NAME
        near = words.near and any(word in found.text for word in words.plain) and words.near.search(found.text)
        return NEAR if near else NOWHERE

    def _of(self, provider: Provider) -> _Words:
        if provider.id not in self._words:
            self._words[provider.id] = _words(provider)
        return self._words[provider.id]


def _words(provider: Provider) -> _Words:
    """A vendor's words. Hosts are enough anywhere; names only where they are no common words."""
    names = {name.lower() for name in (provider.id, provider.name, *provider.aliases)}
    names |= {variable.split("_")[0].lower() for variable in provider.variables}
    stems = tuple(sorted({re.sub(r"[^a-z0-9]+", "_", name).strip("_") for name in names if name.isascii()} - {""}))
    hosts = {urlsplit(url).hostname or "" for url in (provider.base_url, *provider.other_base_urls) if "{" not in url}
    telling = {name for name in names if name not in _COMMON and (len(name) >= 4 or not name.isascii())}
    wanted = sorted((telling | hosts) - {""})
    near = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(map(re.escape, wanted))})(?![a-z0-9])") if wanted else None
    return _Words(_part_of_name([stem for stem in stems if len(stem) >= 2]), near, tuple(wanted))


def _part_of_name(words: Iterable[str]) -> re.Pattern[str]:
    """One of the words, between underscores or the ends of a name."""
    return re.compile(rf"(?:^|_)(?:{'|'.join(map(re.escape, words)) or '(?!)'})(?:$|_)")
