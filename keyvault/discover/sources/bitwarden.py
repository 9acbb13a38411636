"""Bitwarden's unencrypted exports, JSON and CSV (bitwarden.com/help), and CSV of others."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from keyvault.core.errors import InvalidInput
from keyvault.discover.found import Reading
from keyvault.discover.items import Item, take_item
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile

_MOST = 20_000
_ENCRYPTED = "it is an encrypted export, which only Bitwarden can read"


class BitwardenJson(Source):
    """bitwarden_export_*.json."""

    kind = "bitwarden"
    what = "Bitwarden's JSON export"

    def fits(self, name: str, path: str, text: str) -> bool:
        return ('"items"' in text and '"encrypted"' in text[:400]) or ('"encrypted": true' in text[:400] and '"data"' in text)

    def read(self, file: TextFile) -> Reading:
        try:
            export = json.loads(file.text)
        except (ValueError, RecursionError) as exc:
            raise InvalidInput("it is not JSON", "export it again") from exc
        if not isinstance(export, dict) or not isinstance(export.get("items"), list) or export.get("encrypted"):
            encrypted = isinstance(export, dict) and bool(export.get("encrypted"))
            raise InvalidInput(
                _ENCRYPTED if encrypted else "it is not an export of Bitwarden",
                "export it as unencrypted JSON, then delete that file",
            )
        folders = {one.get("id"): one.get("name") for one in _dicts(export.get("folders")) if isinstance(one.get("id"), str)}
        items = [_item(one, folders) for one in _dicts(export["items"])[:_MOST]]
        return taken(file.path, items)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _item(one: dict[str, Any], folders: dict[Any, Any]) -> Item:
    raw = one.get("login")
    login: dict[str, Any] = raw if isinstance(raw, dict) else {}
    fields = [("", _text(login.get("password")))]
    fields += [(_text(field.get("name")), _text(field.get("value"))) for field in _dicts(one.get("fields"))]
    notes = _text(one.get("notes")).strip()
    if notes and not any(character.isspace() for character in notes):
        fields.append(("notes", notes))
    urls = tuple(_text(uri.get("uri")) for uri in _dicts(login.get("uris")))
    folder_id = one.get("folderId")
    folder = _text(folders.get(folder_id)) if isinstance(folder_id, str) else ""
    return Item(_text(one.get("name")), tuple(fields), urls, folder)


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
                if len(items) >= _MOST:
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


def taken(path: str, items: list[Item]) -> Reading:
    """The keys among entries; how many others were passed over is told."""
    reading = Reading(path)
    passed = sum(1 for item in items if not take_item(reading, item))
    if passed == 1:
        reading.skip(0, "has one other entry that looks like no API key, and was passed over")
    elif passed:
        reading.skip(0, f"has {passed} other entries that look like no API keys, and were passed over")
    return reading
