from __future__ import annotations

import pytest

from keyvault.cli.commands.doctor import about_platform


@pytest.mark.parametrize(("platform", "lines"), [("linux", 0), ("darwin", 1), ("win32", 1)])
def test_doctor_says_where_it_is_not_proven(platform: str, lines: int) -> None:
    said = about_platform(platform)
    assert len(said) == lines
    assert all("Linux only" in line for line in said)
