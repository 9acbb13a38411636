"""Which shell called us? For `--format auto`."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = {
    "sh": "sh",
    "dash": "sh",
    "ash": "sh",
    "busybox": "sh",
    "posh": "sh",
    "yash": "sh",
    "mksh": "sh",  # and its kin: like sh for certain, like ksh93 not quite
    "lksh": "sh",
    "oksh": "sh",
    "bash": "bash",
    "rbash": "bash",
    "zsh": "zsh",
    "ksh": "ksh",
    "rksh": "ksh",
    "fish": "fish",
    "pwsh": "powershell",
    "powershell": "powershell",
    "nu": "nu",
    "csh": "csh",
    "tcsh": "csh",
    "bsd-csh": "csh",
}
_LONGEST_CHAIN = 64


def loading(format_name: str) -> str:
    """What a person types to set the variables in a shell of that format."""
    calls = {
        "fish": "keyvault env | source",
        "powershell": "keyvault env | Out-String | Invoke-Expression",
        "csh": "eval `keyvault env`",
        "nu": "keyvault env --format json | from json | load-env",
    }
    return calls.get(format_name, 'eval "$(keyvault env)"')


def detect_shell(pid: int | None = None) -> str:
    """The format for the nearest shell among this process's ancestors, or from process `pid` upwards.

    Whatever is not a shell (python, uv, pipx, sudo, env, make, a terminal) is walked past; `sh -c` counts, for it is the
    one to evaluate what it runs. Falls back to sh, and on Windows says powershell.
    """
    if sys.platform == "win32":
        return "powershell"
    return nearest(_from_proc if os.path.exists("/proc/self/stat") else _from_ps(), pid or os.getppid())


def nearest(look_up: Callable[[int], tuple[str, int] | None], pid: int) -> str:
    """The format for the first shell from process `pid` upwards; `look_up` gives a process's program and parent."""
    for _ in range(_LONGEST_CHAIN):
        found = look_up(pid)
        if found is None:
            break
        known = format_of(found[0])
        if known:
            return known
        pid = found[1]
    return "sh"


def format_of(program: str) -> str:
    """The format for a program's path or name (`-bash`, `/usr/bin/zsh-5.9`), or an empty string."""
    name = program.rpartition("/")[2].removesuffix(" (deleted)").lstrip("-").lower()
    return _FORMATS.get(name) or _FORMATS.get(name.removesuffix(".exe").rstrip("0123456789.-")) or ""


def _from_proc(pid: int) -> tuple[str, int] | None:
    """Linux. The program's file, not the process's name: a script has its own name there. For others' processes, the name."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            stat = file.read()
    except OSError:
        return None
    name, rest = stat[stat.index("(") + 1 : stat.rindex(")")], stat[stat.rindex(")") + 2 :]
    with suppress(OSError):
        name = os.readlink(f"/proc/{pid}/exe")
    return name, int(rest.split()[1])


def _from_ps() -> Callable[[int], tuple[str, int] | None]:
    """macOS and the BSDs: one call of ps."""
    import subprocess

    try:
        done = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid=,comm="], capture_output=True, timeout=5, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return lambda _pid: None
    table: dict[int, tuple[str, int]] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdigit() and fields[1].isdigit():
            table[int(fields[0])] = (fields[2].strip(), int(fields[1]))
    return table.get
