"""Files of keyvault's own, which others may have damaged, and sealed parts, as who has the keys could have made them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from unittest import mock

from fuzz.folders import holding

from keyvault.audit import policy
from keyvault.cli import agents
from keyvault.core.errors import KeyvaultError
from keyvault.crypto.primitives import sha256
from keyvault.environment import project, trust
from keyvault.rotation import hooks
from keyvault.store import sqlite
from keyvault.unlock import key_file, passphrase
from keyvault.vault import anchor, codec, originals, reminders, state, tree, usage
from keyvault.vault.codec import Header, VaultKeys

_ID = "0" * 32
_HEADER = Header(_ID, 1, ())
_KEY = bytes(32)
_PROJECT = b'[env]\nA_API_KEY = "openai"\n[profile.work.env]\nB_API_KEY = { key = "aws/x", field = "secret_access_key" }\n'
_PROJECT_PATH = "/p/.keyvault.toml"


def config(data: bytes) -> None:
    """Settings that are taken are of the kind that they should be."""
    path = holding(data, "config.toml")
    with mock.patch.dict(os.environ, {"XDG_CONFIG_HOME": _as_config_home(os.path.dirname(path))}):
        with suppress(KeyvaultError):
            assert all(hook and all(isinstance(word, str) for word in hook) for hook in hooks.configured())
        with suppress(KeyvaultError):
            told = policy.configured()
            spans = [span for limits in (told.general, *told.vendors.values()) for span in limits]
            assert all(span is None or span >= 0 for span in spans)
        with suppress(KeyvaultError):
            assert all(os.path.isabs(trusted) for trusted in trust.trusted_folders())
        limits = agents.limits(None, "")
        assert 0 < limits.longest <= 366 * 86400
        assert 0 <= limits.idle <= 366 * 86400


def projects(data: bytes) -> None:
    """What is allowed is what was granted: @P is the project's path there, and @D its digest."""
    digest = sha256(_PROJECT).hex()
    path = holding(data.replace(b"@P", _PROJECT_PATH.encode()).replace(b"@D", digest.encode()), "projects.json")
    with mock.patch.object(project, "load_bytes", return_value=_PROJECT), mock.patch.object(trust, "trusted_folders", list):
        standing = trust.Trust(os.path.dirname(path)).look_at(_PROJECT_PATH)
    assert not (standing.allowed and standing.denied)
    if standing.allowed and standing.project == project.parse(_PROJECT_PATH, _PROJECT):
        assert not standing.added
        assert b"grants" in data or b"sections" in data


def anchors(data: bytes) -> None:
    """What is believed has a number, a chain and a time that can be."""
    with suppress(ValueError, RecursionError):
        fields = json.loads(data)
        if isinstance(fields, dict):
            fields.pop("checksum", None)
            data = json.dumps(fields | {"checksum": anchor._checksum(fields)}).encode()
    folder = os.path.dirname(holding(data, f"anchor-{_ID}"))
    found = anchor.Anchors(folder).read(_ID)
    assert found is None or (found.seq > 0 and len(bytes.fromhex(found.chain)) == 32)
    os.replace(os.path.join(folder, f"anchor-{_ID}"), os.path.join(folder, anchor._path_file("/v")))
    known = anchor.Anchors(folder).vault_at("/v")
    assert known is None or known


def usage_file(data: bytes) -> None:
    """Days are days or nothing, and noting goes on from what is there."""
    folder = os.path.dirname(holding(b"", f"usage-{_ID}"))
    file = usage.Usage(folder, _ID, _KEY)
    holding(codec.seal(usage._KIND, file._key, _HEADER._replace(epoch=0), b"", data), f"usage-{_ID}")
    read = file.read()
    assert all(type(day) in (int, type(None)) for used in read.values() for day in used)
    file.note(["k"], usage.USED, 86400 * 20000)
    assert {name for name, used in read.items() if name != "k"} <= set(file.read())
    assert file.read()["k"].used


