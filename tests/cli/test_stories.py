"""What a person does with each command, from the first to the last day of a key."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from people import PASSPHRASE, AskingHome, Terminal, bytes_of, text_of, write
from vaults import COMMAND, VaultHome, add_key

from keyvault.vault import changes

ANTHROPIC = "sk-ant-api03-" + "Zq3_" * 23 + "xAA"


def listed(home: VaultHome, *words: str) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = json.loads(home.run("list", "--json", *words).stdout)["keys"]
    return keys


def value(home: VaultHome, ref: str, *words: str) -> bytes:
    return home.run("get", ref, "--reveal", *words).stdout


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


# -- init


def test_init_asks_for_a_passphrase_and_has_the_recovery_code_copied(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    person = Terminal(home, "init")
    person.answer("[passphrase] ", "")
    person.answer("new passphrase: ", PASSPHRASE)
    person.answer("the same again: ", PASSPHRASE)
    code = person.copy_recovery_code(wrong=1)
    seen = person.end()
    assert PASSPHRASE not in seen
    assert "strength: strong" in seen
    assert "next: keyvault add openai" in seen
    assert (mode(home.home), mode(home.path)) == (0o700, 0o600)
    for secret in (PASSPHRASE, code, code.lower().replace("-", " ")):
        assert home.run("list", env={"KEYVAULT_PASSPHRASE": secret}).stdout == b""


def test_init_makes_nothing_when_the_recovery_code_is_not_copied(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    person = Terminal(home, "init")
    person.answer("[passphrase] ", "")
    person.answer("new passphrase: ", PASSPHRASE)
    person.answer("the same again: ", PASSPHRASE)
    for _ in range(3):
        person.answer("of your copy: ", "zzzz")
    assert "nothing was changed; --no-recovery goes without one" in person.end(1)
    assert not os.path.exists(home.path)


def test_init_refuses_two_passphrases_that_differ(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    person = Terminal(home, "init", "--no-recovery")
    person.answer("[passphrase] ", "")
    person.answer("new passphrase: ", PASSPHRASE)
    person.answer("the same again: ", PASSPHRASE + "s")
    assert "the two passphrases differ" in person.end(2)
    assert not os.path.exists(home.path)


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_init_takes_a_weak_passphrase_only_from_a_person_who_insists(
    tmp_path: os.PathLike[str], answer: str, code: int
) -> None:
    home = AskingHome(str(tmp_path))
    person = Terminal(home, "init", "--no-recovery")
    person.answer("[passphrase] ", "")
    person.answer("new passphrase: ", "hunter2")
    person.answer("the same again: ", "hunter2")
    person.answer("use it all the same? [y/N] ", answer)
    seen = person.end(code)
    assert "this passphrase is " in seen
    assert "very common password" in seen
    assert os.path.exists(home.path) is (code == 0)


def test_init_with_a_key_file_and_a_recovery_file_asks_nothing(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    code_file = str(tmp_path) + "/code"
    done = home.run("init", "--recovery-file", code_file)
    assert (done.stdout, done.stderr) == (b"", b"")
    assert (mode(home.key_file), mode(code_file)) == (0o600, 0o600)
    code = text_of(code_file).strip()
    assert len(code.split("-")) == 9
    assert home.run("list", env={"KEYVAULT_KEY_FILE": "", "KEYVAULT_PASSPHRASE": code}).stdout == b""


# -- add, import


def test_add_takes_a_pasted_value_without_showing_it(home: VaultHome) -> None:
    person = Terminal(home, "add", "openai", "--note", "from the team page")
    person.answer("key for openai/default (hidden): ", "sk-pasted-value-0123456789")
    seen = person.end()
    assert "sk-pasted" not in seen
    assert "added openai/default as OPENAI_API_KEY" in seen
    assert value(home, "openai") == b"sk-pasted-value-0123456789"


def test_add_finds_the_vendor_by_the_value(home: VaultHome) -> None:
    person = Terminal(home, "add")
    person.answer("(hidden): ", ANTHROPIC)
    assert "added anthropic/default as ANTHROPIC_API_KEY" in person.end()


def test_add_refuses_a_paste_that_the_terminal_would_cut(home: VaultHome) -> None:
    for pasted, reason in (
        ("-----BEGIN KEY-----\nabc\n-----END KEY-----", "more than one line was pasted"),
        ("one line\nand half a line", "more than one line was pasted"),
        ("x" * 5000, "the terminal cuts lines as long as this one"),
        ("", "no value was given"),
    ):
        person = Terminal(home, "add", "openai")
        person.answer("(hidden): ", pasted)
        assert reason in person.end(2)
    assert listed(home) == []
    person = Terminal(home, "add", "openai")
    person.answer("(hidden): ", "y" * 4094)
    person.end()
    assert value(home, "openai") == b"y" * 4094


@pytest.mark.parametrize("ends", ["\n", "\n\n", "\r\n\r\n"])
def test_add_takes_a_pasted_line_whatever_ends_of_lines_come_with_it(home: VaultHome, ends: str) -> None:
    person = Terminal(home, "add", "openai")
    person.answer("(hidden): ", "sk-pasted-value-0123456789" + ends)
    person.end()
    assert value(home, "openai") == b"sk-pasted-value-0123456789"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("OPENAI_API_KEY", "keyvault add openai"),
        ("AWS_SECRET_ACCESS_KEY", "it belongs to the key of aws: keyvault add aws"),
        ("ACME_API_KEY", "keyvault add VENDOR --env ACME_API_KEY"),
    ],
)
def test_add_says_what_to_type_in_the_place_of_a_variable(home: VaultHome, name: str, hint: str) -> None:
    told = home.run("add", name, code=2).stderr.decode()
    assert told == f"keyvault: error: {name} is a variable, not the name of a key\nkeyvault: hint: {hint}\n"


def test_a_variable_where_a_key_is_wanted_is_told_and_a_value_is_not_repeated(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"v")
    told = home.run("get", "OPENAI_API_KEY", "--reveal", code=2).stderr
    assert b"hint: keyvault list OPENAI_API_KEY tells which key has it" in told
    assert b"openai/default" in home.run("list", "OPENAI_API_KEY").stdout
    value_like = "ABCDEFGH_1234567890123"
    assert value_like.encode() not in home.run("add", value_like, code=2).stderr


def test_add_takes_bytes_that_are_not_text_from_nobody(home: VaultHome) -> None:
    person = Terminal(home, "add", "openai")
    person.expect("(hidden): ")
    person.child.send(b"ab\xff\xfe\n")
    assert "what was typed is not UTF-8 text" in person.end(2)
    assert listed(home) == []


def test_add_keeps_every_byte_of_stdin_and_files_and_says_what_looks_like_a_slip(home: VaultHome) -> None:
    tricky = " \té\r\n$(x)`'\"\\\u202e#"
    assert home.run("add", "groq", "--stdin", stdin=(tricky + "\n").encode()).stderr.count(b"warning") == 1
    assert value(home, "groq") == (tricky + "\n").encode()
    home.run("add", "xai", "--file", write(home.folder + "/f", tricky))
    assert value(home, "xai") == tricky.encode()
    home.run("add", "mistral", "--from-env", "OLD", env={"OLD": "v-1"})
    assert value(home, "mistral") == b"v-1"
    assert b"ends with a newline" in home.run("add", "cohere", "--stdin", stdin=b"abc\n").stderr


def test_add_knows_the_parts_of_a_credential(home: VaultHome) -> None:
    home.run(
        *("add", "aws/work", "--stdin", "--secret-field", "secret_access_key=env:AWS_SECRET", "--field", "region=eu-west-1"),
        env={"AWS_SECRET": "s3cr/et+"},
        stdin=b"not-a-real-id",
    )
    (key,) = listed(home)
    assert key["fields"] == {"secret_access_key": "secret", "region": "plain"}
    assert sorted(key["env"]) == ["AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY"]
    assert value(home, "aws/work", "--field", "secret_access_key") == b"s3cr/et+"
    shown = home.run("show", "aws/work").stdout
    assert b"eu-west-1" in shown
    assert b"s3cr" not in shown


def test_add_keeps_what_is_said_about_a_key(home: VaultHome) -> None:
    home.run(
        *("add", "acme/ci", "--stdin", "--env", "ACME_TOKEN", "--created", "2026-01-02", "--expires", "90d"),
        *("--rotate-after", "30d", "--tag", "team=ml", "--tag", "prod", "--note", "ask Kim", "--base-url", "https://a.example"),
        *("--vendor-name", "CI key", "--vendor-id", "id-7", "--scopes", "read", "--no-auto"),
        stdin=b"v",
    )
    (key,) = listed(home)
    assert (
        key
        | {
            "ref": "acme/ci",
            "env": ["ACME_TOKEN"],
            "created": "2026-01-02T00:00:00Z",
            "expires": "2026-04-02T00:00:00Z",
            "rotate_after_days": 30,
            "tags": {"team": "ml", "prod": ""},
            "note": "ask Kim",
            "base_url": "https://a.example",
            "vendor_name": "CI key",
            "vendor_id": "id-7",
            "scopes": "read",
            "auto": False,
            "last_used": None,
            "last_exported": None,
        }
        == key
    )


def test_add_warns_of_another_vendors_key_and_of_a_value_that_is_there_already(home: VaultHome) -> None:
    warned = home.run("add", "openai", "--stdin", stdin=ANTHROPIC.encode()).stderr
    assert b"this looks like a key of Anthropic, and was stored as openai/default" in warned
    assert b"openai/default has the same value" in home.run("add", "anthropic", "--stdin", stdin=ANTHROPIC.encode()).stderr


def test_import_shows_asks_and_leaves_the_file_alone(home: VaultHome) -> None:
    text = "# mine\nOPENAI_API_KEY='sk-from-dotenv-123456'\nexport ACME_TOKEN=abc # old\nEMPTY=\nPATH=/evil\nREF=${X}\n"
    path = write(home.folder + "/.env", text)
    person = Terminal(home, "import", path)
    person.answer("take 2 keys in? [y/N] ", "")
    seen = person.end(1)
    assert "sk-from" not in seen
    assert "…3456" in seen
    assert listed(home) == []
    person = Terminal(home, "import", path)
    person.answer("take 2 keys in? [y/N] ", "y")
    seen = person.end()
    assert "PATH steers how programs are loaded" in seen
    assert "refers to other variables" in seen
    assert [(key["ref"], key["created"]) for key in listed(home)] == [("custom/acme-token", None), ("openai/default", None)]
    assert text_of(path) == text
    again = home.run("import", path)
    assert again.stdout.count(b"already there") == 2
    write(path, "OPENAI_API_KEY=new\n")
    assert b"exists, kept" in home.run("import", "--yes", path).stdout
    assert value(home, "openai") == b"sk-from-dotenv-123456"
    home.run("import", "--yes", "--replace", path)
    assert (value(home, "openai"), value(home, "openai", "--version", "1")) == (b"new", b"sk-from-dotenv-123456")


def test_import_names_the_parts_of_a_credential_whose_key_is_not_there(home: VaultHome) -> None:
    path = write(home.folder + "/.env", "AWS_SECRET_ACCESS_KEY=secret-1\nAWS_REGION=eu\n")
    done = home.run("import", "--yes", path)
    for line, name in enumerate(("AWS_SECRET_ACCESS_KEY", "AWS_REGION"), 1):
        assert f"{path}:{line} gives {name} without the one key of aws".encode() in done.stderr
    assert b"secret-1" not in done.stderr
    assert listed(home) == []


def test_import_gives_no_key_a_part_that_may_be_anothers(home: VaultHome) -> None:
    one, other = (f"AWS_ACCESS_KEY_ID=id-{n}\nAWS_SECRET_ACCESS_KEY=secret-{n}\n" for n in (1, 2))
    secrets = [line for line in (one + other).splitlines() if "SECRET" in line]
    for text in (one + other, one + secrets[1], one + other.splitlines()[0]):
        done = home.run("import", "--yes", write(home.folder + "/.env", text))
        assert done.stderr.count(b"without the one key of aws") == text.count("SECRET")
        assert all("secret_access_key" not in key["fields"] for key in listed(home))


def test_import_takes_the_parts_of_each_files_key_and_notices_a_part_that_changed(home: VaultHome) -> None:
    first = "AWS_ACCESS_KEY_ID=id-1\nAWS_SECRET_ACCESS_KEY=secret-1\nAWS_REGION=eu\n"
    path, other = write(home.folder + "/.env", first), write(home.folder + "/two.env", first.replace("-1", "-2"))
    done = home.run("import", "--yes", path, other)
    assert b"skipped" not in done.stderr
    for ref, n in (("aws", b"1"), ("aws/default-2", b"2")):
        assert value(home, ref, "--field", "secret_access_key") == b"secret-" + n
        assert value(home, ref, "--field", "region") == b"eu"
    assert home.run("import", "--yes", path, path).stdout.count(b"already there") == 1

    write(path, first.replace("secret-1", "secret-3"))
    assert b"exists, kept" in home.run("import", "--yes", path).stdout
    home.run("import", "--yes", "--replace", path)
    assert value(home, "aws", "--field", "secret_access_key") == b"secret-3"
    assert value(home, "aws", "--field", "secret_access_key", "--version", "1") == b"secret-1"
    assert b"already there" in home.run("import", "--yes", "--replace", path).stdout


# -- list, show, get


def test_list_finds_by_name_variable_tag_and_glob(home: VaultHome) -> None:
    vault = home.open()
    add_key(vault, "openai/work", "1", "OPENAI_API_KEY")
    add_key(vault, "groq/default", "2", "GROQ_API_KEY")
    with vault.transaction("edit") as tx:
        changes.edit(tx, "groq/default", {"tags": {"team": "ml"}}, 1_790_000_000)
    for pattern, found in (
        ("open", ["openai/work"]),
        ("GROQ_API", ["groq/default"]),
        ("team=ml", ["groq/default"]),
        ("*/d*", ["groq/default"]),
        ("zzz", []),
    ):
        assert [key["ref"] for key in listed(home, pattern)] == found
    rows = home.run("list").stdout.decode().splitlines()
    assert rows[0].split() == ["KEY", "AGE", "LAST", "USED", "EXPIRES", "VARIABLES"]
    assert [row.split()[0] for row in rows[1:]] == ["groq/default", "openai/work"]


def test_an_empty_list_says_on_a_terminal_what_to_do(home: VaultHome) -> None:
    assert home.run("list").stdout == b""
    assert "no keys yet: keyvault add openai, or keyvault import .env" in Terminal(home, "list").end()


def test_show_tells_all_but_the_value(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", "--note", "ask Kim", stdin=b"sk-0123456789abcdef-tail")
    shown = home.run("show", "openai").stdout.decode()
    assert "…tail" in shown
    assert "0123456789abcdef" not in shown
    assert "ask Kim" in shown
    assert json.loads(home.run("show", "--json", "openai").stdout)["ref"] == "openai/default"


def test_get_gives_the_value_only_when_asked_in_so_many_words(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-1")
    for words in (["openai"], ["openai", "--reveal", "--copy"]):
        refused = home.run("get", *words, code=2)
        assert refused.stdout == b""
        assert b"--reveal prints it" in refused.stderr
    assert value(home, "openai") == b"sk-1"
    assert Terminal(home, "get", "openai", "--reveal").end() == "sk-1\n"


def test_get_copy_says_where_there_is_no_clipboard(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-1")
    done = home.run("get", "openai", "--copy", code=8, env={"PATH": "/nonexistent"})
    assert done.stdout == b""
    assert b"install xclip" in done.stderr


# -- edit, rename, rm, restore-key, purge, history, rollback


def test_edit_gives_a_new_value_and_history_and_rollback_know_the_old(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    person = Terminal(home, "edit", "openai", "--value")
    person.answer("new key for openai/default (hidden): ", "two")
    person.end()
    home.run("edit", "openai", "--value", "--stdin", stdin=b"three")
    states = json.loads(home.run("history", "--json", "openai").stdout)["versions"]
    assert [(v["version"], v["state"]) for v in states] == [(1, "earlier"), (2, "earlier"), (3, "current")]
    home.run("rollback", "openai")
    assert value(home, "openai") == b"two"
    home.run("rollback", "openai", "--to", "1")
    assert value(home, "openai") == b"one"
    assert value(home, "openai", "--version", "3") == b"three"
    assert b"the key has had this value before" in home.run("edit", "openai", "--value", "--stdin", stdin=b"two").stderr


def test_edit_takes_no_part_that_is_secret_as_an_argument(home: VaultHome) -> None:
    add = ("add", "acme", "--env", "ACME_ID", "--field", "region=eu", "--secret-field", "pin=env:PIN", "--stdin")
    home.run(*add, stdin=b"acme-id", env={"PIN": "9876"})
    said = home.run("edit", "acme", "--field", "pin=1234", code=2).stderr.decode()
    assert "field pin is secret" in said
    home.run("edit", "acme", "--field", "region=us")
    home.run("edit", "acme", "--secret-field", "pin=env:PIN", env={"PIN": "5432"})
    assert (value(home, "acme", "--field", "pin"), value(home, "acme", "--field", "region")) == (b"5432", b"us")
    assert listed(home)[0]["fields"] == {"pin": "secret", "region": "plain"}


def test_edit_forgets_a_place_by_its_path_or_its_repository(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-plain-value-of-a-key")
    path = write(os.path.join(home.folder, ".env"), "OPENAI_API_KEY=sk-plain-value-of-a-key\n")
    home.run("edit", "openai", "--place", ".env", "--place", "github:me/app")
    assert [place["path"] for place in listed(home)[0]["places"]] == [path, "me/app"]
    home.run("edit", "openai", "--no-place", ".env", "--no-place", "me/app")
    assert listed(home)[0]["places"] == []


def test_edit_changes_what_is_known_and_takes_it_away_again(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", "--tag", "a=1", "--expires", "2030-01-01", stdin=b"one")
    home.run("edit", "openai", "--tag", "b=2", "--note", "n", "--env", "OTHER_NAME", "--no-auto")
    (key,) = listed(home)
    assert (key["tags"], key["note"], key["env"], key["auto"]) == ({"a": "1", "b": "2"}, "n", ["OTHER_NAME"], False)
    home.run("edit", "openai", "--tag", "a=", "--note", "", "--expires", "none", "--auto")
    (key,) = listed(home)
    assert (key["tags"], key["note"], key["expires"], key["auto"], key["versions"]) == ({"b": "2"}, "", None, True, 1)


def test_rename_keeps_value_history_and_variable(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    home.run("rename", "openai", "openai/old")
    (key,) = listed(home)
    assert (key["ref"], key["env"]) == ("openai/old", ["OPENAI_API_KEY"])
    assert value(home, "openai/old") == b"one"
    home.run("get", "openai", "--reveal", code=3)


def test_a_removed_key_comes_back_until_it_is_purged(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    assert "it still works at its vendor until it is revoked there" in Terminal(home, "rm", "openai").end()
    assert listed(home) == []
    assert [key["ref"] for key in listed(home, "--removed")] == ["openai/default"]
    assert b"keyvault restore-key openai/default brings it back" in home.run("show", "openai", code=3).stderr
    home.run("restore-key", "openai")
    assert value(home, "openai") == b"one"
    assert b"keyvault rm openai/default first" in home.run("purge", "openai", code=1).stderr
    home.run("rm", "openai")
    person = Terminal(home, "purge", "openai")
    person.answer("erase openai/default for good? [y/N] ", "n")
    assert "not confirmed, so nothing was changed" in person.end(1)
    person = Terminal(home, "purge", "openai")
    person.answer("erase openai/default for good? [y/N] ", "y")
    assert "erased 1 value" in person.end()
    home.run("restore-key", "openai", code=3)
    assert listed(home, "--removed") == []


def test_a_key_named_twice_is_removed_once(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    home.run("rm", "openai", "openai/default")
    assert listed(home) == []


def test_purge_versions_erases_only_the_earlier_values(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    home.run("edit", "openai", "--value", "--stdin", stdin=b"two")
    home.run("purge", "openai", "--versions", "--yes")
    assert value(home, "openai") == b"two"
    assert b"was purged" in home.run("get", "openai", "--reveal", "--version", "1", code=3).stderr


# -- env, run


def test_env_masks_on_a_terminal_and_prints_into_a_pipe(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-0123456789abcdef-tail")
    seen = Terminal(home, "env").end()
    assert "OPENAI_API_KEY  …tail" in seen
    assert "0123456789" not in seen
    assert 'eval "$(keyvault env)"' in seen
    assert "sk-0123456789abcdef-tail" in Terminal(home, "env", "--reveal", "--format", "dotenv").end()
    script = "import os,subprocess,sys; print(os.environ['OPENAI_API_KEY'])"
    shell = f'eval $({" ".join(COMMAND)} env); {COMMAND[0]} -c "{script}"'
    done = subprocess.run(["bash", "-c", shell], env=home.environment, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"sk-0123456789abcdef-tail\n"


def test_a_prompt_inside_eval_is_on_the_terminal_and_not_in_the_variables(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    home.run("add", "openai", "--stdin", stdin=b"a b", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    script = f'eval "$({" ".join(COMMAND)} env)"; echo "got:$OPENAI_API_KEY:$?"'
    person = Terminal(home, program=["bash", "-c", script])
    person.answer("keyvault passphrase: ", PASSPHRASE)
    assert "got:a b:0" in person.end()


def test_run_gives_the_keys_to_the_program_and_takes_its_place(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-1")
    assert home.run("run", "--", "printenv", "OPENAI_API_KEY").stdout == b"sk-1\n"
    assert home.run("run", "sh", "-c", "exit 41", code=41).stderr == b""
    assert "sk-1" in Terminal(home, "run", "--", "sh", "-c", "test -t 0 && echo $OPENAI_API_KEY").end()


# -- the vault itself


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_run_with_redact_takes_a_closed_stream_as_it_is(home: VaultHome, closed: str) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-canary-0123456789")
    for stream in (1, 2):
        words = [*COMMAND, "run", "--redact", "--", "sh", "-c", f'echo "$OPENAI_API_KEY" >&{stream}; exit 3']
        done = subprocess.run(
            ["bash", "-c", f'exec "$@" {closed}', "bash", *words],
            env=home.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        shown = b"" if f"{stream}>&-".removeprefix("1") in closed.split() else b"***\n"
        assert (done.returncode, done.stdout if stream == 1 else done.stderr) == (3, shown)


def test_a_message_that_nobody_can_read_changes_no_exit_code(home: VaultHome) -> None:
    for words, code in (("get nope --reveal", 3), ("list", 0), ("frobnicate", 2)):
        done = subprocess.run(
            ["bash", "-c", f'exec "$@" {words} 2>/dev/full', "bash", *COMMAND],
            env=home.environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code


def test_slots_are_listed_added_used_and_removed(home: VaultHome) -> None:
    other = home.folder + "/other-key"
    home.run("slots", "add", "key-file", "--key-file", other)
    rows = json.loads(home.run("slots", "list", "--json").stdout)["slots"]
    assert [row["kind"] for row in rows] == ["key-file", "key-file"]
    assert b"(used now)" in home.run("slots", env={"KEYVAULT_KEY_FILE": other}).stdout
    person = Terminal(home, "slots", "remove", rows[0]["id"][:8])
    person.answer(f"take away key-file slot {rows[0]['id'][:8]}? [y/N] ", "y")
    person.end()
    home.run("list", code=5)
    home.run("list", env={"KEYVAULT_KEY_FILE": other})
    refused = home.run("slots", "remove", "key-file", "--yes", code=2, env={"KEYVAULT_KEY_FILE": other})
    assert b"this is the only way to unlock the vault" in refused.stderr


def test_slots_add_recovery_shows_the_code_on_the_terminal_and_it_opens_the_vault(home: VaultHome) -> None:
    person = Terminal(home, "slots", "add", "recovery")
    code = person.copy_recovery_code()
    person.end()
    home.run("list", env={"KEYVAULT_KEY_FILE": "", "KEYVAULT_PASSPHRASE": code})


def test_passwd_changes_the_passphrase(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    new = "plover lamp quorum zither"
    person = Terminal(home, "passwd")
    person.answer("keyvault passphrase: ", PASSPHRASE)
    person.answer("new passphrase: ", new)
    person.answer("the same again: ", new)
    assert "the passphrase is changed" in person.end()
    assert b"wrong passphrase" in home.run("list", code=5, env={"KEYVAULT_PASSPHRASE": PASSPHRASE}).stderr
    home.run("list", env={"KEYVAULT_PASSPHRASE": new})


def test_rekey_asks_names_what_goes_and_hands_out_a_new_code(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking(with_code=True)
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    home.run("add", "openai", "--stdin", stdin=b"sk-1", env=opened)
    person = Terminal(home, "rekey")
    person.answer("keyvault passphrase: ", PASSPHRASE)
    person.answer("go on? [y/N] ", "y")
    code = person.copy_recovery_code()
    assert "the present recovery code will open this vault no more" in person.end()
    home.run("list", code=5, env={"KEYVAULT_PASSPHRASE": home.code})
    for secret in (PASSPHRASE, code):
        assert home.run("get", "openai", "--reveal", env={"KEYVAULT_PASSPHRASE": secret}).stdout == b"sk-1"


def test_backup_and_restore_bring_an_earlier_day_back(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    copy = home.folder + "/copy.db"
    home.run("backup", copy)
    assert mode(copy) == 0o600
    home.run("rm", "openai")
    home.run("add", "groq", "--stdin", stdin=b"two")
    person = Terminal(home, "restore", copy)
    person.answer("go on from it? [y/N] ", "y")
    assert "2 changes are undone" in person.end()
    assert [key["ref"] for key in listed(home)] == ["openai/default"]
    assert value(home, "openai") == b"one"
    home.run("verify")


def test_restore_accepts_a_copy_that_was_put_back_by_hand(home: VaultHome) -> None:
    before = bytes_of(home.path)
    home.run("add", "openai", "--stdin", stdin=b"one")
    write(home.path, before)
    refused = home.run("list", code=6).stderr
    assert b"this machine has seen change 2" in refused
    assert b"keyvault restore accepts it" in refused
    assert b"someone put an older copy back" in home.run("doctor", code=1).stdout
    home.run("restore", "--yes")
    assert listed(home) == []


@pytest.mark.parametrize("which", ["anchor-", "path-"])
def test_restore_goes_on_where_this_machines_note_cannot_be_read(home: VaultHome, which: str) -> None:
    (note,) = [name for name in os.listdir(home.state) if name.startswith(which)]
    write(f"{home.state}/{note}", "not a note")
    home.run("restore", "--yes")
    assert home.run("list").stderr == b""
    assert "nothing to do" in Terminal(home, "restore").end()


def test_one_of_a_kind_is_not_said_as_several(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    assert home.run("verify").stdout == b"verified 1 key, 0 removed, 1 value, 2 changes\n"
    assert "tip: wrote 1 variable to .env\n" in Terminal(home, "env", "-o", ".env").end()


def test_verify_counts_and_log_tells_what_was_done(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"one")
    home.run("edit", "openai", "--value", "--stdin", stdin=b"two")
    home.run("rm", "openai")
    assert home.run("verify").stdout == b"verified 0 keys, 1 removed, 2 values, 4 changes\n"
    entries = json.loads(home.run("log", "--json").stdout)["log"]
    assert [(e["seq"], e["what"], e["keys"]) for e in entries] == [
        (4, "rm", ["openai/default"]),
        (3, "edit", ["openai/default"]),
        (2, "add", ["openai/default"]),
        (1, "init", []),
    ]
    assert home.run("log", "-n", "1").stdout.count(b"\n") == 2


def test_doctor_is_content_with_a_sound_vault_and_names_what_is_wrong(home: VaultHome) -> None:
    quiet = {"XDG_RUNTIME_DIR": home.folder}
    sound = home.run("doctor", env=quiet).stdout.decode()
    assert "unlocks by key-file" in sound
    assert "one way to unlock only" in sound
    assert "problem" not in sound
    os.chmod(home.path, 0o644)
    assert "chmod 600" in home.run("doctor", code=1, env=quiet).stdout.decode()
    os.chmod(home.path, 0o600)
    beside = home.home + "/key"
    write(beside, text_of(home.key_file))
    told = home.run("doctor", code=1, env=quiet | {"KEYVAULT_KEY_FILE": beside}).stdout.decode()
    assert "the key file lies in the vault's folder" in told
    nothing = home.run("doctor", code=1, env=quiet | {"KEYVAULT_HOME": home.folder + "/none"}).stdout.decode()
    assert "keyvault init makes one" in nothing


def test_completion_works_in_a_real_bash(home: VaultHome) -> None:
    os.mkdir(home.folder + "/bin")
    write(home.folder + "/bin/keyvault", f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n', 0o755)
    script = 'eval "$(keyvault completion bash)"; COMP_WORDS=(keyvault re); COMP_CWORD=1; '
    script += '_keyvault_completion keyvault; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "-c", script],
        env=home.environment | {"PATH": home.folder + "/bin:" + os.environ["PATH"]},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert set(done.stdout.split()) == {b"rename", b"restore-key", b"rekey", b"restore"}
    assert done.stderr == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_good_syntax(home: VaultHome, programs: Any, shell: str) -> None:
    path = write(home.folder + "/script", home.run("completion", shell).stdout)
    subprocess.run([programs[shell], "-n", path], check=True, timeout=60)


# -- a person at a prompt


@pytest.mark.parametrize("key", ["c", "d"])
@pytest.mark.parametrize("words", [("list",), ("slots", "remove", "passphrase")])
def test_ctrl_c_and_ctrl_d_at_a_prompt_end_with_130(tmp_path: os.PathLike[str], key: str, words: tuple[str, ...]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking(with_code=True)
    before = bytes_of(home.path)
    person = Terminal(home, *words)
    if words != ("list",):
        person.answer("keyvault passphrase: ", PASSPHRASE)
        person.press("[y/N] ", key)
    else:
        person.press("keyvault passphrase: ", key)
    assert "error" not in person.end(130)
    assert bytes_of(home.path) == before


def test_three_wrong_passphrases_end_with_5_and_a_right_third_one_opens(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    person = Terminal(home, "list")
    for _ in range(3):
        person.answer("keyvault passphrase: ", "wrong")
    seen = person.end(5)
    assert seen.count("warning: wrong passphrase, or its slot was altered") == 2
    assert "hint: keyvault doctor tells how this vault unlocks" in seen
    person = Terminal(home, "list")
    for typed in ("wrong", "", PASSPHRASE):
        person.answer("keyvault passphrase: ", typed)
    assert "no keys yet" in person.end()


def test_no_input_never_prompts_even_on_a_terminal(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    for words in (["list", "--no-input"], ["--no-input", "env"], ["env", "--no-input"], ["passwd", "--no-input"]):
        seen = Terminal(home, *words).end(4)
        assert "passphrase:" not in seen
        assert "keyvault unlock opens it" in seen
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    assert "passphrase:" not in Terminal(home, "passwd", "--no-input", env=opened).end(4)
    assert "(hidden)" not in Terminal(home, "add", "openai", "--no-input", env=opened).end(4)
    assert "[y/N]" not in Terminal(home, "rekey", "--no-input", "--no-recovery", env=opened).end(2)


def test_a_bare_keyvault_prints_its_help(home: VaultHome) -> None:
    bare, asked = home.run(), home.run("--help")
    assert bare.stdout == asked.stdout
    assert b"restore-key" in bare.stdout


def test_restore_over_another_vault_keeps_that_one_aside(tmp_path: Path) -> None:
    first, second = VaultHome(str(tmp_path / "a")), VaultHome(str(tmp_path / "b"))
    for home, value in ((first, "of-the-first"), (second, "of-the-second")):
        os.mkdir(home.folder)
        add_key(home.create(), "openai/default", value)
    first.run("backup", "copy")
    copy = os.path.join(first.folder, "copy")
    opens_first = {"KEYVAULT_KEY_FILE": first.key_file}
    done = second.run("restore", "--yes", copy, env=opens_first)
    aside = second.path + ".aside-1"
    assert aside.encode() in done.stderr
    assert second.run("get", "openai", "--reveal", env=opens_first).stdout == b"of-the-first"
    second.run("verify", env=opens_first)
    second.run("restore", "--yes", aside)
    assert second.run("get", "openai", "--reveal").stdout == b"of-the-second"
