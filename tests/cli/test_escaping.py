"""Whatever people or files put into the vault, no command sends a terminal more than text."""

from __future__ import annotations

import json
import os
import re

import pytest
from people import Terminal, write
from vaults import VaultHome

from keyvault.core.text import is_unsafe
from keyvault.vault import changes

# A title, a colour, a cleared screen, an 8-bit CSI, overwriting, bidirectional and invisible characters, a bell.
EVIL = "\x1b]0;title\x07\x1b[31mred\x1b[2J\x9b1;1Hover\rwrite\b\b \u202egnp.exe\u2066\u200b\ufeff\x7f\x00\x85\u2028\U000e0041"
EVIL_TEXT = EVIL.replace("\0", "")


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> VaultHome:
    """A vault in which everything that may hold any text does, put there without the command line's help."""
    made = VaultHome(str(tmp_path))
    vault = made.create()
    with vault.transaction("add") as tx:
        changes.add(
            tx,
            "openai/default",
            {"": "sk-0123456789" + EVIL, "endpoint": EVIL, "token": EVIL},
            {
                "variables": {"OPENAI_API_KEY": "", "ENDPOINT": "endpoint"},
                "fields": {"endpoint": False, "token": True},
                "tags": {EVIL[:60]: EVIL},
                "note": EVIL,
                "base_url": "https://" + EVIL,
                "vendor_name": EVIL,
                "vendor_id": EVIL,
                "scopes": EVIL,
            },
            1_790_000_000,
        )
        changes.add(tx, "groq/default", {"": EVIL}, {"variables": {"GROQ_API_KEY": ""}, "auto": False}, 1_790_000_000)
    with vault.transaction(EVIL) as tx:
        changes.edit(tx, "groq/default", {"note": "n"}, 1_790_000_001)
    vault.store.close()
    return made


def harmless(seen: str) -> None:
    seen = re.sub(r"\x1b\[3[123]m([a-z ]{2,12})\x1b\[m", r"\1", seen)  # our own colours, around nothing but a word
    bad = sorted({f"U+{ord(c):04X}" for c in seen if c not in "\n\t" and is_unsafe(ord(c))})
    assert bad == [], seen


@pytest.mark.parametrize(
    "words",
    [
        ("list",),
        ("list", "--json"),
        ("list", EVIL_TEXT),
        ("show", "openai"),
        ("show", "--json", "openai"),
        ("history", "openai"),
        ("log",),
        ("log", "--json"),
        ("doctor",),
        ("slots",),
        ("env",),
        ("env", "--format", "json"),
        ("env", "--reveal", "--format", "json"),
        ("env", "--reveal", "--format", "bash"),
        ("env", "--unset"),
        ("verify",),
        # in arguments, on their way into an error or a question
        ("show", EVIL_TEXT),
        ("show", "a/" + EVIL_TEXT),
        ("add", "mistral", "--env", EVIL_TEXT, "--file", "/dev/null"),
        ("add", "mistral", "--expires", EVIL_TEXT[:30]),
        ("add", "mistral", "--rotate-after", EVIL_TEXT[:30]),
        ("add", "mistral", "--from-env", EVIL_TEXT),
        ("add", "mistral", "--file", "/" + EVIL_TEXT),
        ("add", "mistral", "--field", EVIL_TEXT[:30] + "=x", "--from-env", "HOME"),
        ("add", "mistral", "--secret-field", EVIL_TEXT[:30] + "=x", "--from-env", "HOME"),
        ("get", "openai", "--reveal", "--field", EVIL_TEXT[:30]),
        ("slots", "remove", EVIL_TEXT[:30]),
        ("slots", EVIL_TEXT),
        ("slots", "add", EVIL_TEXT[:12]),
        (EVIL_TEXT,),
        (EVIL_TEXT[:12],),
        ("list", "--" + EVIL_TEXT),
        ("env", "--dialect", EVIL_TEXT[:12]),
        ("env", "--format", EVIL_TEXT),
        ("log", "-n", EVIL_TEXT[:12]),
        ("import", "/" + EVIL_TEXT),
        ("backup", "/" + EVIL_TEXT + "/x"),
        ("restore", "/" + EVIL_TEXT),
        ("run", "--", EVIL_TEXT),
        ("init", "--no-recovery"),
    ],
)
def test_no_command_sends_a_terminal_anything_but_text(home: VaultHome, words: tuple[str, ...]) -> None:
    person = Terminal(home, *words)
    person.child.expect([person.eof, r"\(hidden\): "])
    if person.child.isalive() and person.child.match_index == 1:
        person.child.sendcontrol("c")
        person.child.expect(person.eof)
    harmless(person.seen)
    assert person.seen != "" or words[0] == "list"


