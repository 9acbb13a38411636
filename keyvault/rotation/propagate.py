"""The old value out of the files that hold it, and the new one in, with everything else as it was.

A value of plain characters is exchanged where it stands, whatever the file's syntax: it needs no quoting anywhere, and its
quotes and comments stay. Any other value goes through the editor of the file's format, or is left to the person.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from keyvault.core import clock
from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.core.text import mask
from keyvault.formats import FORMATS, load
from keyvault.store.swap import read_plain, swap
from keyvault.vault.originals import Original, Originals, digest
from keyvault.vault.rotating import SERVICES, Place

LARGEST_FILE = 4 * 1024 * 1024
_SHORTEST = 8  # a shorter value could be a part of anything
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+=-]*\Z")
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_.+-])", r"(?![A-Za-z0-9_+/=-]|\.[A-Za-z0-9])"  # where a plain value begins and ends
_COMMANDS = {
    "github": "keyvault get {ref} --reveal{field} | gh secret set {variable} --repo {path}",
    "gitlab": "keyvault get {ref} --reveal{field} | glab variable set {variable} --repo {path}",
}  # for the kinds of places that only the person can change

CHANGED, WITHOUT, LEFT, COMMAND = "changed", "without", "left", "command"


class Exchange(NamedTuple):
    """One value that goes and the one that comes, of one field."""

    field: str
    old: str
    new: str


class Result(NamedTuple):
    """What became of one file: changed; without the value; left, and why; or a command for the person. `lines` are masked."""

    path: str
    state: str
    why: str = ""
    lines: tuple[str, ...] = ()


def exchanges(old: Mapping[str, str], new: Mapping[str, str]) -> list[Exchange]:
    """The values that differ between two versions."""
    return [Exchange(field, old[field], new[field]) for field in old if field in new and old[field] != new[field]]


def propagate(
    places: tuple[Place, ...], changes: list[Exchange], fields: Mapping[str, str], ref: str, copies: Originals
) -> list[Result]:
    """Exchange the values in every file; `fields` tells which field a variable gets. Each file is put away sealed first."""
    results = []
    for path, there in _by_path(places).items():
        if there[0].kind in SERVICES:
            results += [Result(path, COMMAND, command(place, fields, ref)) for place in there]
            continue
        try:
            results.append(_in_file(path, there, changes, fields, copies))
        except KeyvaultError as exc:
            results.append(Result(path, LEFT, exc.message))
    return results


def still_old(places: tuple[Place, ...], changes: list[Exchange]) -> list[str]:
    """The files that hold an old value, or may, for they cannot be read."""
    found = []
    for path, there in _by_path(places).items():
        if there[0].kind in SERVICES or not os.path.lexists(path):
            continue
        try:
            data = read_plain(path, LARGEST_FILE)[0]
        except KeyvaultError:
            found.append(path)
            continue
        if any(change.old.encode() in data for change in changes):
            found.append(path)
    return found


def command(place: Place, fields: Mapping[str, str], ref: str) -> str:
    """What the person runs where keyvault cannot write: the value goes through a pipe, not into the shell's history."""
    import shlex

    field = fields.get(place.variable, "")
    words = {"ref": ref, "field": f" --field {field}" if field else "", "variable": shlex.quote(place.variable)}
    return _COMMANDS[place.kind].format(path=shlex.quote(place.path), **words)


def _by_path(places: tuple[Place, ...]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in places:
        found.setdefault(place.path, []).append(place)
    return found


def _in_file(path: str, places: list[Place], changes: list[Exchange], fields: Mapping[str, str], copies: Originals) -> Result:
    if not os.path.lexists(path):
        return Result(path, WITHOUT, "it is not there any more")
    data, was = read_plain(path, LARGEST_FILE)
    try:
        before = data.decode()
    except UnicodeDecodeError:
        return Result(path, LEFT, "it is not UTF-8 text")
    after = before
    for change in changes:
        after = _exchanged(after, change, places, fields)
    if after == before:
        held = any(change.old in before for change in changes)
        return Result(path, LEFT, "the value stands in it as a part of something else") if held else Result(path, WITHOUT)
    copies.put_away(Original(path, was.st_mode & 0o7777, clock.now(), data, digest(after.encode())))
    swap(path, was, after.encode())
    left = "some of it stands there as a part of something else" if any(change.old in after for change in changes) else ""
    return Result(path, CHANGED, left, _diff(before, changes))


def _exchanged(text: str, change: Exchange, places: list[Place], fields: Mapping[str, str]) -> str:
    if len(change.old) >= _SHORTEST and _PLAIN.match(change.old) and _PLAIN.match(change.new):
        return re.sub(_BEFORE + re.escape(change.old) + _AFTER, lambda _: change.new, text)
    for place in places:
        if fields.get(place.variable, "") == change.field and place.kind in FORMATS:
            text = _edited(text, place, change)
    return text


def _edited(text: str, place: Place, change: Exchange) -> str:
    """The assignment replaced by the format's editor, if what is there is the old value as that editor writes it."""
    form = load(place.kind)
    try:
        edited = form.merge(text, [(place.variable, change.new)])
        back = form.merge(edited.text, [(place.variable, change.old)])
    except InvalidInput:
        return text  # not a file of that format after all; plain values in it are exchanged all the same
    return text if edited.refused or back.refused or back.text != text else edited.text


def _diff(before: str, changes: list[Exchange]) -> tuple[str, ...]:
    """The lines that change: number, name and masked values, and nothing else that stands there."""
    shown = []
    for number, line in enumerate(before.splitlines(), 1):
        for change in changes:
            if change.old in line:
                name = re.search(r"([A-Za-z_]\w*)[\"']?\s*[=:][\s\"'$]*\Z", line.split(change.old, 1)[0])
                shown.append(f"{number}: {name[1] if name else '…'}: {mask(change.old)} -> {mask(change.new)}")
    return tuple(shown)
