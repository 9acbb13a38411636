"""Which objects of a repository were searched without a finding, so that the next run, or one after Ctrl-C, goes on from there.

One file for each repository in the state folder: a line that says what was sought, and then object ids as they are, appended
with each batch. What is torn or foreign costs a new search and nothing else. Objects with findings are never in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from keyvault.audit.leaks.pieces import Plan
from keyvault.core.errors import KeyvaultError
from keyvault.core.git import Repository
from keyvault.core.version import __version__
from keyvault.crypto.primitives import hmac_sha256, sha256
from keyvault.providers import catalogue
from keyvault.store import files

_FOLDER = "searched"
_MAGIC = b"keyvault searched objects 1\n"
MOST_BYTES = 100 << 20  # five million objects; those beyond are searched each time
MOST_REPOSITORIES = 100
_BUCKETS = 1 << 16


def fingerprint(plan: Plan) -> bytes:
    """Tells one search from another: rules, own keys and program. Another one begins anew."""
    own = sorted(hmac_sha256(plan.fingerprint_key, key.value.reveal().encode("utf-8", "surrogatepass")) for key in plan.own)
    return hmac_sha256(plan.fingerprint_key, sha256(__version__.encode(), b"\0", catalogue.fingerprint(), *own))


class Seen:
    """The ids of one repository. Memory: little more than the ids themselves."""

    def __init__(self, state: str, repo: Repository, mark: bytes) -> None:
        self._size = repo.id_size
        self._buckets: list[bytes] = []
        self._path = ""
        self._header = _MAGIC + mark + bytes([self._size])
        self._room = MOST_BYTES
        if state:
            folder = os.path.join(state, _FOLDER)
            self._path = os.path.join(folder, sha256(os.fsencode(os.path.realpath(repo.common))).hex()[:32])
            self._load(folder)

    def __contains__(self, oid: bytes) -> bool:
        if not self._buckets:
            return False
        bucket, tail = self._buckets[oid[0] << 8 | oid[1]], oid[2:]
        at = bucket.find(tail)
        while at >= 0 and at % len(tail):
            at = bucket.find(tail, at + 1)
        return at >= 0

    def add(self, ids: bytes, but: Iterable[bytes]) -> None:
        """Remember `ids` but for some, at once. Does nothing where nothing can be remembered."""
        left_out = set(but)
        if left_out:
            ids = b"".join(oid for at in range(0, len(ids), self._size) if (oid := ids[at : at + self._size]) not in left_out)
        if not self._path or len(ids) > self._room:
            return
        self._room -= len(ids)
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | files.OPEN)
            try:
                os.write(fd, ids)
            finally:
                os.close(fd)
        except OSError:
            self._path = ""

    def _load(self, folder: str) -> None:
        try:
            files.make_private_folder(folder)
            data = files.read_private(self._path, MOST_BYTES + len(self._header)) if os.path.lexists(self._path) else b""
            if not data.startswith(self._header):
                _make_room(folder)
                files.write_private(self._path, self._header, durable=False)
                return
            torn = (len(data) - len(self._header)) % self._size
            if torn:
                os.truncate(self._path, len(data) - torn)
            os.utime(self._path)
        except (KeyvaultError, OSError):
            self._path = ""  # a folder that cannot be written: everything is searched each time
            return
        self._room -= len(data) - len(self._header)
        self._fill(data, len(data) - torn)

    def _fill(self, data: bytes, end: int) -> None:
        buckets = [bytearray() for _ in range(_BUCKETS)]
        for at in range(len(self._header), end, self._size):
            buckets[data[at] << 8 | data[at + 1]] += data[at + 2 : at + self._size]
        self._buckets = [bytes(bucket) for bucket in buckets]


def _make_room(folder: str) -> None:
    """Forget the repositories that were searched longest ago."""
    found = sorted((os.stat(path).st_mtime, path) for name in os.listdir(folder) if (path := os.path.join(folder, name)))
    for _, path in found[: max(len(found) - MOST_REPOSITORIES + 1, 0)]:
        os.unlink(path)
