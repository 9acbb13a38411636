from __future__ import annotations

import pytest

from keyvault.cli.commands.doctor import about_platform


@pytest.mark.parametrize(
    ("platform", "python", "lines"),
    [
        ("linux", (3, 11, 0), 0),
        ("darwin", (3, 11, 0), 1),
        ("win32", (3, 11, 9), 2),
        ("win32", (3, 11, 10), 1),
        ("win32", (3, 12, 3), 2),
        ("win32", (3, 12, 4), 1),
        ("win32", (3, 13, 0), 1),
    ],
)
def test_doctor_says_what_is_not_proven_and_where_python_leaves_folders_open(
    platform: str, python: tuple[int, int, int], lines: int
) -> None:
    said = about_platform(platform, python)
    assert len(said) == lines
    assert all("Linux only" in line for line in said[:1])
    assert all("this Python leaves new folders as open" in line for line in said[1:])
