"""Every refusal names what was wrong and what to do, has its frozen exit code, repeats no key, and changes nothing."""

from __future__ import annotations

import os
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Iterator

import pytest
from people import PASSPHRASE, AskingHome, Terminal, bytes_of, write
from vaults import COMMAND, VaultHome, add_key

from keyvault.core.clock import now, rfc3339

# As the catalogue's vendors shape them, and as nobody does.
KEYS = (
    "sk-proj-" + "aB3" * 30,
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "x1Y2" * 9,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
)
SHAPELESS = ("3f2a90bc3f2a90bc3f2a90bc3f2a90bc", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY", "correct-horse'Battery\\9-staple")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultHome]:
    made = VaultHome(str(tmp_path_factory.mktemp("home")))
    vault = made.create()
    add_key(vault, "openai/work", "value-of-openai", "OPENAI_API_KEY")
    add_key(vault, "groq/default", "value-of-groq", "GROQ_API_KEY")
    add_key(vault, "xai/old", "value-of-xai", "XAI_API_KEY")
    vault.store.close()
    made.run("rm", "xai/old")
    made.run("env", "--format", "json")  # the day's export is noted once
    made.run("get", "groq", "--reveal")
    listed = made.run("list", "--json").stdout
    yield made
    assert made.run("list", "--json").stdout == listed


def state(home: VaultHome) -> dict[str, bytes]:
    """What a refusal must not change: every file but the writers' lock, the state folder's too."""
    return {
        path: bytes_of(path)
        for folder, _, names in os.walk(home.folder)
        for name in names
        if not (path := os.path.join(folder, name)).endswith(".lock")
    }


def refused(home: VaultHome, words: tuple[str, ...], code: int, says: str, stdin: bytes = b"", **env: str) -> str:
    before = state(home)
    done = home.run(*words, stdin=stdin, env=env, code=code)
    said = done.stderr.decode()
    assert says in said
    lines = said.splitlines()
    assert sum(line.startswith("keyvault: error: ") for line in lines) == 1, said
    hints = [line for line in lines if line.startswith("keyvault: hint: ")]
    assert len(hints) == 1, said
    assert len(hints[0]) > len("keyvault: hint: ") + 4, said
    assert "Traceback" not in said
    assert b"value-of" not in done.stdout + done.stderr
    assert state(home) == before
    return said


ADD = ("add", "mistral", "--stdin")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        # names
        (("get", "opnai/work", "--reveal"), 3, 'did you mean "openai/work"?'),
        (("show", "nothing/like-it"), 3, "keyvault list shows the names"),
        (("env", "opnai/work"), 3, 'no key "opnai/work"'),
        (("rm", "groq", "opnai/work"), 3, 'no key "opnai/work"'),
        (("show", "xai/old"), 3, "keyvault restore-key xai/old brings it back"),
        (("add", "groq", "--stdin"), 1, "keyvault edit --value groq/default gives it a new value"),
        (("rename", "openai/work", "groq"), 1, 'key "groq/default" exists'),
        (("rename", "openai/work", "xai/old"), 1, "keyvault purge xai/old erases it for good"),
        (("rename", "groq", "groq"), 1, "has that name already"),
        (("restore-key", "groq"), 1, "is not removed"),
        (("purge", "groq", "--yes"), 1, "keyvault rm groq/default first"),
        (("add", "Open AI", "--stdin"), 2, '"Open AI" is not a key name'),
        (("add", "openai/Work", "--stdin"), 2, "names look like openai or openai/work"),
        (("add", "openai/", "--stdin"), 2, "is not a key name"),
        (("add", "a/b/c", "--stdin"), 2, "is not a key name"),
        (("add", "../../etc/passwd", "--stdin"), 2, "is not a key name"),
        (("add", "ｏpenai", "--stdin"), 2, "is not a key name"),
        (("add", "a" * 65, "--stdin"), 2, "at most 64 characters a part"),
        (("rename", "groq", "-"), 2, "is not a key name"),
        (("get", "groq", "--reveal", "--field", "nope"), 3, "groq/default has no field nope"),
        (("get", "groq", "--reveal", "--version", "7"), 3, "groq/default has no version 7"),
        (("rollback", "groq"), 3, "groq/default has no earlier value"),
        (("rollback", "groq", "--to", "1"), 1, "is the current one"),
        (("slots", "remove", "zz", "--yes"), 3, "keyvault slots lists them"),
        (("slots", "remove", "key-file", "--yes"), 2, "this is the only way to unlock the vault"),
        # what is said about a key
        ((*ADD, "--expires", "soon"), 2, '"soon" is not a date'),
        ((*ADD, "--expires", "2026-02-30"), 2, "write 2026-11-22"),
        ((*ADD, "--expires", "12026-01-01"), 2, "is not a date"),
        ((*ADD, "--created", "1812-01-01"), 2, "dates lie between 1970 and 9999"),
        ((*ADD, "--created", "yesterday"), 2, "is not a date"),
        ((*ADD, "--rotate-after", "2026-01-01"), 2, "is not a span of time"),
        ((*ADD, "--rotate-after", "-3d"), 2, "is not a span of time"),
        ((*ADD, "--env", "1ST"), 2, "not starting with a digit"),
        ((*ADD, "--env", "A B"), 2, "is not a variable name"),
        ((*ADD, "--env", "A\nB"), 2, "is not a variable name"),
        ((*ADD, "--env", "LD_PRELOAD"), 2, "LD_PRELOAD steers how programs are loaded or run"),
        ((*ADD, "--env", "Path"), 2, "choose another --env name"),
        ((*ADD, "--env", "BASH_ENV"), 2, "steers how programs are loaded or run"),
        ((*ADD, "--env", "PYTHONPATH"), 2, "steers how programs are loaded or run"),
        ((*ADD, "--env", "NODE_OPTIONS"), 2, "steers how programs are loaded or run"),
        ((*ADD, "--env", "KEYVAULT_KEY_FILE"), 2, "steers how programs are loaded or run"),
        ((*ADD, "--env", "OTHER=nope"), 2, "add it with --field or --secret-field"),
        ((*ADD, "--field", "region"), 2, "--field takes NAME=VALUE"),
        ((*ADD, "--field", "Bad Name=x"), 2, "is not a field name"),
        ((*ADD, "--field", "\udcff=x"), 2, "is not a field name"),
        ((*ADD, "--field", "region=\udcff"), 2, "the value of region is not valid UTF-8"),
        ((*ADD, "--note", "\udcff"), 2, "note is not valid UTF-8"),
        ((*ADD, "--secret-field", "token=x"), 2, "--secret-field token does not take a value"),
        ((*ADD, *(w for n in range(17) for w in ("--field", f"f{n}=x"))), 2, "at most 16 further fields"),
        ((*ADD, "--tag", "=x"), 2, "a tag has no name"),
        ((*ADD, "--tag", "k" * 65), 2, "is longer than 64 characters"),
        ((*ADD, "--note", "n" * 2049), 2, "the note is longer than 2048 characters"),
        (("add", "aws", "--stdin", "--field", "secret_access_key=abc"), 2, "field secret_access_key is secret"),
        # one variable for two parts: neither may win
        (("add", "acme-api", "--env", "ACME_API_KEY", "--field", "key=x", "--stdin"), 2, "ACME_API_KEY is taken, so field"),
        ((*ADD, "--env", "MISTRAL_API_KEY=region", "--field", "region=x"), 2, "MISTRAL_API_KEY is taken, so the value"),
        (("add", "aws", "--stdin", "--env", "AWS_REGION", "--field", "region=x"), 2, "AWS_REGION is taken, so field"),
        (("edit", "groq", "--env", "GROQ_API_KEY=region", "--field", "region=x"), 2, "GROQ_API_KEY is taken, so the value"),
        (("add", "nobody-knows", "--stdin"), 2, "--env"),
        (("add", "--stdin"), 2, "name it: keyvault add VENDOR"),
        (("edit", "groq"), 2, "nothing to change was given"),
        (("edit", "groq", "--stdin"), 2, "add --value"),
        ((*ADD, "--file", "x"), 2, "the value can come from one place only"),
        # an empty word is what a script's unset variable leaves, and not "none given"
        (("add", "", "--stdin"), 2, "it is empty"),
        (("add", "mistral", "--file", ""), 2, "'--file': it is empty"),
        (("add", "mistral", "--from-env", ""), 2, "'--from-env': it is empty"),
        ((*ADD, "--expires", ""), 2, "'--expires': it is empty"),
        (("edit", "groq", "--value", "--file", ""), 2, "'--file': it is empty"),
        (("get", "groq", "--reveal", "--field", ""), 2, "'--field': it is empty"),
        (("env", "-o", ""), 2, "it is empty"),
        (("env", "--output="), 2, "it is empty"),
        (("import", ""), 2, "it is empty"),
        (("backup", ""), 2, "it is empty"),
        (("restore", ""), 2, "it is empty"),
        (("restore", "", "--yes"), 2, "it is empty"),
        (("rekey", "--yes", "--recovery-file", ""), 2, "it is empty"),
        (("slots", "add", "key-file", "--key-file", ""), 2, "it is empty"),
        (("passwd", "--new-passphrase-file", ""), 2, "it is empty"),
        # files and formats
        (("add", "mistral", "--file", "/nonexistent/file"), 3, "/nonexistent/file does not exist"),
        (("add", "mistral", "--file", "/"), 1, "cannot read /: is a directory"),
        (("add", "mistral", "--from-env", "NOT_SET"), 3, "NOT_SET"),
        (("import", "/nonexistent/.env"), 3, "/nonexistent/.env does not exist"),
        (("import", "/dev/zero"), 2, "/dev/zero is not a plain file"),
        (("env", "--format", "cobol"), 2, "known: sh, bash"),
        (("env", "--dialect", "cobol"), 2, "portable"),
        (("env", "-o", "/"), 1, "is not a plain file"),
        (("env", "-o", "/nonexistent/.env"), 1, "cannot write /nonexistent/.env"),
        (("env", "--unset", "-o", "file"), 2, "leave out --unset or -o"),
        (("backup", "/nonexistent/b.db"), 1, "cannot create /nonexistent/b.db"),
        (("backup", "key"), 1, "choose another name"),
        (("restore", "/nonexistent/b.db"), 3, "/nonexistent/b.db does not exist"),
        (("init", "--no-recovery"), 1, "there is a vault at"),
        (("slots", "add", "key-file"), 1, "choose another place for the key file"),
        (("slots", "add", "key-file", "--key-file", "vault/key"), 2, "a backup that holds both is plain text"),
        (("passwd",), 2, "the vault has no passphrase slot"),
        # nobody to ask
        (("add", "mistral"), 4, "use --stdin, --file FILE or --from-env VAR"),
        (("slots", "add", "passphrase"), 4, "no terminal"),
        (("slots", "add", "recovery"), 2, "--recovery-file"),
        (("rekey", "--no-recovery"), 2, "add --yes"),
        (("purge", "xai/old"), 2, "add --yes"),
        # usage
        (("xyzzy",), 2, "keyvault --help"),
        (("lits",), 2, "list"),
        (("list", "--frobnicate"), 2, "keyvault list --help"),
        (("get", "groq"), 2, "--reveal prints it"),
        (("rm",), 2, "keyvault rm --help"),
        (("log", "-n", "0"), 2, "keyvault log --help"),
        (("log", "-n", "1" + "0" * 20), 2, "keyvault log --help"),
        (("completion", "cobol"), 2, "fish"),
        (("env", "--format"), 2, "requires an argument"),
        (("run",), 125, "no program to run"),
        (("run", "--onyl", "groq", "--", "true"), 125, "no such option"),
        (("run", "--only", "opnai/work", "--", "true"), 125, 'did you mean "openai/work"?'),
    ],
)
def test_refusals_say_what_and_what_now_and_change_nothing(
    home: VaultHome, words: tuple[str, ...], code: int, says: str
) -> None:
    refused(home, words, code, says, b"some-value")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"", "the value is empty"),
        (b"\xff\xfe", "the value is not UTF-8 text"),
        (b"x" * (64 * 1024 + 1), "larger than 64 KiB"),
        (b"x" * (64 * 1024 - 1) + "é".encode(), "larger than 64 KiB"),
        (b"x" * 10_000_000, "larger than 64 KiB"),
    ],
)
def test_values_that_are_no_values(home: VaultHome, value: bytes, says: str) -> None:
    refused(home, ADD, 2, says, value)
    refused(home, ("edit", "groq", "--value", "--stdin"), 2, says, value)


