"""Random keys of the catalogue's shapes, and the places in which keys lie."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import random
import re
import string
from collections.abc import Callable
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from keyvault.providers.schema import Pattern, Provider

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def key(pattern: Pattern, chance: random.Random) -> str:
    """A key of that shape, with the right checksum."""
    if "private_key_id" in pattern.regex:
        return service_account(chance)
    value = _text(parser.parse(pattern.regex), chance)
    if pattern.checksum:
        number, digits = binascii.crc32(value[value.index("_") + 1 : -6].encode()), ""
        for _ in range(6):
            number, digit = divmod(number, 62)
            digits = _DIGITS[digit] + digits
        value = value[:-6] + digits
    assert re.fullmatch(pattern.regex, value)
    return value


def service_account(chance: random.Random) -> str:
    pem = base64.b64encode(chance.randbytes(600)).decode()
    number = chance.randbytes(20).hex()
    parts = {"type": "service_account", "project_id": "p-1", "private_key_id": number, "private_key": f"{pem}\n"}
    return json.dumps(parts, indent=2)


def _text(nodes: Any, chance: random.Random) -> str:
    out = ""
    for operation, argument in nodes:
        name = str(operation)
        if name == "LITERAL":
            out += chr(argument)
        elif name == "IN":
            out += chance.choice(_members(argument))
        elif name == "SUBPATTERN":
            out += _text(argument[3], chance)
        elif name == "BRANCH":
            out += _text(chance.choice(argument[1]), chance)
        elif name == "MAX_REPEAT":
            least, most, inner = argument
            out += "".join(_text(inner, chance) for _ in range(chance.randint(least, min(most, least + 12))))
        else:
            raise AssertionError(name)
    return out


def _members(items: Any) -> str:
    found = ""
    for kind, argument in items:
        found += chr(argument) if str(kind) == "LITERAL" else "".join(map(chr, range(argument[0], argument[1] + 1)))
    return found


def notebook(line: str) -> bytes:
    output = {"output_type": "stream", "name": "stdout", "text": [f"using {line}\n", "done\n"]}
    cell = {"cell_type": "code", "source": ["print(1)\n"], "outputs": [output], "metadata": {}, "execution_count": 1}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


PLACES: dict[str, Callable[[str, str], bytes]] = {
    "K=v": lambda name, value: f"# settings\nexport PATH=/bin\n{name}={value}\nDEBUG=1\n".encode(),
    'K = "v"': lambda name, value: f'import os\n{name} = {json.dumps(value)}\nprint("ok")\n'.encode(),
    "JSON": lambda name, value: json.dumps({"env": {"A": "b", name: value}, "port": 80}, indent=2).encode(),
    "YAML": lambda name, value: f"env:\n  - name: {name}\n    value: {json.dumps(value)}\n".encode(),
    "bare": lambda name, value: f"see below\n{value}\nend\n".encode(),
    "notebook": lambda name, value: notebook(f"{name}={value}"),
    "UTF-16": lambda name, value: f"{name}={value}\r\n".encode("utf-16"),
    "base64": lambda name, value: b"data: " + base64.b64encode(f"# env\n{name}={value}\n".encode()) + b"\n",
    "Secret": lambda name, value: f"data:\n  {name}: {base64.b64encode(value.encode()).decode()}\n".encode(),
    "gzip": lambda name, value: gzip.compress(f"# env\n{name}={value}\n".encode()),
}


def variable(provider: Provider, pattern: Pattern) -> str:
    return (pattern.variables or provider.variables)[0]
