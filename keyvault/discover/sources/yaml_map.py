"""YAML: maps of names to texts, and gh's hosts.yml. PyYAML's parser tells places and builds no objects.

A document with aliases is refused: a few lines of them can stand for gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.discover.found import Reading
from keyvault.discover.sources.base import Source
from keyvault.discover.sources.hosts import vendor_of_host
from keyvault.discover.sources.json_map import variable_of
from keyvault.discover.text_file import TextFile

if TYPE_CHECKING:
    from yaml import ScalarEvent

_LARGEST = 256 * 1024
_DEEPEST = 64
_MOST = 50_000


class Scalar(NamedTuple):
    """A text at the end of a path of names. start, end: from its name to its end; None where that is no line of its own."""

    path: tuple[str, ...]
    value: str
    line: int
    cut: tuple[int, int] | None


class _Frame(NamedTuple):
    """A collection that has begun: its own name, and in a map the key that waits for its value."""

    name: str
    is_map: bool
    key: ScalarEvent | None = None


def scalars(text: str) -> Iterator[Scalar]:
    """All texts in maps. Raises InvalidInput for what is not YAML, too large, too deep, or has aliases."""
    import yaml

    if len(text) > _LARGEST:
        raise InvalidInput("it is too large for a file of settings", "name a smaller one")
    stack: list[_Frame] = []
    try:
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            if count > _MOST or len(stack) > _DEEPEST:
                raise InvalidInput("it holds too much, or is nested too deep", "no file of keys does")
            if isinstance(event, yaml.AliasEvent):
                raise InvalidInput("it has aliases, which can stand for any amount of text", "write the values out")
            if isinstance(event, yaml.CollectionStartEvent):
                key = stack[-1].key if stack else None
                stack.append(_Frame(key.value if key else "", isinstance(event, yaml.MappingStartEvent)))
            elif isinstance(event, yaml.CollectionEndEvent):
                stack.pop()
                _value_seen(stack)
            elif isinstance(event, yaml.ScalarEvent) and stack:
                key = stack[-1].key
                if stack[-1].is_map and key is None:
                    stack[-1] = stack[-1]._replace(key=event)
                    continue
                if key is not None:
                    path = (*(frame.name for frame in stack[1:]), key.value)
                    yield Scalar(path, event.value, key.start_mark.line + 1 if key.start_mark else 0, _cut(text, key, event))
                _value_seen(stack)
    except (yaml.YAMLError, ValueError) as exc:
        raise InvalidInput("it is not YAML", "mend the file, or say what it is with --from") from exc


def _value_seen(stack: list[_Frame]) -> None:
    if stack and stack[-1].is_map:
        stack[-1] = stack[-1]._replace(key=None)


def _cut(text: str, key: ScalarEvent, value: ScalarEvent) -> tuple[int, int] | None:
    if key.start_mark is None or value.end_mark is None:
        return None
    start, end = key.start_mark.index, value.end_mark.index
    alone = not text[text.rfind("\n", 0, start) + 1 : start].strip()
    return (start, end) if alone and value.style in (None, "'", '"') and value.anchor is None else None


class YamlMap(Source):
    """.yaml and .yml files."""

    kind = "yaml"
    what = "YAML maps"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith((".yml", ".yaml"))

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        for one in scalars(file.text):
            variable = variable_of(one.path[-1], one.value)
            if variable:
                reading.add(variable, one.value, one.line, cut=one.cut)
        return reading


class GhHosts(Source):
    """hosts.yml of gh: a token for each host, and for each of its users."""

    kind = "gh"
    what = "hosts.yml of gh"

    def fits(self, name: str, path: str, text: str) -> bool:
        return path.endswith("gh/hosts.yml") or (name == "hosts.yml" and "oauth_token:" in text)

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        every = list(scalars(file.text))
        active = {one.path[0]: one.value for one in every if len(one.path) == 2 and one.path[1] == "user"}
        for one in every:
            if one.path[-1] != "oauth_token":
                continue
            host = one.path[0]
            provider, label = vendor_of_host(host)
            user = one.path[2] if len(one.path) == 4 and one.path[1] == "users" else ""
            if user and user != active.get(host):
                label = f"{label}-{user}" if label else user
            variable = "" if provider else "GH_ENTERPRISE_TOKEN"
            reading.add(variable, one.value, one.line, provider=provider, label=label, cut=one.cut)
        return reading