def test_a_nul_character_is_kept_but_goes_into_no_environment(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "groq/default", "fine", "GROQ_API_KEY")
    home.run("add", "mistral", "--stdin", stdin=b"a\0b")
    assert home.run("get", "mistral", "--reveal").stdout == b"a\0b"
    done = home.run("env", "--format", "dotenv", code=1)
    assert done.stdout == b"GROQ_API_KEY=fine\n"
    assert b"MISTRAL_API_KEY is left out: no environment can hold a NUL character" in done.stderr
    refused(home, ("run", "--", "true"), 125, "MISTRAL_API_KEY holds a NUL character")
    home.run("run", "--only", "groq", "--", "true")


# -- a key as an argument


@pytest.mark.parametrize("key", KEYS)
def test_keys_of_every_shape_are_refused_as_arguments(home: VaultHome, key: str) -> None:
    said = refused(home, ("add", key), 2, "it is now in your shell's history")
    assert key[4:] not in said


@pytest.mark.parametrize(
    "words",
    [
        ("add", "mistral", "{}"),
        ("add", "{}"),
        ("add", "mistral", "--stdin", "--note", "it is {}"),
        ("add", "mistral", "--value={}"),
        ("edit", "groq", "--value", "{}"),
        ("env", "{}"),
        ("env", "--format={}"),
        ("{}",),
        ("list", "MISTRAL_API_KEY={}"),
        ("add", "mistral", "--from-env", "{}"),
        ("add", "mistral", "--secret-field", "token={}"),
    ],
)
def test_a_key_as_an_argument_is_refused_and_not_repeated(home: VaultHome, words: tuple[str, ...]) -> None:
    key = KEYS[0]
    given = tuple(word.format(key) for word in words)
    said = refused(home, given, 2, "", b"value")
    assert key[4:] not in said
    if words != ("env", "--format={}"):
        assert "it is now in your shell's history" in said


