from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from keyvault.vault.usage import EXPORTED, USED, Usage, Used

DAY = 86_400
VAULT, KEY = "ab" * 16, bytes(range(32))
A, B = "0a" * 16, "0b" * 16


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def usage_file(state: str) -> str:
    return os.path.join(state, f"usage-{VAULT}")


def test_a_day_is_kept_and_no_more(state: str) -> None:
    usage = Usage(state, VAULT, KEY)
    usage.note([A], USED, 20_000 * DAY + 4_567)
    usage.note([A, B], EXPORTED, 20_001 * DAY + DAY - 1)
    assert Usage(state, VAULT, KEY).read() == {A: Used(20_000 * DAY, 20_001 * DAY), B: Used(None, 20_001 * DAY)}


def test_it_is_written_once_a_day_and_never_backwards(state: str) -> None:
    usage = Usage(state, VAULT, KEY)
    usage.note([A], USED, 20_000 * DAY)
    with open(usage_file(state), "rb") as file:
        before = file.read()
    usage.note([A], USED, 20_000 * DAY + DAY - 1)
    usage.note([A], USED, 19_000 * DAY)
    usage.note([], EXPORTED, 20_005 * DAY)
    with open(usage_file(state), "rb") as file:
        assert file.read() == before
    usage.note([A], USED, 20_001 * DAY)
    assert usage.read()[A].used == 20_001 * DAY


def test_it_is_sealed_padded_and_private(state: str) -> None:
    usage = Usage(state, VAULT, KEY)
    usage.note([A], USED, 20_000 * DAY)
    with open(usage_file(state), "rb") as file:
        data = file.read()
    assert len(data) == 4096 + 40
    assert A.encode() not in data
    assert bytes.fromhex(A) not in data
    assert stat.S_IMODE(os.stat(usage_file(state)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(state).st_mode) == 0o700
    assert Usage(state, VAULT, KEY[::-1]).read() == {}


def test_what_an_earlier_keyvault_noted_is_read(state: str) -> None:
    assert Usage(state, VAULT, KEY)._key == HKDFExpand(SHA256(), 32, b"keyvault/1/usage\0").derive(KEY)


def test_another_vaults_file_is_not_believed(state: str) -> None:
    Usage(state, VAULT, KEY).note([A], USED, 20_000 * DAY)
    os.rename(usage_file(state), os.path.join(state, f"usage-{'cd' * 16}"))
    assert Usage(state, "cd" * 16, KEY).read() == {}


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-1], lambda data: bytes(len(data)), lambda data: data + b"\0"]
)
def test_what_cannot_be_read_is_no_loss(state: str, damage: object) -> None:
    usage = Usage(state, VAULT, KEY)
    usage.note([A], USED, 20_000 * DAY)
    with open(usage_file(state), "rb") as file:
        data = file.read()
    with open(usage_file(state), "wb") as file:
        file.write(damage(data))  # type: ignore[operator]
    assert usage.read() == {}
    usage.note([B], USED, 20_001 * DAY)
    assert usage.read() == {B: Used(20_001 * DAY, None)}


def test_it_fails_nobody_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    usage = Usage(str(tmp_path / "state"), VAULT, KEY)
    usage.note([A], USED, 20_000 * DAY)
    assert usage.read() == {}


def test_a_link_in_its_place_is_not_followed(state: str, tmp_path: Path) -> None:
    os.mkdir(state, 0o700)
    (tmp_path / "elsewhere").write_bytes(b"mine")
    os.symlink(tmp_path / "elsewhere", usage_file(state))
    Usage(state, VAULT, KEY).note([A], USED, 20_000 * DAY)
    assert (tmp_path / "elsewhere").read_bytes() == b"mine"
