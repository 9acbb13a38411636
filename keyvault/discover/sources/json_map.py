"""JSON maps of names to texts, flat or nested: those whose names are variables or say that they hold a key."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keyvault.discover.found import Reading
from keyvault.discover.json_places import Document, Text
from keyvault.discover.judging import could_be_secret, is_known, is_variable, says_secret
from keyvault.discover.sources.base import Gone, Source, line_of
from keyvault.discover.text_file import TextFile
from keyvault.providers.identify import owner_of


class JsonSource(Source):
    """JSON of any meaning: what a text is, `take` says."""

    def read(self, file: TextFile) -> Reading:
        reading = Reading(file.path)
        for text in Document(file.text):
            self.take(reading, text, line_of(file.text, text.start))
        return reading

    def take(self, reading: Reading, text: Text, line: int) -> None:
        """Add one text of the document to the reading if it is a key."""
        raise NotImplementedError

    def without(self, text: str, gone: Sequence[Gone]) -> str:
        places = {item.found.cut for item in gone}
        document = Document(text)
        return document.without([one for one in document if (one.start, one.end) in places])


class JsonMap(JsonSource):
    """.json files of names and values."""

    kind = "json"
    what = "JSON maps"

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith((".json", ".jsonc", ".json5")) or re.match(r"\s*\{\s*(?:\"|\}|//)", text) is not None

    def take(self, reading: Reading, text: Text, line: int) -> None:
        variable = variable_of(text.name, text.value)
        if variable:
            reading.add(variable, text.value, line, cut=(text.start, text.end))


def variable_of(name: str, value: str) -> str:
    """The variable for a name in a map: itself, or what it says in upper case; empty where it is no key's."""
    if value.startswith(("${", "$(", "{{", "op://", "%")) or not value:
        return ""
    if is_known(name):
        return name
    if not could_be_secret(value):
        return ""
    if is_variable(name):
        return name
    words = re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).strip("_").upper()
    if says_secret(words) or owner_of(value):
        return words if is_variable(words) else ""
    return ""