def test_what_is_masked_by_escapes_is_still_told_apart(home: VaultHome) -> None:
    seen = Terminal(home, "show", "openai").end()
    assert "\\x1b]0;title\\x07" in seen
    assert "\\u202egnp.exe" in seen
    piped = json.loads(home.run("show", "--json", "openai").stdout)
    assert (piped["note"], piped["plain_fields"], piped["tags"]) == (EVIL, {"endpoint": EVIL}, {EVIL[:60]: EVIL})


def test_questions_and_prompts_are_escaped_too(home: VaultHome) -> None:
    person = Terminal(home, "add", "mistral", "--secret-field", "a\x1b[2Jb", "--from-env", "HOME")
    person.press("a\\x1b[2Jb (hidden): ", "c")
    harmless(person.end(130))


def test_imported_files_and_their_names_are_escaped(home: VaultHome) -> None:
    folder = f"{home.folder}/\x1b[31m\u202e"
    os.mkdir(folder)
    path = write(
        folder + "/.env",
        f"MISTRAL_API_KEY='abcdefghijklmnop{EVIL_TEXT}'\nEV\x1b[2JIL=1\n'q\x1b[2J\u202e'=2\nX\u202eY='\n=\x1b]0;x\x07\nPATH=\x1b[2J\nE\x1b=\n",
    )
    person = Terminal(home, "import", path)
    person.answer("[y/N] ", "y")
    seen = person.end()
    harmless(seen)
    assert "\\x1b[31m\\u202e/.env:1" in seen
    assert "and was skipped" in seen


def test_folders_with_strange_names_are_escaped_wherever_they_are_told(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(f"{tmp_path}/\x1b[31m\u202ex\x07")
    os.mkdir(home.folder)
    home.create().store.close()
    target = home.folder + "/.env"
    home.run("add", "openai", "--stdin", stdin=b"v")
    for words in (
        ("doctor",),
        ("backup", home.folder + "/copy"),
        ("backup", home.folder + "/copy"),
        ("env", "-o", target),
        ("restore", "--yes", home.folder + "/copy"),
        ("slots", "add", "key-file"),
        ("init", "--no-recovery"),
        ("init", "--no-recovery", "--key-file", home.home + "/k"),
    ):
        person = Terminal(home, *words)
        person.child.expect(person.eof)
        harmless(person.seen)
    os.chmod(home.path, 0o644)
    harmless(Terminal(home, "list").end(1))
    os.chmod(home.path, 0o600)
    os.unlink(home.key_file)
    harmless(Terminal(home, "list").end(5))
    os.symlink(home.home, home.folder + "/link")
    harmless(Terminal(home, "list", env={"KEYVAULT_HOME": home.folder + "/link"}).end(1))
    harmless(Terminal(home, "list", env={"KEYVAULT_HOME": home.folder + "/none"}).end(3))
    made = Terminal(
        home, "init", "--no-recovery", env={"KEYVAULT_HOME": home.folder + "/new", "KEYVAULT_KEY_FILE": home.folder + "/k"}
    )
    harmless(made.end())
