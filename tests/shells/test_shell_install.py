from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from people import Terminal, bytes_of, text_of, write
from prompts import Shell
from vaults import VaultHome, add_key

from keyvault.environment import project, startup_file
from keyvault.environment.trust import Trust

if TYPE_CHECKING:
    from conftest import Programs

COMMAND = os.path.join(os.path.dirname(sys.executable), "keyvault")
FILES = {
    "bash": ".bashrc",
    "zsh": ".zshrc",
    "fish": ".config/fish/conf.d/keyvault.fish",
    "powershell": ".config/powershell/Microsoft.PowerShell_profile.ps1",
    "nu": ".config/nushell/autoload/keyvault.nu",
    "r": ".Rprofile",
}
ODD = [
    b"",
    b"alias a=b\n",
    b"no end",
    b"crlf\r\nlines\r\n",
    b"crlf\r\nno end",
    b"one\ncr at the end\r",
    b"\xff\xfe not UTF-8\n\n\n",
    b"\n",
]


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> VaultHome:
    made = VaultHome(os.path.join(os.fspath(tmp_path), "home"))
    os.mkdir(made.folder)
    add_key(made.create(), "outer/a", "sk-outer-a", "A_KEY")
    return made


def start_up_file(home: VaultHome, shell: str, content: bytes = b"", mode: int = 0o644) -> str:
    path = os.path.join(home.folder, FILES[shell])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return write(path, content, mode)


@pytest.mark.parametrize("shell", FILES)
@pytest.mark.parametrize("content", ODD)
def test_a_block_goes_in_and_comes_out_without_a_trace(home: VaultHome, shell: str, content: bytes) -> None:
    path = start_up_file(home, shell, content, 0o640)
    home.run("shell", "install", shell, "--yes")
    with_block = bytes_of(path)
    assert with_block.startswith(content)
    assert with_block.count(b"# >>> keyvault ") == with_block.count(b"# <<< keyvault <<<") == 1
    assert (b"\r\n# <<<" in with_block) == (b"\r\n" in content)
    assert b"sk-outer" not in with_block
    home.run("shell", "install", shell, "--yes")
    assert bytes_of(path) == with_block
    assert os.stat(path).st_mode & 0o777 == 0o640
    home.run("shell", "uninstall", shell, "--yes")
    if shell in ("fish", "nu") and not content:
        assert not os.path.exists(path)
    else:
        assert bytes_of(path) == content
        assert os.stat(path).st_mode & 0o777 == 0o640


@pytest.mark.parametrize("shell", FILES)
def test_a_file_that_was_made_for_the_block_goes_with_it(home: VaultHome, shell: str) -> None:
    path = os.path.join(home.folder, FILES[shell])
    home.run("shell", "install", shell, "--yes")
    home.run("shell", "install", shell, *(("--env",) if shell != "r" else ()), "--yes")  # brought up to date, it is remembered
    home.run("shell", "uninstall", shell, "--yes")
    assert not os.path.lexists(path)


def test_a_file_that_was_made_for_the_block_stays_where_a_person_wrote_into_it(home: VaultHome) -> None:
    path = os.path.join(home.folder, FILES["zsh"])
    home.run("shell", "install", "zsh", "--yes")
    with open(path, "a", encoding="utf-8") as file:
        file.write("mine\n")
    home.run("shell", "uninstall", "zsh", "--yes")
    assert text_of(path) == "mine\n"
    home.run("shell", "install", "zsh", "--yes")
    write(path, text_of(path).removeprefix("mine\n"))
    home.run("shell", "uninstall", "zsh", "--yes")
    assert text_of(path) == ""  # the person's file, though it is empty now


def test_a_block_of_an_earlier_version_is_replaced_where_it_stands(home: VaultHome) -> None:
    old = startup_file.with_block(b"before\n", "an older line\n") + b"after\n"
    path = start_up_file(home, "bash", old)
    home.run("shell", "install", "bash", "--yes")
    new = text_of(path)
    assert "an older line" not in new
    assert new.startswith("before\n# >>> keyvault ")
    assert new.endswith("# <<< keyvault <<<\nafter\n")
    home.run("shell", "install", "bash", "--env", "--yes")
    assert "env --format bash --no-input" in text_of(path)
    assert " hook " not in text_of(path)
    home.run("shell", "uninstall", "bash", "--yes")
    assert text_of(path) == "before\nafter\n"


def test_a_block_that_somebody_edited_is_not_touched_without_yes(home: VaultHome) -> None:
    path = start_up_file(home, "zsh")
    home.run("shell", "install", "zsh", "--yes")
    edited = text_of(path).replace("hook zsh", "hook zsh # mine")
    write(path, edited)
    for verb in ("install", "uninstall"):
        done = home.run("shell", verb, "zsh", code=1)
        assert b"edited by hand" in done.stderr
        assert text_of(path) == edited
    home.run("shell", "uninstall", "zsh", "--yes")
    assert text_of(path) == ""


@pytest.mark.parametrize("cut", ["# <<< keyvault <<<\n", "# >>> keyvault "])
def test_a_damaged_block_is_left_to_the_person(home: VaultHome, cut: str) -> None:
    path = start_up_file(home, "bash")
    home.run("shell", "install", "bash", "--yes")
    damaged = text_of(path).replace(cut, "") if cut.startswith("# <") else text_of(path) * 2
    write(path, damaged)
    assert b"damaged" in home.run("shell", "install", "bash", "--yes", code=2).stderr
    assert text_of(path) == damaged


