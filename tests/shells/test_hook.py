from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from people import AskingHome, text_of, write
from prompts import Shell
from vaults import VaultHome, add_key

from keyvault.environment import hook, project
from keyvault.environment.trust import Trust

if TYPE_CHECKING:
    from conftest import Programs

Start = Callable[..., Shell]
HARD = 'it\'s "hard"\n$(id) `id` \\ é 中 🎉\ttab\n\n'
OUTER = 'A_KEY = "outer/a"\nB_KEY = "outer/b"\n'
SHELLS = ("bash", "zsh", "fish")
ALL = (*SHELLS, "nu")


def declare(folder: str, lines: str, home: VaultHome | None = None) -> str:
    """Write a project's file, and allow it if `home` is given."""
    os.makedirs(folder, exist_ok=True)
    path = write(os.path.join(folder, ".keyvault.toml"), "[env]\n" + lines, 0o644)
    if home:
        Trust(home.state).allow(project.parse(os.path.realpath(path), project.load_bytes(path)))
    return folder


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> VaultHome:
    made = VaultHome(os.fspath(tmp_path))
    vault = made.create()
    for ref, value in (("outer/a", "sk-outer-a"), ("outer/b", HARD), ("inner/a", "sk-inner-a"), ("inner/c", "sk-inner-c")):
        add_key(vault, ref, value)
    return made


@pytest.fixture
def outer(home: VaultHome) -> str:
    return declare(os.path.join(home.folder, "my outer"), OUTER, home)


@pytest.fixture
def inner(home: VaultHome, outer: str) -> str:
    return declare(os.path.join(outer, "x", "inner"), 'A_KEY = "inner/a"\nC_KEY = "inner/c"\n', home)


@pytest.fixture
def start(home: VaultHome, programs: Programs) -> Iterator[Start]:
    opened: list[Shell] = []

    def begin(name: str, owner: VaultHome = home, **how: Any) -> Shell:
        opened.append(Shell(programs[name], name, owner, **how))
        return opened[-1]

    yield begin
    for shell in opened:
        shell.close()


def values(shell: Shell) -> tuple[str | None, ...]:
    return tuple(shell.has("A_KEY", "B_KEY", "C_KEY").values())


@pytest.mark.parametrize("name", ALL)
def test_enter_nest_and_leave(start: Start, home: VaultHome, outer: str, inner: str, name: str) -> None:
    shell = start(name)
    assert values(shell) == (None, None, None)
    assert "keyvault: +2 A_KEY B_KEY\n" in shell.cd(outer)
    assert values(shell) == ("sk-outer-a", HARD, None)
    assert "keyvault:" not in shell.cd(os.path.join(outer, "x"))
    shown = shell.cd(inner)
    assert "keyvault: -1 B_KEY\n" in shown
    assert "keyvault: +2 A_KEY C_KEY\n" in shown
    assert values(shell) == ("sk-inner-a", None, "sk-inner-c")
    assert "keyvault: -1 C_KEY\n" in shell.cd(os.path.join(outer, "x"))
    assert values(shell) == ("sk-outer-a", HARD, None)
    assert "keyvault: -2 A_KEY B_KEY\n" in shell.cd(home.folder)
    assert values(shell) == (None, None, None)
    assert "KEYVAULT_LOADED" not in shell.environment()
    shell.do("cd -")
    assert values(shell) == ("sk-outer-a", HARD, None)
    assert "sk-" not in shell.seen


@pytest.mark.parametrize("name", ALL)
def test_what_was_there_before_comes_back_to_the_byte(start: Start, home: VaultHome, outer: str, name: str) -> None:
    before = (b"" if name == "nu" else b"\xff\xfe") + b" was 'here' \"$x\"\n\xc3\xa9\n\n"
    shell = start(name, env={"A_KEY": before, "B_KEY": ""})
    shell.cd(outer)
    inside = shell.environment()
    assert (inside["A_KEY"], inside["B_KEY"]) == (b"sk-outer-a", HARD.encode())
    assert b"was 'here'" not in b"\n".join(inside.values()), "what is kept for leaving must not reach programs"
    shell.cd("/")
    after = shell.environment()
    assert (after["A_KEY"], after["B_KEY"]) == (before, b"")