@pytest.mark.parametrize("key", SHAPELESS)
@pytest.mark.parametrize(
    "words",
    [
        ("add", "mistral", "{}"),
        ("add", "{}", "--stdin"),
        ("get", "{}", "--reveal"),
        ("show", "mistral/{}"),
        ("add", "mistral", "--value={}"),
        ("edit", "groq", "--value={}"),
        ("edit", "groq", "--value", "{}"),
        ("{}",),
        ("env", "{}"),
        ("env", "--dialect={}"),
        ("env", "--dialect", "{}"),
        ("log", "-n{}"),
        ("log", "-n", "{}"),
        ("slots", "add", "{}"),
        ("slots", "{}"),
        ("completion", "{}"),
        ("init", "--unlock={}"),
        ("list", "a", "{}"),
        ("add", "mistral", "--stdin", "--env", "{}"),
        ("add", "mistral", "--from-env", "{}"),
        ("run", "--only", "{}", "--", "true"),
    ],
)
def test_a_key_of_no_known_shape_is_not_repeated_either(home: VaultHome, key: str, words: tuple[str, ...]) -> None:
    given = tuple(word.format(key) for word in words)
    done = home.run(*given, stdin=b"value", code=None)
    assert done.returncode in (2, 3, 125), given
    assert done.stdout == (b"(exit %d);\n" % done.returncode if words[0] == "env" else b"")
    said = done.stderr.decode()
    assert key not in said
    assert repr(key)[1:-1] not in said
    assert key[2:] not in said


