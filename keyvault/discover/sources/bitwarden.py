"""Bitwarden's unencrypted JSON export (bitwarden.com/help)."""

from __future__ import annotations

import json
from typing import Any

from keyvault.core.errors import InvalidInput
from keyvault.discover.found import Reading
from keyvault.discover.items import MOST_ITEMS, Item, taken
from keyvault.discover.sources.base import Source
from keyvault.discover.text_file import TextFile

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
        items = [_item(one, folders) for one in _dicts(export["items"])[:MOST_ITEMS]]
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