@pytest.mark.parametrize(("name", "assign", "show"), [
    ("bash", "A_KEY='my own'", "declare -p A_KEY"),
    ("zsh", "A_KEY='my own'", "typeset -p A_KEY"),
    ("fish", "set -g A_KEY my own", "set --show A_KEY"),
])  # fmt: skip
def test_a_variable_that_was_not_exported_is_not_exported_afterwards(
    start: Start, home: VaultHome, outer: str, name: str, assign: str, show: str
) -> None:
    shell = start(name)
    before, after = (os.path.join(home.folder, when) for when in ("before", "after"))
    shell.do(assign)
    shell.do(f"{show} >{before}")
    shell.cd(outer)
    assert values(shell)[0] == "sk-outer-a"
    shell.cd("/")
    assert values(shell)[0] is None
    shell.do(f"{show} >{after}")
    assert "my" in text_of(before)
    assert text_of(after) == text_of(before)


@pytest.mark.parametrize("name", ALL)
def test_a_value_changed_by_hand_is_left_alone(start: Start, home: VaultHome, outer: str, name: str) -> None:
    shell = start(name)
    shell.cd(outer)
    shell.set("A_KEY", "mine")
    shell.do("keyvault --version")  # looks again, and still leaves it
    assert values(shell)[:2] == ("mine", HARD)
    assert "keyvault: -1 B_KEY\n" in shell.cd("/")
    assert values(shell) == ("mine", None, None)


@pytest.mark.parametrize("name", ALL)
def test_a_project_is_followed_only_as_far_as_it_is_allowed(start: Start, home: VaultHome, outer: str, name: str) -> None:
    shell = start(name)
    shell.cd(outer)
    assert values(shell)[:2] == ("sk-outer-a", HARD)
    declare(outer, OUTER + 'C_KEY = "inner/c"\n')
    shown = shell.do("")
    assert shown.count("refers to more keys than you allowed") == 1
    assert values(shell) == (None, None, None)
    assert "keyvault: +3 A_KEY B_KEY C_KEY\n" in shell.do("keyvault allow")
    assert values(shell) == ("sk-outer-a", HARD, "sk-inner-c")
    declare(outer, 'B_KEY = "outer/b"\n')
    assert "keyvault: -2 A_KEY C_KEY\n" in shell.do("")
    assert values(shell) == (None, HARD, None)
    assert "keyvault: -1 B_KEY\n" in shell.do("keyvault deny")
    assert values(shell) == (None, None, None)
    assert "keyvault:" not in shell.do("") + shell.cd("/") + shell.cd(outer)


@pytest.mark.parametrize("name", ALL)
def test_a_project_nobody_allowed_says_so_once_at_each_entry(start: Start, home: VaultHome, name: str) -> None:
    strange = declare(os.path.join(home.folder, "strange"), OUTER)
    os.makedirs(os.path.join(strange, "sub"))
    shell = start(name)
    shown = shell.cd(strange) + shell.do("") + shell.cd("sub") + shell.do("keyvault --version") + shell.do("")
    assert shown.count("is not allowed yet") == 1
    shown = shell.cd("/") + shell.cd(strange) + shell.do("")
    assert shown.count("is not allowed yet") == 1
    assert values(shell) == (None, None, None)


