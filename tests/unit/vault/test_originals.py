"""What is put away of cleaned files comes back as it was, or not at all."""

from __future__ import annotations

import base64
import hmac
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keyvault.core.errors import NotFound, StoreFailed, VaultCorrupt
from keyvault.store import files
from keyvault.vault import codec, originals
from keyvault.vault.codec import dump_json
from keyvault.vault.originals import Original, Originals, digest

VAULT, KEY, AT = "ab" * 16, bytes(range(32)), 1_790_000_000
A, B = (Original(f"/home/me/{name}", 0o640, AT, b"KEY=value\n", digest(b"")) for name in ("a.env", "b\udcff.env"))


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


@pytest.fixture
def put_away(state: str) -> Originals:
    made = Originals(state, VAULT, KEY)
    made.put_away(A)
    made.put_away(B)
    return made


def names(state: str) -> list[str]:
    return sorted(os.listdir(os.path.join(state, "cleaned")))


def test_the_newest_comes_back_and_then_the_one_before(state: str, put_away: Originals) -> None:
    later = A._replace(data=b"KEY=later\n")
    put_away.put_away(later)
    assert put_away.newest(B.path)[1] == B
    name, found = Originals(state, VAULT, KEY).newest(A.path)
    assert found == later
    put_away.forget(name)
    assert put_away.newest(A.path)[1] == A
    for one in names(state):
        with open(os.path.join(state, "cleaned", one), "rb") as file:
            assert b"KEY=" not in file.read()


def test_they_are_numbered_in_the_order_in_which_they_were_put_away(state: str) -> None:
    made = Originals(state, VAULT, KEY)
    for number in range(18):
        made.put_away(A._replace(data=b"%d" % number))
    assert [name[-8:] for name in names(state)] == [f"{number:08x}" for number in range(1, 19)]
    assert made.newest(A.path)[1].data == b"17"


def test_what_an_earlier_keyvault_put_away_is_found(state: str) -> None:
    made = Originals(state, VAULT, KEY)
    made.put_away(A)
    assert made._key == HKDFExpand(SHA256(), 32, b"keyvault/1/file\0").derive(KEY)
    of_the_path = hmac.new(made._key, b"path\0/home/me/a.env", "sha256").hexdigest()[:32]
    assert names(state) == [f"{VAULT}-{of_the_path}-00000001"]


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({"mode": 0}, True),
        ({"mode": 0o7777}, True),
        ({"mode": -1}, False),
        ({"mode": 0o10000}, False),
        ({"after": "AB"}, False),
    ],
)
def test_a_field_out_of_range_is_refused(state: str, put_away: Originals, change: dict[str, object], read: bool) -> None:
    name, _ = put_away.newest(A.path)
    path = base64.b64encode(os.fsencode(A.path)).decode()
    fields = {"after": A.after, "at": AT, "data": "", "mode": 0o600, "path": path} | change
    sealed = codec.seal(originals._KIND, put_away._key, put_away._header, name.encode(), dump_json(fields))
    files.write_private(os.path.join(state, "cleaned", name), sealed)
    if read:
        assert put_away.newest(A.path)[1].mode == fields["mode"]
    else:
        with pytest.raises(VaultCorrupt):
            put_away.newest(A.path)


def test_an_original_is_not_put_back_in_anothers_place(state: str, put_away: Originals) -> None:
    a, b = (put_away.newest(original.path)[0] for original in (A, B))
    folder = os.path.join(state, "cleaned")
    os.replace(os.path.join(folder, a), os.path.join(folder, b))
    with pytest.raises(VaultCorrupt):
        put_away.newest(B.path)
    with pytest.raises(NotFound, match="nothing was put away"):
        put_away.newest(A.path)


def test_an_older_original_cannot_pass_for_the_newest(state: str, put_away: Originals) -> None:
    name, _ = put_away.newest(A.path)
    folder = os.path.join(state, "cleaned")
    os.replace(os.path.join(folder, name), os.path.join(folder, name[:-8] + "00000009"))
    with pytest.raises(VaultCorrupt):
        put_away.newest(A.path)


@pytest.mark.parametrize("field", ["data", "path"])
def test_an_original_that_was_written_down_wrongly_is_refused(state: str, put_away: Originals, field: str) -> None:
    name, _ = put_away.newest(A.path)
    fields = {"after": A.after, "at": AT, "data": "", "mode": 0o600, "path": ""} | {field: "no base64!"}
    sealed = codec.seal(originals._KIND, put_away._key, put_away._header, name.encode(), dump_json(fields))
    files.write_private(os.path.join(state, "cleaned", name), sealed)
    with pytest.raises(VaultCorrupt):
        put_away.newest(A.path)


def test_what_does_not_read_back_stops_the_cleaning(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Originals(state, VAULT, KEY)
    ever = made._open
    monkeypatch.setattr(made, "_open", lambda name: ever(name)._replace(data=b""))
    with pytest.raises(StoreFailed, match="does not read back"):
        made.put_away(A)


def test_a_folder_that_cannot_be_read_is_told(state: str) -> None:
    with pytest.raises(NotFound, match="nothing was put away"):
        Originals(state, VAULT, KEY).newest(A.path)
    os.mkdir(state, 0o700)
    with open(os.path.join(state, "cleaned"), "wb"):
        pass
    with pytest.raises(StoreFailed, match=r"cannot read .*: not a directory"):
        Originals(state, VAULT, KEY).newest(A.path)