def test_a_linked_file_is_changed_where_it_lies_after_saying_so(home: VaultHome) -> None:
    dotfiles = os.path.join(home.folder, "dotfiles")
    os.mkdir(dotfiles)
    target = write(os.path.join(dotfiles, "bashrc"), "mine\n", 0o600)
    os.symlink("dotfiles/bashrc", os.path.join(home.folder, ".bashrc"))
    done = home.run("shell", "install", "bash", "--yes")
    assert f"{home.folder}/.bashrc is a link; {target} is what changes".encode() in done.stderr
    assert os.path.islink(os.path.join(home.folder, ".bashrc"))
    assert text_of(target).startswith("mine\n# >>> keyvault ")
    home.run("shell", "uninstall", "bash", "--yes")
    assert (text_of(target), os.stat(target).st_mode & 0o777) == ("mine\n", 0o600)


def test_what_is_no_plain_file_is_refused(home: VaultHome) -> None:
    path = os.path.join(home.folder, ".bashrc")
    os.mkfifo(path)
    home.run("shell", "install", "bash", "--yes", code=1)
    os.unlink(path)
    write(path, "x\n")
    os.link(path, path + "2")
    home.run("shell", "install", "bash", "--yes", code=1)
    assert text_of(path) == "x\n"


def test_it_shows_the_change_alone_and_asks(home: VaultHome) -> None:
    path = start_up_file(home, "bash", b"export OTHER=sk-a-secret-in-the-file\n")
    terminal = Terminal(home, "shell", "install", "bash")
    terminal.answer("Change the file? [y/N] ", "n")
    shown = terminal.end(1)
    assert "+# >>> keyvault " in shown
    assert "sk-a-secret" not in shown
    assert b"keyvault" not in bytes_of(path)
    terminal = Terminal(home, "shell", "install", "bash")
    terminal.answer("Change the file? [y/N] ", "y")
    terminal.end()
    assert b" hook bash" in bytes_of(path)


def test_without_a_terminal_it_needs_a_yes(home: VaultHome) -> None:
    assert b"--yes" in home.run("shell", "install", "bash", "--no-input", code=2).stderr
    assert not os.path.exists(os.path.join(home.folder, ".bashrc"))


def test_the_calling_shell_is_meant_where_none_is_named(home: VaultHome, programs: Programs) -> None:
    for shell, words in (("bash", ["--norc"]), ("zsh", ["-f"])):
        subprocess.run(
            [programs[shell], *words, "-c", f"'{COMMAND}' shell install --yes; true"],
            env=home.environment,
            check=True,
            timeout=60,
        )
        assert f" hook {shell}" in text_of(os.path.join(home.folder, FILES[shell]))


def test_other_places_of_start_up_files_are_known(home: VaultHome) -> None:
    there = os.path.join(home.folder, "elsewhere")
    home.run("shell", "install", "zsh", "--yes", env={"ZDOTDIR": there})
    home.run("shell", "install", "fish", "--yes", env={"XDG_CONFIG_HOME": there})
    home.run("shell", "install", "r", "--yes", env={"R_PROFILE_USER": there + "/profile.R"})
    assert sorted(os.listdir(there)) == [".zshrc", "fish", "profile.R"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish", "nu"])
def test_an_installed_hook_works_in_a_new_shell(home: VaultHome, programs: Programs, name: str) -> None:
    folder = os.path.join(home.folder, "project")
    os.mkdir(folder)
    path = write(os.path.join(folder, ".keyvault.toml"), '[env]\nA_KEY = "outer/a"\n', 0o644)
    Trust(home.state).allow(project.parse(path, project.load_bytes(path)))
    config = os.path.join(home.folder, f"{name}-config")
    places = {"ZDOTDIR": config, "XDG_CONFIG_HOME": config, "BASH_ENV": ""}
    home.run("shell", "install", name, "--yes", env=places)
    rc = f"source {home.folder}/.bashrc" if name == "bash" else ""
    if name == "zsh":
        rc = text_of(os.path.join(config, ".zshrc"))
    shell = Shell(programs[name], name, home, rc=rc, hook=False)
    shell.cd(folder)
    assert shell.has("A_KEY") == {"A_KEY": "sk-outer-a"}
    shell.cd("/")
    assert shell.has("A_KEY") == {"A_KEY": None}
    shell.close()


def test_shells_that_are_not_interactive_stay_as_they_are(home: VaultHome, programs: Programs) -> None:
    for name in ("bash", "fish"):
        home.run("shell", "install", name, "--yes")
    asked = {"bash": ["-c", f". {home.folder}/.bashrc; declare -F"], "fish": ["-c", "functions --all --names; true"]}
    for name, words in asked.items():
        done = subprocess.run([programs[name], *words], env=home.environment, capture_output=True, check=True, timeout=60)
        assert (b"keyvault" in done.stdout, done.stderr) == (False, b""), name


@pytest.mark.parametrize("installed", [True, False])
def test_r_has_the_keys_and_starts_when_the_vault_is_locked(home: VaultHome, programs: Programs, installed: bool) -> None:
    home.run("shell", "install", "r", "--yes")
    profile = os.path.join(home.folder, ".Rprofile")
    if not installed:
        write(profile, text_of(profile).replace(COMMAND, "/nowhere/keyvault"))
    script = [programs["Rscript"], "-e", 'cat("<", Sys.getenv("A_KEY"), ">", ls(), sep = "")']
    done = subprocess.run(script, env=home.environment, capture_output=True, check=True, timeout=60, cwd=home.folder)
    assert (done.stdout, done.stderr) == (b"<sk-outer-a>" if installed else b"<>", b"")
    os.unlink(home.key_file)
    done = subprocess.run(script, env=home.environment, capture_output=True, check=True, timeout=60, cwd=home.folder)
    assert done.stdout == b"<>"
    assert done.stderr.count(b"keyvault: error: ") == int(installed)
    assert b"arning" not in done.stderr
