"""CSV exports of password managers and browsers: a heading, and a line for each entry."""

from __future__ import annotations

import csv
import io

from keyvault.core.errors import InvalidInput
from keyvault.discover.found import Reading
from keyvault.discover.items import MOST_ITEMS, Item, taken
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile

_COLUMNS = {  # what password managers call their columns -> ours
    "name": "name",
    "title": "name",
    "login_password": "password",
    "password": "password",
    "login_uri": "url",
    "url": "url",
    "website": "url",
    "login_url": "url",
    "notes": "notes",
    "notesplain": "notes",
    "note": "notes",
    "folder": "folder",
    "group": "folder",
    "vault": "folder",
    "fields": "fields",
}


class CsvExport(Source):
    """CSV of Bitwarden, 1Password, KeePassXC and browsers: a heading, and a line for each entry."""

    kind = "csv"
    what = "CSV exports of Bitwarden, 1Password and others"

    def fits(self, name: str, path: str, text: str) -> bool:
        head = {word.strip().strip('"').lower() for word in text[:1000].split("\n")[0].split(",")}
        return name.endswith(".csv") or bool({"login_password", "password"} & head and {"name", "title"} & head)

    def read(self, file: TextFile) -> Reading:
        rows = csv.reader(io.StringIO(file.text, newline=""), strict=True)
        items: list[Item] = []
        try:
            head = [_COLUMNS.get(name.strip().lower(), name.strip()) for name in next(rows, [])]
            if "name" not in head or "password" not in head:
                raise InvalidInput("its first line names no columns for name and password", "export it again, with a heading")
            line = rows.line_num + 1
            for row in rows:
                if len(items) >= MOST_ITEMS:
                    raise InvalidInput("it has too many lines", "no export of keys has")
                items.append(_row(dict(zip(head, row, strict=False)), line))
                line = rows.line_num + 1
        except csv.Error as exc:
            raise InvalidInput("it is not CSV", "export it again") from exc
        return taken(file.path, items)


def _row(row: dict[str, str], line: int) -> Item:
    fields = [("", row.get("password", ""))]
    for part in row.get("fields", "").split("\n"):  # Bitwarden puts its own fields into one cell: "name: value"
        name, _, value = part.partition(": ")
        fields.append((name, value))
    fields += [(name, value) for name, value in row.items() if name not in _COLUMNS.values()]
    return Item(row.get("name", ""), tuple(fields), (row.get("url", ""),), row.get("folder", ""), line)
