"""Taking values out of the files they were found in, once the vault has them; and putting a file back as it was."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keyvault.core.errors import KeyvaultError, StoreBusy, UnsafeFile
from keyvault.core.settings import absolute
from keyvault.core.text import escape, mask
from keyvault.discover import sources, text_file
from keyvault.discover.found import Found
from keyvault.discover.judging import is_secret
from keyvault.discover.plan import Planned, holds
from keyvault.discover.sources.base import CannotEdit, Gone, Source
from keyvault.discover.text_file import TextFile
from keyvault.store.files import failure, replace_own
from keyvault.vault.keys import ApiKey
from keyvault.vault.originals import Original, Originals, digest
from keyvault.vault.state import State
from keyvault.vault.vault import Vault


class Cleaning(NamedTuple):
    """What one file is to become. `left`: a line about each value that has to stay."""

    file: TextFile
    mode: int
    after: bytes
    gone: tuple[Gone, ...]
    changes: tuple[tuple[int, str, str], ...]
    left: tuple[str, ...]


def held(vault: Vault, planned: Iterable[Planned]) -> dict[tuple[str, str], str]:
    """The keys, by variable and value, that the vault was seen to hold."""
    return {(f.variable, f.value.reveal()): str(item.ref) for item in planned if holds(vault, item) for f in item.places}


def prepare(path: str, kind: str, there: dict[tuple[str, str], str]) -> Cleaning | None:
    """Read a file anew and work out what it becomes without what the vault holds; None where there is nothing to take out.

    Raises CannotEdit, UnsafeFile, and as `text_file.read` does.
    """
    file = text_file.read(path)
    source = sources.text_source(kind) if kind else sources.recognise(file)
    before = source.read(file).found
    wanted = [Gone(f, ref) for f in before if (ref := there.get((f.variable, f.value.reveal()))) and is_secret(f)]
    if not wanted:
        return None
    gone = [item for item in wanted if item.found.cut]
    stays = "cannot be edited safely, and still holds"
    left = tuple(f"{escape(item.found.where)} {stays} {item.ref}" for item in wanted if not item.found.cut)
    if not gone:
        return Cleaning(file, 0, file.data, (), (), left)
    mode = _mode_of_own(path)
    text = source.without(file.text, gone)
    _check(source, file, text, before, gone)
    changes = tuple((item.found.line, _masked(file.text, item.found), _put_in(source, file.text, item)) for item in gone)
    return Cleaning(file, mode, file.encode(text), tuple(gone), changes, left)


def carry_out(cleaning: Cleaning, originals: Originals, at: int) -> None:
    """Put the original away, and the cleaned text in its place. Raises StoreBusy, StoreFailed."""
    file = cleaning.file
    path = absolute(file.path)
    originals.put_away(Original(path, cleaning.mode, at, file.data, digest(cleaning.after)))
    if text_file.read_bytes(path, text_file.LARGEST_TEXT) != file.data:
        raise StoreBusy(f"{escape(file.path)} was changed meanwhile", "it was left as it is; run this again")
    replace_own(path, cleaning.after, cleaning.mode)


def changed_since(path: str, originals: Originals) -> bool:
    """Whether the file is not as the last cleaning left it. Raises NotFound where there was none."""
    _, original = originals.newest(absolute(path))
    try:
        return digest(text_file.read_bytes(original.path, text_file.LARGEST_TEXT)) != original.after
    except KeyvaultError:
        return True


def marked_in(vault: Vault, path: str, originals: Originals) -> list[ApiKey]:
    """The keys marked `confirm` that would lie in plain text again. Raises NotFound, VaultCorrupt."""
    data = originals.newest(absolute(path))[1].data.replace(b"\0", b"")  # UTF-16 too

    def query(state: State) -> list[ApiKey]:
        pairs = [(key, v) for key in vault.keys_in(state) if key.confirm for v in key.versions if v.blob]
        opened = zip(pairs, vault.values_in(state, pairs), strict=True)
        return [key for (key, _), values in opened if any(value.encode() in data for value in values.values() if value)]

    return vault.read(query)


def undo(path: str, originals: Originals) -> None:
    """Put back what the last cleaning of a file took out of it. Raises NotFound, UnsafeFile, StoreFailed."""
    name, original = originals.newest(absolute(path))
    if os.path.lexists(original.path):
        _mode_of_own(original.path)
    replace_own(original.path, original.data, original.mode)
    originals.forget(name)


def _mode_of_own(path: str) -> int:
    """The mode of a file that may be replaced. Raises UnsafeFile."""
    try:
        info = os.lstat(path)
    except OSError as exc:
        raise failure("look at", path, exc) from exc
    if not stat.S_ISREG(info.st_mode):
        raise UnsafeFile(f"{escape(path)} is a link, or not a plain file", "name the real file")
    if info.st_nlink > 1:
        raise UnsafeFile(f"{escape(path)} has other names that would keep the value (hard links)", "edit it by hand")
    if sys.platform != "win32" and info.st_uid != os.geteuid():
        raise UnsafeFile(f"{escape(path)} belongs to another user", "run keyvault as the user who owns it")
    return stat.S_IMODE(info.st_mode)


def _check(source: Source, file: TextFile, text: str, before: Sequence[Found], gone: Sequence[Gone]) -> None:
    """The new text, read as the old one was, has all other values and none of these. Raises CannotEdit."""
    after = Counter(_said(f) for f in source.read(file._replace(text=text)).found if f.cut)
    if after != Counter(_said(f) for f in before if f.cut) - Counter(_said(item.found) for item in gone):
        raise CannotEdit(f"{escape(file.path)} cannot be edited safely", "take the values out by hand")


def _said(found: Found) -> tuple[str, str]:
    return found.variable, found.value.reveal()


def _masked(text: str, found: Found) -> str:
    """The statement as a person may see it."""
    start, end = found.cut or (0, 0)
    value, statement = found.value.reveal(), text[start:end]
    if value in statement:
        return escape(statement.replace(value, mask(value)))
    return f"{found.variable} {mask(value)}"


def _put_in(source: Source, text: str, item: Gone) -> str:
    return source.left_behind(text, item, item.found.cut[0]) if source.comment and item.found.cut else ""
