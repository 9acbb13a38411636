from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import tree_sitter_powershell
from hard_values import NASTY, named
from tree_sitter import Language, Node, Parser

from keyvault.core.errors import InvalidInput
from keyvault.environment import hook, startup_lines

if TYPE_CHECKING:
    from conftest import Programs

_POWERSHELL = Parser(Language(tree_sitter_powershell.language()))
_SHOW = {
    "bash": 'printf "%s\\0" "${#_kv_names[@]}" "${_kv_names[@]}" "${_kv_values[@]}" "${_kv_notes[@]}"',
    "zsh": 'printf "%s\\0" "${#_kv_names[@]}" "${_kv_names[@]}" "${_kv_values[@]}" "${_kv_notes[@]}"',
    "fish": "printf '%s\\0' (count $_kv_names) $_kv_names $_kv_values $_kv_notes",
}


@pytest.mark.parametrize("shell", _SHOW)
def test_a_plan_arrives_byte_for_byte(programs: Programs, tmp_path: os.PathLike[str], shell: str) -> None:
    plan = os.path.join(tmp_path, "plan")
    with open(plan, "w", encoding="ascii") as file:
        file.write(hook.plan(shell, named(NASTY), ["a note 'of' $HOME", "é"]))
    script = f"eval (cat {plan})" if shell == "fish" else f'eval "$(cat {plan})"'
    words = {"bash": "--norc", "zsh": "-f", "fish": "--no-config"}
    done = subprocess.run(
        [programs[shell], words[shell], "-c", f"{script}\n{_SHOW[shell]}"],
        capture_output=True,
        check=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "HOME": os.fspath(tmp_path), "LC_ALL": "C.UTF-8"},
    )
    names = [name for name, _ in named(NASTY)]
    expected = [str(len(NASTY)), *names, *NASTY, "a note 'of' $HOME", "é", ""]
    assert done.stdout.split(b"\0") == [text.encode() for text in expected]
    assert done.stderr == b""


def test_a_plan_for_nushell_is_json() -> None:
    assert json.loads(hook.plan("nu", named(NASTY), ["é"])) == {
        "names": [name for name, _ in named(NASTY)],
        "values": NASTY,
        "notes": ["é"],
    }


def _faults(node: Node) -> list[Node]:
    own = [node] if node.type == "ERROR" or node.is_missing else []
    return own + [fault for child in node.children for fault in _faults(child)]


def test_what_powershell_gets_is_powershell() -> None:
    plan = hook.plan("powershell", named(value for value in NASTY if value), ["a 'note'", "‘é’"])
    for text in (hook.script("powershell"), plan, startup_lines.lines("powershell", "/a 'b/keyvault", at_start=True)):
        assert text.isascii()
        assert _faults(_POWERSHELL.parse(text.encode()).root_node) == []
    assert plan.count("\n") == 3


def test_what_a_shell_cannot_carry_is_a_note() -> None:
    plan = hook.plan("bash", [("A", "a\0b"), ("UID", "1"), ("_kv_names", "x"), ("B", "b")], [])
    assert plan.startswith("_kv_names=($'B');\n_kv_values=($'b');\n")
    assert all(name in plan for name in ("A\\040is\\040left", "UID\\040is\\040left", "kv_names"))
    assert "$'a\\000b'" not in plan


@pytest.mark.parametrize("shell", hook.SHELLS)
def test_the_code_names_this_very_installation_and_no_command_of_the_path(shell: str) -> None:
    code = hook.script(shell)
    assert "@KEYVAULT@" not in code
    assert os.path.dirname(sys.executable) in code
    assert code.isascii()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    "path", ["/a b/keyvault", "/it's/keyvault", "/$(id)/`id`/keyvault", "/é 中/keyvault", "/a\\b/keyvault"]
)
def test_paths_of_any_characters_survive(programs: Programs, tmp_path: os.PathLike[str], shell: str, path: str) -> None:
    script = f"printf %s {hook.readable(path, shell)}"
    done = subprocess.run(
        [programs[shell], "-c", script],
        capture_output=True,
        check=True,
        timeout=60,
        env={"LC_ALL": "C.UTF-8", "HOME": os.fspath(tmp_path)},
    )
    assert done.stdout == path.encode()


def test_shells_without_a_hook_are_refused() -> None:
    with pytest.raises(InvalidInput):
        hook.script("csh")
    with pytest.raises(InvalidInput):
        startup_lines.place("csh")
    with pytest.raises(InvalidInput):
        startup_lines.lines("bash", "/a\nb/keyvault", at_start=False)
