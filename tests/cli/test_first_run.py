"""The first minutes in a home folder where nothing is set up."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import Programs
from people import AskingHome, Terminal, write
from vaults import VaultHome

from keyvault.cli import value_input

SHELLS = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}


class BareHome(VaultHome):
    """No variable of keyvault is set, and no keyring is there."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if not name.startswith("KEYVAULT_")}
        return kept | {"PATH": f"{self.folder}/bin:{kept['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def home(tmp_path: Path) -> BareHome:
    made = BareHome(str(tmp_path))
    os.mkdir(made.folder + "/bin")
    write(made.folder + "/bin/keyvault", f'#!/bin/sh\nexec "{sys.executable}" -m keyvault "$@"\n', 0o755)
    return made


def test_keyvault_alone_says_in_four_lines_what_to_do_and_help_once_there_is_a_vault(home: BareHome) -> None:
    lines = home.run().stdout.decode().splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "keyvault init",
        "keyvault add openai",
        'eval "$(keyvault env)"',
        "keyvault --help",
    ]
    assert max(map(len, lines)) <= 80
    home.run("init", "--key-file", home.folder + "/key", "--no-recovery")
    assert home.run().stdout == home.run("--help").stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_first_screen_says_works_in_each_shell(home: BareHome, programs: Programs, shell: str) -> None:
    def shown(script: str) -> str:
        return Terminal(home, program=[programs[shell], *SHELLS[shell], "-c", script]).end()

    steps = [line.split("  ")[0] for line in shown("keyvault; true").splitlines()]
    person = Terminal(home, program=[programs[shell], *SHELLS[shell], "-c", f"{steps[0]} --no-recovery; true"])
    person.answer("passphrase or key-file? [passphrase] ", "key")
    person.answer(f"key file [{home.folder}/.config/keyvault/key]: ", "")
    assert f"set KEYVAULT_KEY_FILE={home.folder}/.config/keyvault/key" in person.end()
    unlocked = f"export KEYVAULT_KEY_FILE={home.folder}/.config/keyvault/key; "
    person = Terminal(home, program=[programs[shell], *SHELLS[shell], "-c", f"{unlocked}{steps[1]}; true"])
    person.answer("key for openai/default (hidden): ", "sk-value-of-openai")
    assert "added openai/default as OPENAI_API_KEY" in person.end()
    assert "got sk-value-of-openai" in shown(f'{unlocked}{steps[2]}; echo "got $OPENAI_API_KEY"')


def test_the_conversation_asks_again_and_gives_up_without_a_vault(home: BareHome) -> None:
    person = Terminal(home, "init")
    for typed in ("x", "2", "keyring"):
        person.answer("passphrase or key-file? [passphrase] ", typed)
    seen = person.end(2)
    assert seen.count("Please type one of: passphrase, key-file") == 3
    assert "keyring     not possible here: " in seen
    assert "no way to unlock was chosen, so no vault was made" in seen
    assert not os.path.exists(home.folder + "/.local/share/keyvault/vault.db")


def test_without_a_terminal_or_with_a_choice_there_is_no_conversation(home: BareHome) -> None:
    assert b"How shall it open" not in home.run("init", "--no-recovery", code=4).stderr
    chosen = Terminal(home, "init", "--no-recovery", "--unlock", "key-file", "--key-file", home.folder + "/key").end()
    assert "How shall it open" not in chosen


@pytest.fixture
def kept(home: BareHome) -> dict[str, str]:
    """A vault with keys that a vendor cannot be asked about."""
    key = {"KEYVAULT_KEY_FILE": home.folder + "/key", "HTTPS_PROXY": "http://127.0.0.1:1"}
    home.run("init", "--no-recovery", env=key)
    home.run("add", "openai/the-long-name-of-a-team", "--stdin", "--expires", "2099-12-31", stdin=b"sk-x", env=key)
    home.run("check", env=key, code=8)
    return key


