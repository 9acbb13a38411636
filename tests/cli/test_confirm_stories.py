"""Keys marked `confirm`: a person agrees before each use, and without one nobody gets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from people import Terminal, text_of, write
from vaults import VaultHome, add_key

VALUE = "sk-value-of-openai-work"
QUESTION = "use openai/work? [y/N] "


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    made = VaultHome(str(tmp_path))
    vault = made.create()
    add_key(vault, "openai/work", VALUE, "OPENAI_API_KEY")
    add_key(vault, "groq/default", "value-of-groq", "GROQ_API_KEY")
    vault.store.close()
    made.run("edit", "openai/work", "--confirm")
    return made


def project(home: VaultHome) -> None:
    write(home.folder + "/.keyvault.toml", '[env]\nOPENAI_API_KEY = "openai/work"\nGROQ_API_KEY = "groq"\n')
    home.run("allow")


# what a person types, and where the value is then seen
USES = {
    "get": ("get", "openai/work", "--reveal"),
    "env": ("env", "openai/work", "--reveal", "--format", "json"),
    "run": ("run", "--only", "openai/work", "--", "sh", "-c", "echo $OPENAI_API_KEY"),
}


@pytest.mark.parametrize("words", USES.values(), ids=USES)
def test_a_person_is_asked_and_gets_the_value_after_a_yes_only(home: VaultHome, words: tuple[str, ...]) -> None:
    agreed = Terminal(home, *words)
    agreed.answer(QUESTION, "y")
    assert VALUE in agreed.end()
    refused = Terminal(home, *words)
    refused.answer(QUESTION, "")
    said = refused.end(125 if words[0] == "run" else 1)
    assert VALUE not in said
    assert "the use of openai/work was refused" in said
    left = Terminal(home, *words)
    left.press(QUESTION, "c")
    assert VALUE not in left.end(130)


@pytest.mark.parametrize("words", USES.values(), ids=USES)
@pytest.mark.parametrize("how", ["no terminal", "--no-input"])
def test_where_nobody_can_be_asked_the_answer_is_no(home: VaultHome, words: tuple[str, ...], how: str) -> None:
    code = 125 if words[0] == "run" else 4
    if how == "no terminal":
        done = home.run(*words, code=code)
        said = (done.stdout + done.stderr).decode()
    else:
        said = Terminal(home, words[0], "--no-input", *words[1:]).end(code)
    assert VALUE not in said
    assert "openai/work asks before each use, and nobody can be asked" in said
    assert QUESTION not in said


def test_it_is_left_out_where_no_key_is_named_and_that_is_told(home: VaultHome) -> None:
    assert json.loads(home.run("env", "--format", "json").stdout) == {"GROQ_API_KEY": "value-of-groq"}
    home.run("run", "--", "sh", "-c", 'test -z "$OPENAI_API_KEY" && test -n "$GROQ_API_KEY"')
    shown = home.run("which", "OPENAI_API_KEY", code=3).stdout.decode()
    assert "openai/work: it is given out only when named, and a person is asked before each use" in shown
    explained = Terminal(home, "env", "--explain").end()
    assert "openai/work is given out only when named, and a person is asked before each use" in explained
    told = json.loads(home.run("show", "openai/work", "--json").stdout)
    assert (told["confirm"], told["auto"]) == (True, True)
    assert "only when named, and a person is asked" in home.run("show", "openai/work").stdout.decode()


def test_one_question_a_key_inside_eval_and_the_output_stays_clean(home: VaultHome) -> None:
    home.run("edit", "groq", "--confirm")
    shell = 'eval "$("$0" -m keyvault env openai/work groq)"; echo "got $OPENAI_API_KEY $GROQ_API_KEY"'
    person = Terminal(home, program=["bash", "-c", shell, sys.executable])
    person.answer(QUESTION, "yes")
    person.answer("use groq/default? [y/N] ", "y")
    assert f"got {VALUE} value-of-groq" in person.end()


def test_a_project_that_names_it_asks_and_writes_no_file_after_a_no(home: VaultHome) -> None:
    project(home)
    home.run("env", "--format", "json", code=4)
    home.run("env", "-o", "app.env", code=4)
    refused = Terminal(home, "env", "-o", "app.env")
    refused.answer(QUESTION, "n")
    refused.end(1)
    assert not Path(home.folder, "app.env").exists()
    agreed = Terminal(home, "env", "-o", "app.env")
    agreed.answer(QUESTION, "y")
    assert agreed.end().count(QUESTION) == 1
    assert VALUE in text_of(home.folder + "/app.env")


def test_the_hook_never_asks_and_says_what_it_leaves_out(home: VaultHome) -> None:
    project(home)
    plan = Terminal(home, "hook", "nu", "--plan").end()
    assert VALUE not in plan
    assert "value-of-groq" in plan
    assert "openai/work asks before each use, so it is left out: keyvault run --only openai/work" in plan


def test_the_mark_goes_and_the_address_changes_only_after_a_yes(home: VaultHome) -> None:
    home.run("edit", "openai/work", "--no-confirm", code=4)
    home.run("edit", "openai/work", "--base-url", "https://elsewhere.example", code=4)
    home.run("edit", "openai/work", "--field", "host=https://elsewhere.example", code=4)
    home.run("rename", "openai/work", "elsewhere/work", code=4)
    home.run("edit", "openai/work", "--note", "asked about nothing")
    refused = Terminal(home, "edit", "openai/work", "--no-confirm")
    refused.answer(QUESTION, "n")
    refused.end(1)
    assert json.loads(home.run("show", "openai/work", "--json").stdout)["confirm"] is True
    agreed = Terminal(home, "edit", "openai/work", "--no-confirm")
    agreed.answer(QUESTION, "y")
    agreed.end()
    assert home.run("get", "openai/work", "--reveal").stdout.decode() == VALUE


def test_a_key_that_was_removed_and_put_in_again_still_asks_for_its_earlier_values(home: VaultHome) -> None:
    home.run("rm", "openai/work")
    home.run("add", "openai/work", "--stdin", "--base-url", "https://elsewhere.example", stdin=b"sk-another", code=4)
    home.run("add", "openai/work", "--stdin", stdin=b"sk-another")
    home.run("get", "openai/work", "--reveal", "--version", "1", code=4)
    home.run("rename", "openai/work", "openai/other")
    home.run("get", "openai/other", "--reveal", code=4)


def test_a_file_that_was_cleaned_gets_it_back_only_after_a_yes(home: VaultHome) -> None:
    path = home.folder + "/.env"
    write(path, "MISTRAL_API_KEY=value-of-mistral-12345\n")
    home.run("import", path, "--yes", "--clean")
    home.run("edit", "mistral", "--confirm")
    home.run("edit", "mistral", "--value", "--stdin", stdin=b"another-of-mistral-12345")
    home.run("import", "--undo", path, "--yes", code=4)
    assert text_of(path) == ""
    agreed = Terminal(home, "import", "--undo", path)
    agreed.answer("use mistral/default? [y/N] ", "y")
    agreed.end()
    assert text_of(path) == "MISTRAL_API_KEY=value-of-mistral-12345\n"


def test_what_gives_no_value_away_asks_nothing(home: VaultHome) -> None:
    for words in (
        ("show", "openai/work"),
        ("snippet", "openai/work"),
        ("env", "--unset", "openai/work"),
        ("history", "openai/work"),
    ):
        assert VALUE not in home.run(*words).stdout.decode()
    home.run("add", "mistral", "--confirm", "--stdin", stdin=b"value-of-mistral")
    assert "mistral/default" in home.run("list").stdout.decode()


def test_rotation_asks_once_a_key_and_begins_nothing_without_an_answer(home: VaultHome) -> None:
    home.run("rotate", "openai/work", "--manual", "--stdin", stdin=b"sk-new", code=4)
    assert json.loads(home.run("show", "openai/work", "--json").stdout)["rotation"] is None
    person = Terminal(
        home, "rotate", "openai/work", "--manual", "--insist", "--no-open", env={"HTTPS_PROXY": "http://127.0.0.1:1"}
    )
    person.answer(QUESTION, "y")
    person.answer("new key for openai/work (hidden): ", "sk-value-of-openai-later")
    assert person.end(8).count(QUESTION) == 1


PROGRAM = """
import sys
import keyvault
asked = []
def ask(question):
    asked.append(question)
    return sys.argv[1]
try:
    print(keyvault.get("openai/work", ask=ask if sys.argv[1] else None), keyvault.load_env("openai/work", ask=ask))
except keyvault.KeyvaultError as error:
    print(type(error).__name__, error.message)
print(asked)
"""


def test_a_python_program_is_refused_unless_it_can_ask(home: VaultHome) -> None:
    def said(answer: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, answer],
            env=home.environment,
            capture_output=True,
            timeout=60,
            check=True,
            cwd=home.folder,
        )
        return done.stdout.decode()

    assert said("") == "Locked openai/work asks before each use, and there is nobody to ask\n[]\n"
    assert said("n") == f"KeyvaultError the use of openai/work was refused\n{[QUESTION]}\n"
    assert said("y") == f"{VALUE} ['OPENAI_API_KEY']\n{[QUESTION, QUESTION]}\n"
