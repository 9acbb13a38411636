"""Clocks, the process's own protection and the usual places, as on Windows and a Mac."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keyvault.agent import lifetime
from keyvault.audit.leaks import home
from keyvault.core import clock, harden, usual_places
from keyvault.vault import anchor


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_where_no_clock_tells_of_the_machines_run_none_is_made_up(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert clock.uptime() == ("", 0)


def test_the_clock_of_the_agents_limits_goes_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    before = lifetime.with_sleep()
    assert 0 < before <= lifetime.with_sleep()


def test_windows_has_nothing_to_harden_and_a_mac_has_core_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_CORE)
    monkeypatch.setattr(sys, "platform", "win32")
    harden.harden_process()
    harden.restore_limits()
    assert resource.getrlimit(resource.RLIMIT_CORE) == limits
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(harden, "_libc", lambda: pytest.fail("prctl is Linux's"))
    try:
        harden.harden_process()
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, limits[1])
    finally:
        harden.restore_limits()
    assert resource.getrlimit(resource.RLIMIT_CORE) == limits


def test_the_machine_has_a_name_for_people_on_windows_too(monkeypatch: pytest.MonkeyPatch) -> None:
    here = anchor.host_name()
    monkeypatch.setattr(sys, "platform", "win32")
    assert anchor.host_name() == here != ""


@pytest.mark.parametrize(
    ("platform", "there", "elsewhere"),
    [
        ("linux", ".config/Code/User/mcp.json", "AppData"),
        ("darwin", "Library/Application Support/Claude/claude_desktop_config.json", "AppData"),
        ("win32", "AppData/Roaming/Code/User/mcp.json", "Library"),
    ],
)
def test_keys_are_looked_for_where_a_system_keeps_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, there: str, elsewhere: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "HF_HOME", "HISTFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    for found in (usual_places.home_files(), home.places()):
        below = [os.path.relpath(path, tmp_path) for path in found]
        assert there in below
        assert not any(path.startswith(elsewhere) for path in below)
    editors = [path for path in home.places() if path.endswith(os.path.join("Cursor", "User", "History"))]
    roots = {"linux": ".config", "darwin": "Library/Application Support", "win32": "AppData/Roaming"}
    assert editors == [str(tmp_path / roots[platform] / "Cursor" / "User" / "History")]
