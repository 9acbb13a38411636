"""`run`, and where things are installed and start, as on Windows and a Mac. The code of these systems, run on this one."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from keyvault.core.errors import NotFound
from keyvault.environment import installed, run, startup_lines
from keyvault.environment.become import RunFailed

KEY = "sk-canary-0123456789"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as it is loaded on Windows; the functions that it calls are this system's."""
    spec = importlib.util.spec_from_file_location("run_on_windows", run.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "platform", "win32")
        spec.loader.exec_module(module)
    before = signal.getsignal(signal.SIGINT)
    yield module
    signal.signal(signal.SIGINT, before)


def start(module: ModuleType, code: str, *redact: str) -> int:
    environment = {**os.environ, "KEY": KEY, "Path": os.environ["PATH"]}
    del environment["PATH"]  # as Windows spells it
    return int(module._run_on_windows([os.path.basename(sys.executable), "-c", code], environment, list(redact)))


@pytest.fixture(autouse=True)
def our_python_is_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"])


@pytest.mark.parametrize("redact", [(), (KEY,)])
def test_the_exit_code_is_the_commands(windows: ModuleType, redact: tuple[str, ...]) -> None:
    assert start(windows, "raise SystemExit(7)", *redact) == 7


def test_both_streams_are_masked_whole_and_in_full(windows: ModuleType, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    code = "import os, sys; k = os.environ['KEY']; os.write(2, b'e ' + k.encode()); os.write(1, (k + 'x' * 9).encode() * 9000)"
    assert start(windows, code, KEY) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"***xxxxxxxxx" * 9000
    assert err == b"e ***"


def test_a_command_that_is_not_there_or_cannot_be_given_its_variables_is_told(windows: ModuleType) -> None:
    with pytest.raises(RunFailed) as refused:
        windows._run_on_windows(["no-such-program"], {"PATH": "/usr/bin"}, [])
    assert refused.value.status == 127
    with pytest.raises(RunFailed) as refused:
        windows._run_on_windows(["sh"], {"PATH": "/usr/bin:/bin", "A": f"{KEY}\0"}, [])
    assert KEY not in str(refused.value)
    assert refused.value.__cause__ is None


def drive(code: str, **streams: object) -> subprocess.Popen[bytes]:
    """A process of its own that runs a command as Windows does, with the key masked."""
    driver = (
        "import importlib.util, os, sys\n"
        "spec = importlib.util.spec_from_file_location('w', sys.argv[1])\n"
        "w = importlib.util.module_from_spec(spec)\n"
        "sys.platform = 'win32'\n"
        "spec.loader.exec_module(w)\n"
        "sys.platform = 'linux'\n"
        "try:\n"
        "    code = w._run_on_windows([sys.executable, '-c', sys.argv[2]], dict(os.environ), [sys.argv[3]])\n"
        "except w.RunFailed as exc:\n"
        "    print('failed:', exc.message, file=sys.stderr)\n"
        "    code = 125\n"
        "os._exit(code)\n"
    )
    words = [sys.executable, "-c", driver, run.__file__, code, KEY]
    return subprocess.Popen(words, stderr=subprocess.PIPE, **streams)  # type: ignore[call-overload, no-any-return]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_output_that_cannot_be_written_is_told_and_keeps_nobody_waiting() -> None:
    with open("/dev/full", "wb") as full, drive("import os\nwhile True: os.write(1, b'x' * 4096)", stdout=full) as process:
        _, err = process.communicate(timeout=30)
    assert b"the command's output is not complete: no space left on device" in err
    assert b"Exception in thread" not in err


def test_a_reader_that_goes_away_is_no_fault() -> None:
    with drive("import os\nfor _ in range(10**6): os.write(1, b'y\\n')", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=30)
    assert b"not complete" not in err
    assert b"Exception in thread" not in err


def test_a_slow_reader_gets_all_of_it() -> None:
    # more than our buffer and the pipe before it hold, so that the command has ended while it is read
    with drive("import os; os.write(1, b'x' * 180_000)", stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        import time

        received = b""
        while data := os.read(process.stdout.fileno(), 40_000):
            received += data
            time.sleep(0.7)
        assert received == b"x" * 180_000


def test_what_the_command_leaves_behind_does_not_keep_us() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(6)']); print('done')"
    with drive(code, stdout=subprocess.PIPE) as process:
        assert process.wait(timeout=5) == 0
        process.terminate()


# --- where it is installed


@pytest.mark.parametrize("word", ["keyvault", "keyvault.exe", "keyvault-python", "keyvault-python.exe"])
def test_the_command_of_windows_is_known_with_and_without_its_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    # pip's launcher gives the script its own path, and the script takes .exe off it before it calls us
    scripts = tmp_path / "Scripts"
    scripts.mkdir()
    (scripts / "keyvault.exe").write_bytes(b"MZ")
    (scripts / "keyvault.exe").chmod(0o755)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(installed, "_END", ".exe")
    monkeypatch.setattr(sys, "argv", [str(scripts / word), "env"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python.exe"))
    assert installed.command() == str(scripts / "keyvault.exe")
    executable, option, script = installed.fastest_call()
    assert (executable, option, os.path.basename(script)) == (sys.executable, "-I", "__main__.py")


# --- start-up files


def places(monkeypatch: pytest.MonkeyPatch, platform: str, **variables: str) -> dict[str, str]:
    for name in ("XDG_CONFIG_HOME", "ZDOTDIR", "R_PROFILE_USER", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    return {shell: startup_lines.place(shell).path for shell in ("bash", "zsh", "fish", "nu", "r")}


def test_start_up_files_lie_where_each_system_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {"zsh": "/home/me/.zshrc", "fish": "/home/me/.config/fish/conf.d/keyvault.fish", "r": "/home/me/.Rprofile"}
    nu = "nushell/autoload/keyvault.nu"
    assert places(monkeypatch, "linux") == usual | {"bash": "/home/me/.bashrc", "nu": f"/home/me/.config/{nu}"}
    # Terminal.app opens login shells; nushell's documentation of $nu.default-config-dir
    mac = {"bash": "/home/me/.bash_profile", "nu": f"/home/me/Library/Application Support/{nu}"}
    assert places(monkeypatch, "darwin") == usual | mac
    windows = {"bash": "/home/me/.bashrc", "nu": f"/C/Roaming/{nu}"}
    assert places(monkeypatch, "win32", APPDATA="/C/Roaming") == usual | windows
    assert places(monkeypatch, "darwin", XDG_CONFIG_HOME="/c")["nu"] == f"/c/{nu}"


def test_powershells_profile_is_by_the_rules_and_on_windows_by_powershell_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for platform in ("linux", "darwin"):
        places(monkeypatch, platform)
        assert startup_lines.place("powershell").path == "/home/me/.config/powershell/Microsoft.PowerShell_profile.ps1"
    places(monkeypatch, "win32")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound):
        startup_lines.place("powershell")
    profile = "/C/Users/mé/OneDrive/文档/PowerShell/Microsoft.PowerShell_profile.ps1"
    for name, said in (("pwsh", b"\xff\xfe not UTF-8"), ("powershell", b"\xef\xbb\xbf" + profile.encode() + b"\r\n")):
        (tmp_path / f"{name}.out").write_bytes(said)
        (tmp_path / f"{name}.exe").write_text(
            f"#!/bin/sh\nwhile read -r line; do :; done\nexec /bin/cat '{tmp_path}/{name}.out'\n"
        )
        (tmp_path / f"{name}.exe").chmod(0o755)
    assert startup_lines.place("powershell").path == profile