def notes(data: bytes) -> None:
    """Hints of this machine: read or as if there were none."""
    holding(data, f"backup-{_ID}")
    folder = os.path.dirname(holding(data, f"backup-{_ID}"))
    found = reminders.last_backup(folder, _ID)
    assert found is None or len(found) == 2
    path = holding(data, f"reminded-{_ID}")
    reminders.first_today(os.path.dirname(path), _ID, 86400)
    assert not reminders.first_today(os.path.dirname(path), _ID, 86400)


def original(data: bytes) -> None:
    """What was put away is a file's path, mode and content, or altered."""
    made = originals.Originals("", _ID, _KEY)
    path = holding(codec.seal(originals._KIND, made._key, _HEADER._replace(epoch=0), b"original", data), "original")
    made._folder = os.path.dirname(path)
    found = made._open("original")
    assert found.mode <= 0o7777
    assert len(found.after) == 64


def root(data: bytes) -> None:
    sealed = codec.seal(codec.ROOT, _KEY, _HEADER, sha256(b"head"), data)
    found = state.open_root(_HEADER, b"head", VaultKeys(*[_KEY] * len(VaultKeys._fields)), sealed)
    assert found.seq > 0
    assert len(found.chain) == len(found.fingerprint_key) == len(found.top.id) == 32


def unsealed(data: bytes) -> None:
    """Bytes in place of a sealed part are refused, or are what was sealed."""
    for kind in (codec.ROOT, codec.PAGE, codec.JOURNAL, codec.VALUE):
        with suppress(KeyvaultError):
            codec.unseal(kind, _KEY, _HEADER, b"", data)
            raise AssertionError


def branch(data: bytes) -> None:
    """A tree whose pages are all the same one: it ends, and every record lies below its path."""
    page = data[:1] + data[1:].ljust(16 * 40, b"\0") if data[:1] == b"B" else data
    size = sum(int.from_bytes(page[at + 32 : at + 36], "big") for at in range(1, len(page), 40)) if page[:1] == b"B" else 0
    count = sum(int.from_bytes(page[at + 36 : at + 40], "big") for at in range(1, len(page), 40)) if page[:1] == b"B" else 0
    top = tree.Node(bytes(32), size, count) if page[:1] == b"B" else tree.Node(bytes(32), max(0, len(page) - 5), 1)

    def fetch(wanted: list[tuple[bytes, bytes]]) -> list[bytes]:
        return [page] * len(wanted)

    with suppress(KeyvaultError):
        tree.lookup(fetch, top, bytes(32))
    for tag, _ in tree.walk(fetch, top):
        assert len(tag) == tree.TAG_SIZE


def key_files(data: bytes) -> None:
    """A key file has one spelling; the passphrase in a file is its text, less the end of the line."""
    path = holding(data, "key")
    with suppress(KeyvaultError):
        read = passphrase.from_file("KEYVAULT_PASSPHRASE_FILE", path).encode()
        assert read in (data, data.removesuffix(b"\n"), data.removesuffix(b"\r\n"))
        assert not read.endswith(b"\n") or data.endswith((b"\n\n", b"\n\r\n"))
    secret = key_file.read(path)
    assert data.removesuffix(b"\n") == b"keyvault-key-file-1 " + secret.hex().encode()


def store(data: bytes) -> None:
    """Any file in place of a vault: what is read from it are blobs, or it is refused."""
    path = holding(data, "vault.db")
    opened = sqlite.open_store(path)
    try:
        ids = opened.ids()
        assert isinstance(opened.head(), bytes)
        assert all(isinstance(blob, bytes) for blob in opened.get([one for one in ids if isinstance(one, bytes)]).values())
        opened.check_integrity()
    finally:
        opened.close()


@cache
def _as_config_home(folder: str) -> str:
    """A configuration folder in which keyvault's is this one."""
    home = folder + ".home"
    os.mkdir(home, 0o700)
    os.symlink(folder, os.path.join(home, "keyvault"))
    return home


TARGETS: dict[str, Callable[[bytes], None]] = {
    "anchors": anchors,
    "branch": branch,
    "config": config,
    "key-file": key_files,
    "notes": notes,
    "original": original,
    "projects": projects,
    "root": root,
    "store": store,
    "unsealed": unsealed,
    "usage-file": usage_file,
}
