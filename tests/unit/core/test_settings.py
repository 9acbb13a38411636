from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs
import platformdirs.windows
import pytest

from keyvault.cli import guided
from keyvault.core import settings


@pytest.mark.parametrize(
    ("home", "state", "wanted"),
    [
        ("/stick/vault", "", "/xdg/state/keyvault"),
        ("/stick/vault", "/stick/vault/state", "/xdg/state/keyvault"),
        ("/stick/vault", "/elsewhere/state", "/elsewhere/state"),
        ("", "", "/xdg/state/keyvault"),
    ],
)
def test_what_can_be_made_anew_never_lies_beside_the_vault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: str, state: str, wanted: str
) -> None:
    for name, value in {"KEYVAULT_HOME": home, "KEYVAULT_STATE": state, "XDG_STATE_HOME": "/xdg/state"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings.cache_folder(settings.load()) == wanted


NAMES = ("KEYVAULT_HOME", "KEYVAULT_STATE", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")


def folders(monkeypatch: pytest.MonkeyPatch, platform: str, **variables: str) -> list[str]:
    """Vault, state and settings of a person whose home is /home/me."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    loaded = settings.load()
    assert not loaded.state_beside_vault
    assert settings.cache_folder(loaded) == loaded.state
    return [loaded.home, loaded.state, settings.config_folder()]


@pytest.mark.parametrize(
    ("platform", "data", "state", "config"),
    [
        ("linux", ".local/share", ".local/state", ".config"),
        ("freebsd14", ".local/share", ".local/state", ".config"),
        ("darwin", "Library/Application Support", ".local/state", "Library/Application Support"),
    ],
)
def test_each_system_has_its_usual_folders_and_variables_move_them(
    monkeypatch: pytest.MonkeyPatch, platform: str, data: str, state: str, config: str
) -> None:
    assert folders(monkeypatch, platform) == [f"/home/me/{below}/keyvault" for below in (data, state, config)]
    moved = {"XDG_DATA_HOME": "/d", "XDG_STATE_HOME": " /s ", "XDG_CONFIG_HOME": "/c"}
    assert folders(monkeypatch, platform, **moved) == ["/d/keyvault", "/s/keyvault", "/c/keyvault"]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_the_key_file_that_init_proposes_is_not_beside_the_vault(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    home = folders(monkeypatch, platform)[0]
    monkeypatch.setattr(guided.terminal, "ask", lambda _: "")
    monkeypatch.setattr(guided.terminal, "say", lambda _: None)
    assert guided._path() == "/home/me/.config/keyvault/key"
    assert not guided._path().startswith(home + os.sep)


def test_the_native_client_and_the_python_one_look_for_a_macs_vault_where_it_is() -> None:
    agent = os.path.join(os.path.dirname(os.path.dirname(settings.__file__)), "agent")
    for path in (("client.py",), ("native", "client.c")):
        with open(os.path.join(agent, *path), encoding="utf-8") as file:
            assert f'"/{settings._APPLICATIONS}"' in file.read()


def test_windows_keeps_vault_state_and_settings_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # platformdirs' own class for Windows, told by variables what it would ask the system there
    monkeypatch.setattr(platformdirs, "PlatformDirs", platformdirs.windows.Windows)
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", platformdirs.windows.get_win_folder_from_env_vars)
    local, roaming = "/C/Users/me/AppData/Local", "/C/Users/me/AppData/Roaming"
    found = folders(monkeypatch, "win32", LOCALAPPDATA=local, APPDATA=roaming)
    assert found == [f"{local}/keyvault", f"{local}/keyvault-state", f"{roaming}/keyvault"]