@pytest.mark.parametrize("name", ALL)
def test_a_locked_vault_says_so_once_and_asks_nothing(
    start: Start, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    asking = AskingHome(str(tmp_path_factory.mktemp("asking")))
    asking.create_asking()
    here = declare(os.path.join(asking.folder, "here"), OUTER, asking)
    there = declare(os.path.join(asking.folder, "there"), OUTER, asking)
    shell = start(name, asking)
    for folder in (here, there, "/", here):
        shell.cd(folder)
        shell.do("")
    assert shell.seen.count("the vault is locked") == 1
    assert "assphrase" not in shell.seen


@pytest.mark.parametrize("name", SHELLS)
def test_a_renamed_folder_is_another_project(start: Start, home: VaultHome, outer: str, name: str) -> None:
    shell = start(name)
    shell.cd(outer)
    os.rename(outer, outer + " 2")
    shown = shell.do("") + shell.do("")
    assert shown.count("is not allowed yet") == 1
    assert values(shell) == (None, None, None)
    os.rename(outer + " 2", outer)
    shell.do("")
    assert values(shell)[0] == "sk-outer-a"


@pytest.mark.parametrize("name", SHELLS)
def test_a_folder_that_is_gone_is_no_project(start: Start, outer: str, name: str) -> None:
    shell = start(name)
    shell.cd(outer)
    os.unlink(os.path.join(outer, ".keyvault.toml"))
    os.rmdir(outer)
    shell.do("")
    assert values(shell) == (None, None, None)


@pytest.mark.parametrize("name", SHELLS)
def test_a_shell_inside_a_shell_takes_back_what_it_inherited(
    start: Start, programs: Programs, outer: str, inner: str, name: str
) -> None:
    shell = start(name)
    shell.cd(outer)
    words = f"--rcfile '{shell.rc}' -i" if name == "bash" else "-i"
    assert "keyvault:" not in shell.do(f"{programs[name]} {words}")
    assert values(shell)[:2] == ("sk-outer-a", HARD)
    assert "keyvault: -2 A_KEY B_KEY\n" in shell.cd("/")
    assert values(shell) == (None, None, None)
    shell.do("exit")
    assert values(shell)[:2] == ("sk-outer-a", HARD)
    shell.do(f"exec {programs[name]} {words}")
    shell.cd(inner)
    assert values(shell) == ("sk-inner-a", None, "sk-inner-c")
    shell.cd("/")
    assert values(shell) == (None, None, None)


@pytest.mark.parametrize("name", ALL)
def test_a_shell_that_starts_elsewhere_gives_up_what_it_inherited(start: Start, home: VaultHome, name: str) -> None:
    shell = start(name, env={"A_KEY": "from a parent", "B_KEY": "own", "KEYVAULT_LOADED": "A_KEY $(id) B-C"})
    assert values(shell) == (None, "own", None)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_read_only_variable_is_left_out(start: Start, outer: str, name: str) -> None:
    shell = start(name)
    shell.do("readonly A_KEY=mine")
    assert "keyvault: +1 B_KEY\n" in shell.cd(outer)
    shell.do("readonly B_KEY")
    shown = shell.cd("/") + shell.do("")
    assert "keyvault: -" not in shown
    assert values(shell) == (None, HARD, None)


def test_shells_do_not_disturb_each_other(start: Start, outer: str, inner: str) -> None:
    first, second = start("bash"), start("zsh")
    first.cd(outer)
    second.cd(inner)
    assert (values(first)[0], values(second)[0]) == ("sk-outer-a", "sk-inner-a")
    first.cd("/")
    assert (values(first)[0], values(second)[0]) == (None, "sk-inner-a")


@pytest.mark.parametrize("name", ALL)
def test_a_profile_is_followed(start: Start, home: VaultHome, name: str) -> None:
    here = declare(os.path.join(home.folder, "p"), 'A_KEY = "outer/a"\n[profile.prod.env]\nA_KEY = "inner/a"\n', home)
    shell = start(name)
    shell.cd(here)
    assert values(shell)[0] == "sk-outer-a"
    shell.set("KEYVAULT_PROFILE", "prod")
    assert values(shell)[0] == "sk-inner-a"


@pytest.mark.parametrize("name", SHELLS)
def test_nothing_is_started_where_nothing_changed(start: Start, home: VaultHome, outer: str, name: str) -> None:
    os.makedirs(os.path.join(home.folder, "no", "project"))
    os.makedirs(os.path.join(outer, "sub"))
    shell = start(name)
    assert shell.quietly("", "", "cd no", "cd project", "cd /", f"cd '{home.folder}'")
    assert not shell.quietly(f"cd '{outer}'")
    assert shell.quietly("", "", "cd sub", "cd ..", "", "cd /", "")


@pytest.mark.parametrize("name", ALL)
def test_hostile_files_do_not_stop_the_prompt(start: Start, home: VaultHome, name: str) -> None:
    for number, make in enumerate([
        os.mkfifo,
        lambda path: os.symlink("/dev/zero", path),
        lambda path: os.symlink("nowhere", path),
        os.mkdir,
        lambda path: write(path, b"\0" * 70_000),
        lambda path: write(path, "[env]\nLD_PRELOAD = 'a'\n"),
        lambda path: write(path, "[env]\nA_KEY = \x1b[31m'"),
    ]):  # fmt: skip
        folder = os.path.join(home.folder, f"hostile{number}")
        os.mkdir(folder)
        make(os.path.join(folder, ".keyvault.toml"))
    shell = start(name)
    for number in range(7):
        shown = shell.cd(os.path.join(home.folder, f"hostile{number}"))
        assert "keyvault: " in shown, number
        assert "\x1b[31m" not in shown
        assert "keyvault: " not in shell.do("")
    assert values(shell) == (None, None, None)


def status_shown(shell: Shell, line: str) -> list[str]:
    return re.findall(r"status=(\d+)", shell.do(line))


def check_that_tracing_shows_no_value(shell: Shell, outer: str) -> None:
    shell.do("set -x")
    shell.do("cd /")
    shell.do(f"cd '{outer}'")
    shell.do("set +x")
    assert "sk-outer" not in shell.seen, "tracing must not show values"
    assert values(shell)[:2] == ("sk-outer-a", HARD)
    assert not [name for name in shell.environment() if name.startswith(("_kv", "_keyvault"))]


@pytest.mark.parametrize(
    "rc",
    [
        "",
        "PROMPT_COMMAND='mine;'",
        "PROMPT_COMMAND='mine; true # note'",
        "PROMPT_COMMAND=(mine 'true')",
        "set -u; set -o posix; shopt -s nocasematch; IFS=x",
        "set -a; set -f; set -o noclobber",
    ],
)
def test_bash_keeps_its_prompt_its_status_and_its_settings(start: Start, outer: str, rc: str) -> None:
    shell = start("bash", rc="mine() { echo \"mine=$?\"; }\nPS1='status=$? > '\n" + rc, after="")
    shell.do("eval \"$(keyvault hook bash)\"; PS1='status=$? > '")
    assert shell.do("declare -p PROMPT_COMMAND").count("_keyvault_hook") == 1
    assert "7" in status_shown(shell, "(exit 7)")
    shown = shell.do(f"cd '{outer}'; (exit 7)")
    assert "+2 A_KEY B_KEY" in shown
    assert "status=7" in shown
    if "mine" in rc:
        assert "mine=7" in shown
    check_that_tracing_shows_no_value(shell, outer)


@pytest.mark.parametrize(
    "rc",
    [
        "",
        "emulate sh",
        "setopt ksh_arrays no_unset err_return all_export glob_subst sh_word_split no_clobber warn_create_global",
        "alias local=false export=false typeset=false; alias -g look=false",
    ],
)
def test_zsh_keeps_its_prompt_its_status_and_its_settings(start: Start, outer: str, rc: str) -> None:
    own = 'mine() { echo "mine=$?" }\nmoved() { echo moved=$PWD }\nprecmd_functions=(mine); chpwd_functions=(moved)\n'
    shell = start("zsh", rc=f"{own}PS1='status=%? > '\n{rc}\n")
    shell.do('eval "$(keyvault hook zsh)"')
    assert shell.do("echo ${precmd_functions[*]} ${precmd_functions[@]}").count("_keyvault_hook") in (1, 2)
    assert "7" in status_shown(shell, "(exit 7)")
    shown = shell.do(f"cd '{outer}'; (exit 7)")
    for text in ("+2 A_KEY B_KEY", "status=7", "mine=7", f"moved={outer}"):
        assert text in shown
    check_that_tracing_shows_no_value(shell, outer)


def test_fish_keeps_its_prompt_its_status_and_its_handlers(start: Start, outer: str) -> None:
    own = "function moved --on-variable PWD; echo moved=$PWD; end\nfunction mine --on-event fish_prompt; echo mine; end\n"
    shell = start("fish", after=own + 'function fish_prompt; echo -n "status=$status > "; end')
    shell.do("keyvault hook fish | source")
    assert "7" in status_shown(shell, "sh -c 'exit 7'")
    shown = shell.do(f"cd '{outer}'; sh -c 'exit 7'")
    for text in ("+2 A_KEY B_KEY", "status=7", "mine", f"moved={outer}"):
        assert text in shown
    assert shown.count("keyvault: +") == 1
    assert not [name for name in shell.environment() if name.startswith(("_kv", "_keyvault"))]


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_an_unchanged_prompt_is_cheaper_than_the_smallest_program(
    home: VaultHome, programs: Programs, outer: str, name: str
) -> None:
    deep = os.path.join(outer, "a", "b", "c")
    os.makedirs(deep)
    loop = "for i in $(seq 200); do {}; done; date +%s%N; "
    script = f"cd '{deep}'; _keyvault_hook; date +%s%N; " + loop.format("_keyvault_hook") + loop.format("/bin/true")
    done = subprocess.run(
        [programs[name], *(["--norc"] if name == "bash" else ["-f"]), "-c", hook.script(name) + script],
        env=home.environment,
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert b"keyvault: +2" in done.stderr
    start, between, end = map(int, done.stdout.split())
    assert between - start < end - between


@pytest.mark.parametrize("shell", ["hook", "shell"])
def test_the_new_commands_are_completed(home: VaultHome, shell: str) -> None:
    asked = {"COMP_WORDS": f"keyvault {shell} ", "COMP_CWORD": "2", "_KEYVAULT_COMPLETE": "bash_complete"}
    command = os.path.join(os.path.dirname(sys.executable), "keyvault")
    done = subprocess.run([command], env=home.environment | asked, capture_output=True, check=True, timeout=60)
    offered = {line.partition(",")[2] for line in done.stdout.decode().split()}
    assert offered >= ({"bash", "zsh", "fish", "nu", "powershell"} if shell == "hook" else {"install", "uninstall"})
