from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyvault.environment.shell import detect_shell, format_of, nearest

if TYPE_CHECKING:
    from conftest import Programs

_ASK = f"'{sys.executable}' -c 'from keyvault.environment.shell import detect_shell; print(detect_shell())'"
# program -> options before -c, and the format
SHELLS = {
    "bash": ([], "bash"),
    "dash": ([], "sh"),
    "zsh": (["-f"], "zsh"),
    "ksh93": ([], "ksh"),
    "fish": (["--no-config"], "fish"),
    "tcsh": (["-f"], "csh"),
    "nu": (["--no-config-file"], "nu"),
}


def _ask(words: list[str]) -> str:
    done = subprocess.run(words, capture_output=True, timeout=60, check=True, cwd=os.path.dirname(os.path.dirname(__file__)))
    return done.stdout.decode().strip().splitlines()[-1]


@pytest.mark.parametrize("name", SHELLS)
def test_the_calling_shell_is_found(programs: Programs, name: str) -> None:
    options, form = SHELLS[name]
    command = f"^{_ASK}" if name == "nu" else _ASK
    assert _ask([programs[name], *options, "-c", f"{command}; true" if name != "nu" else command]) == form


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "tcsh"])
def test_launchers_between_are_walked_past(programs: Programs, name: str) -> None:
    options, form = SHELLS[name]
    launcher = (
        f"env -u NOTHING '{sys.executable}' -c 'import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))' nice {_ASK}"
    )
    assert _ask([programs[name], *options, "-c", f"{launcher}; true"]) == form


def test_a_shell_within_a_substitution_is_found(programs: Programs) -> None:
    assert _ask([programs["zsh"], "-f", "-c", f"a=$({_ASK}; true); echo $a"]) == "zsh"
    assert _ask([programs["fish"], "--no-config", "-c", f"set a ({_ASK}); echo $a"]) == "fish"


def test_the_nearest_of_nested_shells_counts(programs: Programs) -> None:
    assert _ask([programs["fish"], "--no-config", "-c", f'{programs["dash"]} -c "{_ASK}; true"; true']) == "sh"


def test_a_script_is_known_by_its_interpreter_and_not_by_its_name(tmp_path: os.PathLike[str], programs: Programs) -> None:
    path = os.path.join(os.fspath(tmp_path), "fish")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"#!{programs['bash']}\n{_ASK}\ntrue\n")
    os.chmod(path, 0o755)
    assert _ask([programs["dash"], "-c", f"{path}; true"]) == "bash"


@pytest.mark.parametrize(
    ("program", "form"),
    [
        ("-bash", "bash"),
        ("/bin/zsh-5.9", "zsh"),
        ("/usr/bin/ksh93", "ksh"),
        ("/usr/bin/bash (deleted)", "bash"),
        ("/usr/bin/mksh", "sh"),
        ("/opt/microsoft/powershell/7/pwsh", "powershell"),
        ("powershell.exe", "powershell"),
        ("/usr/bin/bsd-csh", "csh"),
        ("/usr/bin/python3.11", ""),
        ("/usr/bin/ssh", ""),
        ("sshd: root@pts/0", ""),
        ("", ""),
    ],
)
def test_programs_by_path_and_name(program: str, form: str) -> None:
    assert format_of(program) == form


def test_a_chain_that_ends_or_never_ends_means_sh() -> None:
    assert nearest({5: ("python", 4), 4: ("init", 0)}.get, 5) == "sh"
    assert nearest(lambda _: None, 5) == "sh"
    assert nearest(lambda pid: ("python", pid), 5) == "sh"


def test_windows_means_powershell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert detect_shell() == "powershell"


def test_without_proc_ps_is_asked(programs: Programs) -> None:
    asked = f"""'{sys.executable}' -c 'import os
from keyvault.environment import shell
real = os.path.exists
os.path.exists = lambda path: False if path.startswith("/proc") else real(path)
print(shell.detect_shell())'"""
    assert _ask([programs["zsh"], "-f", "-c", f"{asked}; true"]) == "zsh"
