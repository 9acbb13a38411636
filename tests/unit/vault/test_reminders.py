from __future__ import annotations

import os
from pathlib import Path

import pytest

from keyvault.vault.reminders import first_today, last_backup, note_backup

DAY = 86_400
VAULT = "ab" * 16


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def test_a_reminder_is_due_once_a_day(state: str) -> None:
    assert [first_today(state, VAULT, 20_000 * DAY + second) for second in (0, 1, DAY - 1, DAY, DAY + 1)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert first_today(state, "cd" * 16, 20_000 * DAY)


def test_where_it_cannot_be_noted_nobody_is_reminded(tmp_path: Path) -> None:
    spoiled, missing = tmp_path / "spoiled", tmp_path / "missing"
    os.makedirs(spoiled / f"reminded-{VAULT}", 0o700)
    assert not first_today(str(spoiled), VAULT, 20_000 * DAY)
    os.symlink(tmp_path / "nowhere", missing)
    assert not first_today(str(missing), VAULT, 20_000 * DAY)


def test_the_last_backup_is_known_on_this_machine_and_no_loss(state: str, tmp_path: Path) -> None:
    assert last_backup(state, VAULT) is None
    note_backup(state, VAULT, 20_000 * DAY, 7)
    assert last_backup(state, VAULT) == (20_000 * DAY, 7)
    os.symlink(tmp_path / "nowhere", tmp_path / "missing")
    note_backup(str(tmp_path / "missing"), VAULT, 20_000 * DAY, 7)
    assert last_backup(str(tmp_path / "missing"), VAULT) is None
