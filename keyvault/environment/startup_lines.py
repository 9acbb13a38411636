"""What `shell install` writes, and into which file: the hook, or a line that evaluates `env`. Never a key."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from keyvault.core import programs, settings
from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.usual_places import config_base
from keyvault.environment import hook
from keyvault.environment.hook import readable

SHELLS = ("bash", "zsh", "fish", "powershell", "nu", "r")


class Place(NamedTuple):
    """A start-up file. `own`: nobody but keyvault has anything to write there, so an empty one can go."""

    path: str
    own: bool = False


def place(shell: str) -> Place:
    """The start-up file of one shell. Raises InvalidInput."""
    home = os.path.expanduser("~")
    config = config_base()
    if shell == "bash":  # a terminal of macOS opens login shells, which do not read .bashrc
        return Place(os.path.join(home, ".bash_profile" if sys.platform == "darwin" else ".bashrc"))
    if shell == "zsh":
        return Place(os.path.join(settings.variable("ZDOTDIR") or home, ".zshrc"))
    if shell == "fish":
        return Place(os.path.join(config, "fish", "conf.d", "keyvault.fish"), own=True)
    if shell == "r":
        return Place(settings.variable("R_PROFILE_USER") or os.path.join(home, ".Rprofile"))
    if shell == "nu":
        if not settings.variable("XDG_CONFIG_HOME"):
            config = _application_folder(home, config)
        return Place(os.path.join(config, "nushell", "autoload", "keyvault.nu"), own=True)
    if shell == "powershell":
        return Place(_powershell_profile(config))
    raise InvalidInput("no start-up file is known for that shell", "known: " + ", ".join(SHELLS))


def _application_folder(home: str, config: str) -> str:
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    return settings.variable("APPDATA") or config if sys.platform == "win32" else config


def _powershell_profile(config: str) -> str:
    """`$PROFILE`, about_Profiles. On Windows the documents may lie anywhere, so PowerShell itself is asked."""
    if sys.platform != "win32":
        return os.path.join(config, "powershell", "Microsoft.PowerShell_profile.ps1")
    import subprocess

    for program in filter(None, map(programs.find, ("pwsh", "powershell"))):
        try:
            done = subprocess.run(
                [
                    program,
                    "-NoProfile",
                    "-NonInteractive",
                    "-Command",
                    "[Console]::OutputEncoding=[Text.Encoding]::UTF8; $PROFILE",
                ],
                capture_output=True,
                timeout=30,
                check=True,
                stdin=subprocess.DEVNULL,
            )
            if profile := done.stdout.decode("utf-8-sig").strip():
                return profile
        except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
            continue
    raise NotFound("PowerShell does not answer", "put the line into $PROFILE by hand: keyvault hook powershell --help")


def lines(shell: str, command: str, *, at_start: bool) -> str:
    """The block's content. `at_start`: the keys at every start, instead of a project's by the hook. Raises InvalidInput."""
    if "\n" in command or "\r" in command:
        raise InvalidInput("the path of keyvault holds a line break", "install it somewhere else")
    if shell == "nu":  # it evaluates no text at run time, so the code itself has to stand there
        program = f"^{readable(command, shell)}"
        line = f"try {{ {program} env --format json --no-input | from json | load-env }}\n"
        return line if at_start else hook.script(shell)
    program = readable(command, shell)
    call = f"{program} env --format {shell} --no-input" if at_start else f"{program} hook {shell}"
    if shell in ("bash", "zsh"):
        return f'if [[ $- == *i* && -x {program} ]]; then eval "$({call})"; fi\n'
    if shell == "fish":
        return f"if status is-interactive; and test -x {program}\n    {call} | source\nend\n"
    if shell == "powershell":
        return f"if (Test-Path -LiteralPath {program}) {{ & {call} | Out-String | Invoke-Expression }}\n"
    if shell == "r":
        return _R.format(program=program)
    raise InvalidInput("no start-up file is known for that shell", "known: " + ", ".join(SHELLS))


# keyvault itself says what went wrong; R starts all the same.
_R = """local({{
  keyvault <- {program}
  if (file.exists(keyvault)) {{
    code <- suppressWarnings(system2(keyvault, c("env", "--format", "r", "--no-input"), stdout = TRUE))
    try(eval(parse(text = code, keep.source = FALSE), globalenv()), silent = TRUE)
  }}
}})
"""
