"""Files of strangers, read whole or not at all: plain files of a limited size, whatever is put in their place meanwhile."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.text import escape
from keyvault.store.files import failure

_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
LARGEST_TEXT = 4 * 1024 * 1024

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


class TextFile(NamedTuple):
    """A file's text, and what it takes to write it back byte for byte."""

    path: str
    text: str
    data: bytes
    mark: bytes
    encoding: str

    def encode(self, text: str) -> bytes:
        """Another text, as this file would hold it."""
        return self.mark + text.encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "strict")

    @property
    def name(self) -> str:
        """The file's own name."""
        return os.path.basename(self.path)


def read_bytes(path: str, largest: int) -> bytes:
    """A plain file's bytes. Raises NotFound, InvalidInput, StoreFailed."""
    try:
        fd = os.open(path, os.O_RDONLY | _FLAGS)
        with open(fd, "rb") as file:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise InvalidInput(f"{escape(path)} is not a plain file", "name a file that holds keys")
            data = file.read(largest + 1)
    except FileNotFoundError as exc:
        raise NotFound(f"{escape(path)} does not exist", "check the path") from exc
    except ValueError as exc:  # a NUL in the path
        raise InvalidInput(f"{escape(path)} is not a path", "check it") from exc
    except OSError as exc:
        raise failure("read", path, exc) from exc
    if len(data) > largest:
        raise InvalidInput(f"{escape(path)} is larger than {largest // 1024:,} KiB", "no file of keys is; name another one")
    return data


def decode(path: str, data: bytes) -> TextFile:
    """The text of a file. Bytes that are no UTF-8 are carried along, so that they can be written back. Raises InvalidInput."""
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{escape(path)} is not text", "save it as UTF-8 first") from exc
    if "\0" in text:
        raise InvalidInput(f"{escape(path)} is not text", "name a file that holds keys, or say what it is with --from")
    return TextFile(path, text, data, mark, encoding)


def read(path: str, largest: int = LARGEST_TEXT) -> TextFile:
    """A file of text. Raises as `read_bytes` and `decode` do."""
    return decode(path, read_bytes(path, largest))
