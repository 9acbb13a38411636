"""Keys in .env files, read as python-dotenv reads them, but without expanding anything."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from io import StringIO
from typing import NamedTuple

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.refs import check_variable
from keyvault.core.secret import Secret
from keyvault.core.text import escape
from keyvault.store.files import failure

LARGEST_FILE = 4 * 1024 * 1024


class Found(NamedTuple):
    """A variable with a value, and the file and line where it stands."""

    variable: str
    value: Secret
    path: str
    line: int


def read_all(paths: Iterable[str]) -> tuple[list[Found], list[str]]:
    """What the files hold, and a line about each part that was skipped. Raises NotFound, InvalidInput, StoreFailed."""
    found: list[Found] = []
    skipped: list[str] = []
    for path in paths:
        _read(path, found, skipped)
    return found, skipped


def _read(path: str, found: list[Found], skipped: list[str]) -> None:
    from dotenv.parser import parse_stream

    for binding in parse_stream(StringIO(_text(path))):
        where = f"{escape(path)}:{binding.original.line}"
        if binding.error:
            skipped.append(f"{where} is not understood, and was skipped")
        elif binding.key is None:
            continue
        elif not binding.value:
            skipped.append(f"{where} gives {escape(binding.key)} no value, and was skipped")
        elif "${" in binding.value:
            skipped.append(f"{where} refers to other variables, and was skipped")
        else:
            try:
                check_variable(binding.key)
            except InvalidInput as exc:
                skipped.append(f"{where} was skipped: {exc.message}")
                continue
            found.append(Found(binding.key, Secret(binding.value), path, binding.original.line))


def _text(path: str) -> str:
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode) or info.st_size > LARGEST_FILE:
            raise InvalidInput(f"{escape(path)} is not a file that could be an environment file", "name a .env file")
        with open(path, encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError as exc:
        raise NotFound(f"{escape(path)} does not exist", "check the path") from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{escape(path)} is not UTF-8 text", "save it as UTF-8 first") from exc
    except OSError as exc:
        raise failure("read", path, exc) from exc
