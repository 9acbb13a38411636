"""The wire between the agent and its clients: one request a connection.

Request: the body's length (4 bytes, big-endian), then fields joined by NUL: "1", verb, working folder, terminals ("101,80":
which of fd 0, 1 and 2 are terminals, and the columns of fd 1 or 0), the number of arguments, the arguments, the environment.
Verbs: `call` (the words after `keyvault`), `keys`, `status`, `lock`.

Answer: "A" as soon as the request is there whole and its sender may ask. Then the length of the rest, status and exit code (a
byte each), and chunks, each a stream (1 stdout, 2 stderr, 3 data), a length, and bytes.
"""

from __future__ import annotations

import sys

assert sys.platform != "win32"  # which the type checker wants to hear first

from typing import NamedTuple

from keyvault.agent.client import DATA, LARGEST_ANSWER, NOT_SERVED

REFUSED = 3
VERBS = (b"call", b"keys", b"status", b"lock")


class Call(NamedTuple):
    """A request. `terminals` are fd 0, 1 and 2; `pid` is the client's process, or 0 where it is not known here."""

    verb: str
    folder: bytes
    terminals: tuple[bool, ...]
    columns: int
    words: list[str]
    environment: dict[str, str]
    pid: int


class Reply(NamedTuple):
    """An answer. `chunks`: streams and what was written to them, in the order in which it was written."""

    status: int
    code: int = 0
    chunks: tuple[tuple[int, bytes | bytearray], ...] = ()


def parse(body: bytes, pid: int) -> Call | None:
    """The request, or None where it is none."""
    fields = body.split(b"\0")
    if len(fields) < 5 or fields[0] != b"1" or fields[1] not in VERBS or not fields[2].startswith(b"/"):
        return None
    flags, comma, columns = fields[3].partition(b",")
    if len(flags) != 3 or flags.strip(b"01") or not comma or not _is_number(columns) or not _is_number(fields[4]):
        return None
    end = 5 + int(fields[4])
    if end > len(fields):
        return None
    environment: dict[str, str] = {}
    for name, equals, value in (text(field).partition("=") for field in fields[end:]):
        if equals:
            environment.setdefault(name, value)  # of two of one name the first counts, as for the interpreter
    words = [text(field) for field in fields[5:end]]
    terminals = tuple(flag == ord("1") for flag in flags)
    return Call(fields[1].decode(), fields[2], terminals, int(columns), words, environment, pid)


def _is_number(field: bytes) -> bool:
    return field.isdigit() and len(field) <= 6


def text(field: bytes) -> str:
    """Bytes as an interpreter with a UTF-8 locale reads them."""
    return field.decode("utf-8", "surrogateescape")


def encode(reply: Reply) -> bytearray:
    """The answer's bytes after the "A". One that is too long is none."""
    if sum(len(content) + 5 for _, content in reply.chunks) + 2 > LARGEST_ANSWER:
        reply = Reply(NOT_SERVED)
    rest = bytearray([reply.status, reply.code])
    for stream, content in reply.chunks:
        rest += bytes([stream]) + len(content).to_bytes(4, "big") + content
    return bytearray(len(rest).to_bytes(4, "big")) + rest


def data(content: bytes | bytearray) -> Reply:
    """An answer that only a program reads."""
    return Reply(0, 0, ((DATA, content),))