def test_colour_is_for_terminals_and_for_those_who_did_not_say_no(home: BareHome, kept: dict[str, str]) -> None:
    assert "\x1b[33munreachable\x1b[m" in Terminal(home, "list", env=kept).end()
    assert "\x1b[33madvice\x1b[m" in Terminal(home, "doctor", env=kept).end()
    for unwanted in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in Terminal(home, "list", env=kept | unwanted).end()
    assert b"\x1b" not in home.run("list", env=kept | {"TERM": "xterm"}).stdout


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(home: BareHome, kept: dict[str, str]) -> None:
    person = Terminal(home, "check", env=kept | {"NO_COLOR": "1"}, columns=70)
    lines = ("KEY  " + person.end(8).partition("KEY  ")[2]).partition("\n\n")[0].splitlines()
    assert max(map(len, lines)) <= 70
    assert lines[-1].strip() == "was refused"
    piped = home.run("check", env=kept, code=8).stdout.decode().splitlines()
    assert piped[1].endswith("api.openai.com: the connection was refused")


def test_on_forty_columns_nothing_is_left_out(home: BareHome, kept: dict[str, str]) -> None:
    shown = Terminal(home, "list", env=kept | {"NO_COLOR": "1"}, columns=40).end()
    assert "\n  VERDICT    unreachable\n  VARIABLES  OPENAI_API_KEY\n" in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 40


def test_a_start_up_file_in_a_locked_vault_says_what_to_do_on_a_terminal(tmp_path: Path) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    seen = Terminal(home, "env", "--no-input").end(4)
    assert "the vault is locked, and nobody was to be asked" in seen
    assert "hint: keyvault unlock opens it for hours" in seen
    assert "no terminal" in home.run("env", "--no-input", code=4).stderr.decode()


def test_a_vendor_that_is_mistyped_is_suggested(home: BareHome) -> None:
    home.run("init", "--key-file", home.folder + "/key", "--no-recovery")
    key = {"KEYVAULT_KEY_FILE": home.folder + "/key"}
    assert b"did you mean openai? If not, " in home.run("add", "opnai", "--stdin", stdin=b"x", code=2, env=key).stderr
    assert b"hint: say it, as in --env ACME_API_KEY" in home.run("add", "zzqq", "--stdin", stdin=b"x", code=2, env=key).stderr


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ('"sk-abc"', "is in quotes, which were kept"),
        ("'sk-abc' ", "is in quotes, which were kept"),
        ("export GROQ_API_KEY=sk-abc", "begins with the name of a variable, which was kept"),
        ("GROQ_API_KEY='sk-abc'", "begins with the name of a variable, which was kept"),
        ("HF_TOKEN", ""),
        ("sk_key=", ""),
        ("YWJjX0tFWQ==", ""),
        ("'", ""),
    ],
)
def test_a_line_of_a_file_pasted_for_the_key_is_told(pasted: str, said: str) -> None:
    doubts = [text for text in value_input.doubts(pasted) if "blank" not in text]
    assert [said in text for text in doubts] == ([True] if said else [])


def test_importing_a_notebook_tells_that_it_was_not_read(home: BareHome) -> None:
    home.run("init", "--key-file", home.folder + "/key", "--no-recovery")
    path = write(home.folder + "/a.ipynb", '{"cells": [], "OPENAI_API_KEY": "sk-1234567890abcdef"}')
    done = home.run("import", "--yes", path, env={"KEYVAULT_KEY_FILE": home.folder + "/key"})
    assert b"a.ipynb is a notebook, and was not read: keyvault discover " in done.stderr
    assert home.run("list", "--json", env={"KEYVAULT_KEY_FILE": home.folder + "/key"}).stdout.count(b"ref") == 0


def test_a_python_prompt_can_complete_the_names(home: BareHome) -> None:
    import keyvault

    assert set(keyvault.__all__) <= set(dir(keyvault))
