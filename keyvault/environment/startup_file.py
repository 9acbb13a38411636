"""One managed block in a start-up file of the user's: put in, brought up to date, taken out. All else stays byte for byte.

The first line of the block holds a checksum, which tells a block of an earlier version from one that somebody edited.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import NamedTuple

from keyvault.core.errors import InvalidInput, KeyvaultError, UnsafeFile
from keyvault.core.text import escape
from keyvault.crypto.primitives import sha256
from keyvault.store import files
from keyvault.store.swap import read_plain

_LARGEST = 4 * 1024 * 1024
_BEGIN = re.compile(rb"^# >>> keyvault (?P<sum>[0-9a-f]{8})(?P<joined> \+)?: [^\r\n]*\r?$", re.MULTILINE)
_MADE = b", and the file, which it made, if nothing else is in it"
_END = re.compile(rb"^# <<< keyvault <<<\r?(?:\n|\Z)", re.MULTILINE)


class StartUpFile(NamedTuple):
    """`path` is where the bytes are, links followed; `mode` and `group` what the file keeps, None for a new one."""

    path: str
    data: bytes
    mode: int | None
    group: int | None


class Block(NamedTuple):
    """Where a block lies, with the line end that was added before it, and whether it is as it was written.

    `made_file`: there was none before the block.
    """

    start: int
    end: int
    untouched: bool
    made_file: bool


def read(path: str) -> StartUpFile:
    """The file, or an empty one where there is none yet. Raises UnsafeFile, StoreFailed."""
    real = os.path.realpath(path)
    if not os.path.lexists(real):
        return StartUpFile(real, b"", None, None)
    data, info = read_plain(real, _LARGEST)
    shown = escape(real)
    if sys.platform != "win32" and info.st_uid != os.geteuid():
        raise UnsafeFile(f"{shown} belongs to another user", "run keyvault as the user who owns it")
    return StartUpFile(real, data, stat.S_IMODE(info.st_mode), info.st_gid)


def find(data: bytes) -> Block | None:
    """The block, if there is one. Raises InvalidInput where its lines are not a pair."""
    begins, ends = list(_BEGIN.finditer(data)), list(_END.finditer(data))
    if not begins and not ends and b">>> keyvault " not in data:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0].end() > ends[0].start():
        raise InvalidInput(
            "the lines that mark keyvault's block are damaged", "remove what is left of the block by hand, and run this again"
        )
    begin, end = begins[0], ends[0]
    body = data[begin.end() + 1 : end.start()].replace(b"\r\n", b"\n")
    start = begin.start()
    if begin["joined"]:  # the line end before the block is ours too
        start -= 2 if begin[0].endswith(b"\r") else 1
    return Block(start, end.end(), _sum(body) == begin["sum"], _MADE in begin[0])


def with_block(data: bytes, body: str, *, new: bool = False) -> bytes:
    """`data` with a block of these lines: where it was, or at the end. `new`: there was no file. Raises InvalidInput."""
    found = find(data)
    before = data[: found.start] if found else data
    after = data[found.end :] if found else b""
    eol = b"\r\n" if b"\r\n" in (before or after).partition(b"\n")[0] + b"\n" else b"\n"
    joined = bool(before) and not before.endswith(b"\n")
    text = body.encode()
    first = b"# >>> keyvault " + _sum(text) + (b" +" if joined else b"") + b": keyvault shell uninstall takes this block out"
    first += _MADE if new or (found and found.made_file) else b""
    block = first + b"\n" + text + b"# <<< keyvault <<<\n"
    return before + (eol if joined else b"") + block.replace(b"\n", eol) + after


def without_block(data: bytes) -> bytes:
    """`data` as it was before the block was put in. Raises InvalidInput."""
    found = find(data)
    return data[: found.start] + data[found.end :] if found else data


def made_by_block(data: bytes) -> bool:
    """There was no file before the block, and there is nothing else in it now. Raises InvalidInput."""
    found = find(data)
    return found is not None and found.made_file and not without_block(data)


def write(file: StartUpFile, data: bytes) -> None:
    """Put `data` in place of what was read, atomically, with the same mode. Raises KeyvaultError if it has changed since."""
    if read(file.path) != file:
        raise KeyvaultError(f"{escape(file.path)} has changed meanwhile", "nothing was written; run this again")
    try:
        os.makedirs(os.path.dirname(file.path), exist_ok=True)
    except OSError as exc:
        raise files.failure("create", os.path.dirname(file.path), exc) from exc
    files.replace_own(file.path, data, 0o644 if file.mode is None else file.mode, file.group)


def remove(file: StartUpFile) -> None:
    """Remove a file that held nothing but the block. Raises StoreFailed."""
    try:
        os.unlink(file.path)
    except OSError as exc:
        raise files.failure("remove", file.path, exc) from exc


def _sum(body: bytes) -> bytes:
    return sha256(body).hex()[:8].encode()
