from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from keyvault.core.errors import NotFound
from keyvault.environment import installed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the commands end in .exe there")
_SCRIPT = b"#!/usr/bin/python3\n"


def put(folder: Path, **commands: bytes) -> str:
    """A folder of commands; the path of `keyvault` in it."""
    folder.mkdir()
    for name, content in commands.items():
        path = folder / name.replace("_", "-")
        path.write_bytes(content)
        path.chmod(0o755)
    return str(folder / "keyvault")


@pytest.fixture(autouse=True)
def empty_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python" / "python3"))


def typed(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(sys, "argv", [word, "hook", "zsh"])


@pytest.mark.parametrize("magic", [b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"])
@pytest.mark.parametrize("end", ["", "-python"])
def test_the_native_client_is_called_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: bytes, end: str
) -> None:
    path = put(tmp_path / "bin", keyvault=magic + b"...", keyvault_python=_SCRIPT)
    typed(monkeypatch, path + end)
    assert installed.fastest_call() == [path]
    assert installed.command() == path


def test_a_script_is_not_called_and_a_native_program_without_python_beside_it_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, commands in (("a", {"keyvault": _SCRIPT, "keyvault_python": _SCRIPT}), ("b", {"keyvault": b"\x7fELF"})):
        path = put(tmp_path / folder, **commands)
        typed(monkeypatch, path)
        assert installed.command() == path
        executable, *options, script = installed.fastest_call()
        assert (executable, options, os.path.basename(script)) == (sys.executable, ["-I", "-S", "-E"], "call.py")
        assert os.path.isfile(script)


def test_the_command_beside_this_python_is_meant_where_another_one_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "other", keyvault=b"\x7fELF", keyvault_python=_SCRIPT)
    path = put(tmp_path / "python", keyvault=b"\x7fELF", keyvault_python=_SCRIPT)
    for word in ("keyvault", str(tmp_path / "other" / "something"), "/package/keyvault/__main__.py"):
        typed(monkeypatch, word)
        assert installed.fastest_call() == [path]


def test_what_a_user_installed_for_a_shared_python_is_not_looked_for_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import site

    put(tmp_path / "python", keyvault=b"\x7fELF", keyvault_python=_SCRIPT)
    monkeypatch.setattr(site, "USER_SITE", os.path.dirname(os.path.dirname(os.path.dirname(installed.__file__))))
    typed(monkeypatch, "/package/keyvault/__main__.py")
    assert installed.fastest_call()[0] == sys.executable
    with pytest.raises(NotFound):
        installed.command()
