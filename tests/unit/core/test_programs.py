"""Where programs are looked for: in PATH, and never in the working folder, where a stranger's may lie."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keyvault.core import git, programs
from keyvault.core.secret import Secret
from keyvault.discover import stores
from keyvault.environment import startup_lines
from keyvault.rotation import hooks


@pytest.fixture
def bins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of PATH; the working folder, which PATH names in other words, has programs of all these names too."""
    here, folder = tmp_path / "cloned", tmp_path / "bin"
    for made in (here, folder):
        made.mkdir()
    for name in ("git", "pass", "pwsh", "powershell", "gh", "tool.cmd"):
        for path in (here / name, here / f"{name}.exe"):
            program(path)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", "bin", str(folder)]))
    return folder


def program(path: Path) -> str:
    path.write_text("#!/bin/sh\necho a stranger\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture(params=["linux", "win32"])
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "platform", request.param)
    return str(request.param)


def test_a_program_of_the_working_folder_is_not_found(bins: Path, platform: str) -> None:
    assert programs.find("gh") is None
    assert programs.find("gh", "", scripts=True) is None


def test_one_of_an_absolute_folder_is(bins: Path, platform: str) -> None:
    path = program(bins / ("gh.exe" if platform == "win32" else "gh"))
    assert programs.find("gh") == path
    assert programs.find("gh", str(bins)) == path
    assert programs.find("gh", "/nowhere") is None


def test_who_says_a_folder_means_that_one(bins: Path, platform: str) -> None:
    assert programs.find("./gh") == ("./gh.exe" if platform == "win32" else "./gh")
    assert programs.find("./no-such") is None


def test_folders_and_files_without_the_right_to_run_are_none(bins: Path) -> None:
    (bins / "gh").mkdir()
    (bins / "git").write_text("")
    assert programs.find("gh") is None
    assert programs.find("git") is None


def test_windows_adds_endings_where_none_is_said(bins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("PATHEXT", os.pathsep.join([".COM", ".EXE", ".CMD"]))
    command = program(bins / "tool.cmd")
    assert programs.find("tool") is None
    assert programs.find("tool", scripts=True) == command
    assert programs.find("tool.CMD", scripts=True) is None  # here files' names have a case
    assert programs.find("tool.cmd", scripts=True) == command
    executable = program(bins / "tool.exe")
    assert programs.find("tool") == programs.find("tool", scripts=True) == programs.find("tool.exe") == executable


def test_nothing_that_keyvault_starts_is_the_working_folders(bins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    started: list[str] = []
    key: Any = SimpleNamespace(ref="github/default", variables=())
    monkeypatch.setattr(subprocess, "run", lambda words, **_: started.append(words[0]))
    git.program.cache_clear()
    try:
        assert git.program() is None
    finally:
        git.program.cache_clear()
    with pytest.raises(Exception, match="pass is not installed"):
        stores._run_pass("entry")
    with pytest.raises(Exception, match="PowerShell"):
        startup_lines._powershell_profile("/config")
    assert hooks.run_hooks((("gh", "secret"),), key, Secret("value")) == ["the hook gh was not found"]
    assert started == []