# -- unlocking


def test_a_wrong_secret_is_5_at_once(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking(with_code=True)
    before = bytes_of(home.path)
    other = VaultHome(str(tmp_path) + "/other")
    os.mkdir(other.folder)
    other.create().store.close()
    mistyped = home.code[:-1] + ("0" if home.code[-1] != "0" else "1")
    cases = (
        ({"KEYVAULT_PASSPHRASE": "wrong"}, "wrong passphrase"),
        ({"KEYVAULT_PASSPHRASE": mistyped}, "wrong passphrase"),
        ({"KEYVAULT_PASSPHRASE_FILE": "/nonexistent"}, "cannot read the passphrase from KEYVAULT_PASSPHRASE_FILE"),
        ({"KEYVAULT_PASSPHRASE_FD": "77"}, "cannot read the passphrase from KEYVAULT_PASSPHRASE_FD"),
        ({"KEYVAULT_KEY_FILE": other.key_file}, "this vault has no key-file slot"),
    )
    for env, says in cases:
        for words in (("list",), ("rekey", "--yes", "--no-recovery"), ("env",)):
            done = home.run(*words, code=5, env=env)
            assert says in done.stderr.decode()
            assert b"keyvault: hint: " in done.stderr
    for number in ("x", "-1", "9" * 30):
        done = home.run("list", code=2, env={"KEYVAULT_PASSPHRASE_FD": number})
        assert b"KEYVAULT_PASSPHRASE_FD is not a file descriptor's number" in done.stderr
    home.run("list", code=5, env={"KEYVAULT_PASSPHRASE_FD": "999999999"})
    wrong = other.run("list", code=5, env={"KEYVAULT_KEY_FILE": write(home.folder + "/f", "not a key file")})
    assert b"is not a keyvault key file" in wrong.stderr
    gone = other.run("list", code=5, env={"KEYVAULT_KEY_FILE": home.folder + "/gone"})
    assert b"check KEYVAULT_KEY_FILE" in gone.stderr
    assert bytes_of(home.path) == before


def test_locked_without_a_terminal_is_4_at_once_whatever_the_command(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    before = bytes_of(home.path)
    for words in (("list",), ("env",), ("get", "openai", "--reveal"), ("rekey",), ("passwd",), ("verify",), ("restore",)):
        start = time.monotonic()
        done = home.run(*words, code=4)
        assert time.monotonic() - start < 5
        assert b"the vault is locked, and there is no terminal to ask on" in done.stderr
        assert b"set KEYVAULT_PASSPHRASE_FILE, KEYVAULT_PASSPHRASE_FD or KEYVAULT_KEY_FILE" in done.stderr
    assert b"locked" in home.run("run", "--", "true", code=125).stderr
    assert bytes_of(home.path) == before


def test_the_hint_to_a_locked_vault_names_only_what_opens_it(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    home.create().store.close()
    done = home.run("list", code=4, env={"KEYVAULT_KEY_FILE": ""})
    assert b"there is no terminal to ask on" in done.stderr
    assert done.stderr.endswith(b"hint: set KEYVAULT_KEY_FILE\n")


def test_init_without_a_terminal_makes_nothing_unless_told_where_the_secrets_go(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    for words, env, code, says in (
        ((), {}, 4, "no terminal to ask for a passphrase"),
        ((), {"KEYVAULT_PASSPHRASE": PASSPHRASE}, 2, "--recovery-file"),
        (("--no-recovery",), {"KEYVAULT_PASSPHRASE": "hunter2"}, 2, "--insist takes it all the same"),
        (("--no-recovery", "--unlock", "key-file"), {}, 2, "add --key-file FILE"),
        (("--no-recovery", "--key-file", home.home + "/key"), {}, 2, "a backup that holds both is plain text"),
        (("--no-recovery", "--unlock", "keyring"), {}, 8, "keyring"),
        (("--recovery-file", "/nonexistent/code", "--key-file", "k"), {}, 1, "cannot create /nonexistent/code"),
    ):
        done = home.run("init", *words, env=env, code=code)
        assert says in done.stderr.decode()
        assert b"keyvault: hint: " in done.stderr
        assert not os.path.exists(home.path)
        assert not os.path.exists(home.folder + "/k")


# -- vaults that are not ours, and files that are not safe


def test_a_missing_vault_is_3_and_says_how_to_make_one(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    for words in (("list",), ("env",), ("add", "openai", "--stdin"), ("rekey",), ("backup", "b"), ("slots",)):
        done = home.run(*words, code=3, stdin=b"x")
        assert b"keyvault: hint: keyvault init makes one" in done.stderr
    home.run("run", "--", "true", code=125)
    assert os.listdir(home.folder) == []


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        ("text", 1, "is not a keyvault vault"),
        ("empty", 1, "is not a keyvault vault"),
        ("foreign", 1, "is not a keyvault vault"),
        ("newer", 1, "update keyvault"),
        ("cut", 6, "restore a backup"),
        ("table", 6, "was altered"),
    ],
)
def test_foreign_newer_and_damaged_vaults(tmp_path: os.PathLike[str], what: str, code: int, says: str) -> None:
    home = VaultHome(str(tmp_path))
    home.create().store.close()
    if what == "text":
        write(home.path, "this is my diary, and no database at all\n" * 100)
    elif what == "empty":
        write(home.path, "")
    elif what == "cut":
        write(home.path, bytes_of(home.path)[:5000])
    else:
        sql = {"foreign": "PRAGMA application_id = 7", "newer": "PRAGMA user_version = 2", "table": "CREATE TABLE t (x)"}[what]
        db = sqlite3.connect(home.path)
        db.execute(sql)
        db.commit()
        db.close()
    before = bytes_of(home.path)
    for words in (("list",), ("add", "openai", "--stdin"), ("rekey", "--yes", "--no-recovery")):
        done = home.run(*words, code=code, stdin=b"x")
        assert says in done.stderr.decode()
        assert b"keyvault: hint: " in done.stderr
    assert says.encode() in home.run("doctor", code=1).stdout
    assert bytes_of(home.path) == before


def test_loose_modes_foreign_owners_and_links_are_refused_with_the_remedy(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "openai/default", "value-of-openai")
    for path, mode, says in (
        (home.path, 0o640, f"chmod 600 {home.path}"),
        (home.home, 0o755, f"chmod 700 {home.home}"),
        (home.key_file, 0o604, f"chmod 600 {home.key_file}"),
        (home.state, 0o777, f"chmod 700 {home.state}"),
    ):
        right = os.stat(path).st_mode & 0o777
        os.chmod(path, mode)
        done = home.run("add", "groq", "--stdin", stdin=b"x", code=None)
        assert (done.returncode, says in done.stderr.decode()) == (1, True), done.stderr
        assert b"open to other users" in done.stderr
        os.chmod(path, right)
    for path in (home.path, home.home, home.key_file):
        os.rename(path, path + ".real")
        os.symlink(path + ".real", path)
        done = home.run("list", code=1)
        assert b"is a symbolic link" in done.stderr
        assert b"keyvault follows no links" in done.stderr
        os.unlink(path)
        os.mkfifo(path, 0o600)
        assert b"is not a plain" in home.run("list", code=1).stderr
        os.unlink(path)
        os.rename(path + ".real", path)
    if os.geteuid() == 0:
        for path in (home.path, home.home, home.key_file):
            os.chown(path, 65534, 65534)
            assert b"belongs to another user" in home.run("list", code=1).stderr
            os.chown(path, 0, 0)
    home.run("verify")


def test_a_read_only_folder_gives_its_keys_and_takes_none(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    add_key(home.create(), "openai/default", "value-of-openai", "OPENAI_API_KEY")
    before = bytes_of(home.path)
    # For root, modes are advice; without its capabilities it is a user like others.
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
    os.chmod(home.path, 0o400)
    for folder in (home.home, home.state):
        os.chmod(folder, 0o500)
    try:
        for words, code, says in (
            (("env", "--format", "dotenv"), 0, ""),
            (("list",), 0, ""),
            (("add", "groq", "--stdin"), 1, "check"),
            (("rekey", "--yes", "--no-recovery"), 1, "check"),
            (("backup", home.home + "/b"), 1, "check"),
        ):
            person = Terminal(home, program=[*drop, "sh", "-c", 'printf x | "$@"', "sh", *COMMAND, *words])
            said = person.end(code)
            assert says in said
            assert "internal error" not in said
            assert ("keyvault: error: " in said) is (code == 1), said
        os.chmod(home.folder, 0o500)
        person = Terminal(home, program=[*drop, *COMMAND, "env", "-o", home.folder + "/.env"])
        assert "permission denied" in person.end(1)
        person = Terminal(home, program=[*drop, *COMMAND, "init", "--no-recovery"], env={"KEYVAULT_HOME": home.folder + "/n"})
        assert "check who owns the folder" in person.end(1)
    finally:
        for path in (home.folder, home.home, home.state):
            os.chmod(path, 0o700)
    os.chmod(home.path, 0o600)
    assert bytes_of(home.path) == before
    assert not os.path.exists(home.folder + "/.env")


def test_a_clock_that_went_back_loses_nothing_and_makes_no_negative_ages(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    later = now() + 10 * 365 * 86_400
    add_key(vault, "openai/default", "value-of-openai", "OPENAI_API_KEY", at=later)
    vault.store.close()
    home.run("edit", "openai", "--value", "--stdin", stdin=b"newer")
    rows = [line.split() for line in home.run("list").stdout.decode().splitlines()[1:]]
    assert [row[:2] for row in rows] == [["openai/default", "0d"]]
    assert home.run("get", "openai", "--reveal").stdout == b"newer"
    home.run("verify")


def test_a_key_made_in_the_future_is_a_slip_of_the_hand(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    home.create().store.close()
    later = rfc3339(now() + 10 * 86_400)
    done = home.run("add", "groq", "--stdin", "--created", later, stdin=b"x", code=2)
    assert b"--created lies in the future" in done.stderr
    home.run("add", "groq", "--stdin", "--created", rfc3339(now() + 3600), stdin=b"x")


@pytest.mark.parametrize(
    "words",
    ["list", "env --format bash", "--version", "get groq --reveal", "show groq", "--help", "list -h", "--no-input --version"],
)
def test_a_closed_or_full_output_is_one_clear_line(home: VaultHome, words: str) -> None:
    command = " ".join(map(shlex.quote, COMMAND))
    for where in (">&-", ">/dev/full"):
        script = f"{command} {words} {where}"
        done = subprocess.run(["bash", "-c", script], env=home.environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr.count(b"keyvault: error: cannot write the output: ") == 1
        assert b"Traceback" not in done.stderr


def test_a_closed_or_unreadable_input_is_one_clear_line(home: VaultHome) -> None:
    for how, code, says in (("<&-", 2, b"standard input is closed"), ("0>/dev/null", 1, b"cannot read standard input")):
        done = subprocess.run(
            ["bash", "-c", f'exec "$@" {how}', "bash", *COMMAND, *ADD], env=home.environment, capture_output=True, timeout=60
        )
        assert (done.returncode, done.stderr.count(b"keyvault: error: "), says in done.stderr) == (code, 1, True), done.stderr


def test_a_name_of_any_length_is_cut_where_it_is_shown(home: VaultHome) -> None:
    for words, code, says in (
        (("add", "mistral", "--file", "/" + "x" * 5000), 1, "file name too long"),
        (("restore", "/" + "x/" * 5000), 1, "file name too long"),
        (("show", "a" * 5000), 2, "is not a key name"),
    ):
        said = refused(home, words, code, says)
        assert max(map(len, said.splitlines())) < 1100


@pytest.mark.parametrize("words", ["backup copy", "env --format dotenv -o .env"])
def test_a_folder_that_is_gone_is_one_clear_line(home: VaultHome, tmp_path: os.PathLike[str], words: str) -> None:
    command = " ".join(map(shlex.quote, COMMAND))
    script = f"mkdir gone && cd gone && rmdir ../gone && {command} {words}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=home.environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, b"the current folder does not exist any more" in done.stderr) == (2, True)
