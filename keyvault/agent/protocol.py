"""The wire between the agent and its clients: one request a connection.

Request: the body's length (4 bytes, big-endian), then fields joined by NUL: "1", verb, working folder, terminals ("101,80":
which of fd 0, 1 and 2 are terminals, and the columns of fd 1 or 0), the number of arguments, the arguments, the environment.
Verbs: `call` (the words after `keyvault`), `keys`, `status`, `lock`.

Answer: "A" as soon as the request is there whole and its sender may ask. Then the length of the rest, status and exit code (a
byte each), and chunks, each a stream (1 stdout, 2 stderr, 3 data), a length, and bytes.

`keys` is answered with the vault's id, the epoch, what the vault has to say, a line each, and the keys, joined by NUL.
On Windows there is no `call`, folder and terminals mean nothing, there is no environment, and the arguments of `keys` are the
folders of the vault and of this machine's notes about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

# As in keyvault.agent.client, which is for Unix, and imports nothing of ours.
DONE, NOT_SERVED, REFUSED = 0, 1, 3
DATA = 3
LARGEST_ANSWER = 64 * 1024 * 1024
LARGEST_PIPE_REQUEST, LARGEST_PIPE_ANSWER = 131_072, 65_536
_PART = 65_536
VERBS = (b"call", b"keys", b"status", b"lock")


class Call(NamedTuple):
    """A request. `terminals` are fd 0, 1 and 2; `pid` is the client's process, or 0 where it is not known here.

    `environment` is as it came, for `variables` to read: most clients have the one of the client before them.
    """

    verb: str
    folder: bytes
    terminals: tuple[bool, ...]
    columns: int
    words: list[str]
    environment: bytes
    pid: int


class Reply(NamedTuple):
    """An answer. `chunks`: streams and what was written to them, in the order in which it was written."""

    status: int
    code: int = 0
    chunks: tuple[tuple[int, bytes | bytearray], ...] = ()


def parse(body: bytes, pid: int) -> Call | None:
    """The request, or None where it is none."""
    fields = body.split(b"\0", 5)
    if len(fields) < 5 or fields[0] != b"1" or fields[1] not in VERBS or not fields[2].startswith(b"/"):
        return None
    flags, comma, columns = fields[3].partition(b",")
    if len(flags) != 3 or flags.strip(b"01") or not comma or not _is_number(columns) or not _is_number(fields[4]):
        return None
    count = int(fields[4])
    rest = fields[5].split(b"\0", count) if fields[5:] else []
    if count > len(rest):
        return None
    words = [text(field) for field in rest[:count]]
    terminals = tuple(flag == ord("1") for flag in flags)
    return Call(fields[1].decode(), fields[2], terminals, int(columns), words, b"".join(rest[count:]), pid)


def request(verb: bytes, arguments: tuple[str, ...] = ()) -> bytes:
    """The bytes of a request for which no folder, terminal or environment counts."""
    said = (word.encode("utf-8", "surrogatepass") for word in arguments)
    body = b"\0".join([b"1", verb, b"/", b"000,0", b"%d" % len(arguments), *said])
    return len(body).to_bytes(4, "big") + body


def variables(environment: bytes) -> dict[str, str]:
    """What `Call.environment` says."""
    found: dict[str, str] = {}
    for name, equals, value in (text(field).partition("=") for field in environment.split(b"\0")):
        if equals:
            found.setdefault(name, value)  # of two of one name the first counts, as for the interpreter
    return found


def _is_number(field: bytes) -> bool:
    return field.isdigit() and len(field) <= 6


def text(field: bytes) -> str:
    """Bytes as an interpreter with a UTF-8 locale reads them."""
    return field.decode("utf-8", "surrogateescape")


def encode(reply: Reply) -> Iterator[bytes | bytearray]:
    """The answer's bytes after the "A", in parts, for it may be long. One that is too long is none."""
    size = sum(len(content) + 5 for _, content in reply.chunks) + 2
    if size > LARGEST_ANSWER:
        size, reply = 2, Reply(NOT_SERVED)
    part = bytearray(size.to_bytes(4, "big") + bytes([reply.status, reply.code]))
    for stream, content in reply.chunks:
        part += bytes([stream]) + len(content).to_bytes(4, "big")
        part += content
        if len(part) >= _PART:
            yield part
            part = bytearray()
    yield part


def data(content: bytes | bytearray) -> Reply:
    """An answer that only a program reads."""
    return Reply(0, 0, ((DATA, content),))


def data_of(rest: bytes) -> bytes | None:
    """The content of an answer that is nothing but data, after its length; None where it is another."""
    if rest[:3] != bytes([DONE, 0, DATA]) or int.from_bytes(rest[3:7], "big") != len(rest) - 7:
        return None
    return rest[7:]
