"""What `hook` prints: the code for a start-up file, and the plan that this code asks for where the project changed.

The code lies in the folder `hooks`, a file a shell. A plan is in the shell's own language: three lists, of names, of values
and of what to tell the person. The shell itself compares it with what it has loaded, and keeps what was there before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from keyvault.core.errors import InvalidInput, NotCarried
from keyvault.environment import installed
from keyvault.formats import load
from keyvault.formats.base import Format, refusal

# shell -> (file in the folder, format of its words)
_SHELLS = {
    "bash": ("bash.sh", "bash"),
    "zsh": ("zsh.sh", "zsh"),
    "fish": ("hook.fish", "fish"),
    "nu": ("hook.nu", "nu"),
    "powershell": ("hook.ps1", "powershell"),
}
SHELLS = tuple(_SHELLS)
_OWN = ("_kv_", "_keyvault_")  # variables of the code itself


def script(shell: str) -> str:
    """The code for the start-up file of one shell. Raises InvalidInput."""
    name, _ = _known(shell)
    with open(os.path.join(os.path.dirname(__file__), "hooks", name), encoding="ascii") as file:
        code = file.read()
    return code.replace("@KEYVAULT@", " ".join(readable(word, shell) for word in installed.fastest_call()))


def readable(word: str, shell: str) -> str:
    """`word` quoted for a shell, or for R, so that people can read it where it is an ordinary path."""
    if word.isascii() and word.isprintable() and not set(word) & set("'\"\\"):
        return f'"{word}"' if shell in ("nu", "r") else f"'{word}'"
    return load(shell).word(word)


def plan(shell: str, pairs: Sequence[tuple[str, str]], notes: Sequence[str]) -> str:
    """Three lists for the shell: names, values, notes. What the shell cannot carry is a note. Raises InvalidInput."""
    _, format_name = _known(shell)
    form = load(format_name)
    carried, told = [], list(notes)
    for variable, value in pairs:
        reason = _refused(form, variable, value)
        if reason:
            told.append(f"keyvault: warning: {variable} is left out: {reason}")
        else:
            carried.append((variable, value))
    lists = ("names", [name for name, _ in carried]), ("values", [value for _, value in carried]), ("notes", told)
    if shell == "nu":
        import json

        return json.dumps(dict(lists)) + "\n"
    write = {"fish": _fish_list, "powershell": _powershell_list}.get(shell, _array)
    return "".join(write(name, [form.word(value) for value in values]) for name, values in lists)


def _known(shell: str) -> tuple[str, str]:
    if shell not in _SHELLS:
        raise InvalidInput("no hook for that shell", "known: " + ", ".join(SHELLS))
    return _SHELLS[shell]


def _refused(form: Format, variable: str, value: str) -> str:
    """Why the shell cannot have this variable, or an empty string."""
    if variable.startswith(_OWN):
        return "the hook itself uses such names; choose another --env name"
    try:
        form.assign(variable, value)
    except NotCarried as exc:
        return refusal(variable, exc).reason
    return ""


def _array(name: str, words: list[str]) -> str:
    return f"_kv_{name}=({' '.join(words)});\n"


def _fish_list(name: str, words: list[str]) -> str:
    return " ".join([f"set _kv_{name}", *words]) + ";\n"


def _powershell_list(name: str, words: list[str]) -> str:
    return f"$kv{name.capitalize()} = @({', '.join(words)});\n"
