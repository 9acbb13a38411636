"""Sources made, or read, by the real programs: what we read from a file is what the program itself has."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
import secret_service
from conftest import Programs
from people import Terminal, text_of, write
from vaults import VaultHome

from keyvault import formats
from keyvault.discover import sources, text_file
from keyvault.discover.reading import read_one
from keyvault.discover.sources.base import Gone

KEY = "sk-aaaaaaaaaa1111111111"


@pytest.fixture
def home(tmp_path: os.PathLike[str]) -> VaultHome:
    made = VaultHome(str(tmp_path))
    made.create().store.close()
    return made


def run(*command: str, stdin: bytes = b"", env: dict[str, str] | None = None, folder: str = "/") -> bytes:
    done = subprocess.run(
        command,
        input=stdin,
        env={"PATH": os.environ["PATH"], **(env or {})},
        capture_output=True,
        timeout=120,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def one_word(chance: random.Random) -> str:
    """A word of a shell, quoted in any way, of the characters that matter."""
    pieces = []
    for _ in range(chance.randint(1, 4)):
        text = "".join(chance.choice("ab \"'\\#!~%^&;|<>(){}[]*?\t=:,@") for _ in range(chance.randint(1, 6)))
        quote = chance.choice(["'", '"', "\\", ""])
        if quote == "'":
            pieces.append("'" + text.replace("'", "") + "'")
        elif quote == '"':
            pieces.append('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
        elif quote == "\\":
            pieces.append("".join("\\" + c for c in text))
        else:
            pieces.append("".join(c for c in text if c in "ab%^=:,@#"))
    return "".join(pieces)


def as_read(kind: str, text: str) -> dict[str, str]:
    found = sources.text_source(kind).read(text_file.decode("x", text.encode())).found
    return {f.variable: f.value.reveal() for f in found}


SHELLS = {
    "bash": ("shell", "export {name}={word}\n", ["bash", "--norc"]),
    "dash": ("shell", "{name}={word}; export {name}\n", ["dash"]),
    "zsh": ("shell", "export {name}={word}\n", ["zsh", "-f"]),
    "fish": ("fish", "set -gx {name} {word}\n", ["fish", "--no-config"]),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_literal_that_is_read_is_what_the_shell_has(shell: str, programs: Programs, tmp_path: os.PathLike[str]) -> None:
    kind, line, command = SHELLS[shell]
    chance = random.Random(shell)
    text = "".join(line.format(name=f"V{n}_API_KEY", word="abcdefgh" + one_word(chance)) for n in range(300))
    understood = as_read(kind, text)
    assert len(understood) > 150
    kept = "".join(part for part in text.splitlines(keepends=True) if any(name in part for name in understood))
    script = write(f"{tmp_path}/script", kept)
    environment = run(
        programs[command[0]], *command[1:], "-c", f". {script}; env -0", env={"HOME": str(tmp_path)}, folder=str(tmp_path)
    )
    has = dict(pair.split("=", 1) for pair in environment.decode().split("\0") if "=" in pair)
    assert understood == {name: has[name] for name in understood}


BLOCKS = (
    "if true; then\nLINE\nfi\n",
    "if true\nthen # why\n# a comment\n\n  LINE\n  LINE\nelse\nLINE\nfi\n",
    "for x in 1; do\nLINE\ndone\n",
    "f() {\nLINE\n}\n",
    "(\n\tLINE\n)\n",
    "case x in\nx)\nLINE\n;;\nesac\n",
    "true &&\nLINE\n",
)


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh"])
def test_a_script_without_its_keys_is_still_a_script(shell: str, programs: Programs, tmp_path: os.PathLike[str]) -> None:
    for block in BLOCKS:
        text = block.replace("LINE", f"export NAME_API_KEY={KEY}")
        source, file = sources.text_source("shell"), text_file.decode("x", text.encode())
        found = source.read(file).found
        assert len(found) == block.count("LINE")
        script = write(f"{tmp_path}/script", source.without(text, [Gone(f, "openai/default") for f in found]))
        assert KEY not in text_of(script)
        run(programs[shell], script)


@pytest.mark.parametrize("format_name", ["sh", "bash", "fish", "powershell", "cmd", "renviron", "dotenv"])
def test_what_keyvault_exports_it_reads_back(format_name: str) -> None:
    kind = {"sh": "shell", "bash": "shell"}.get(format_name, format_name)
    chance = random.Random(format_name)
    values = {
        f"V{n}_API_KEY": "value-" + "".join(chance.choice("ab'\"\\ $`!%\u4e2d#\n;&|") for _ in range(8)) + "-end"
        for n in range(200)
    }
    rendered = formats.load(format_name).render(list(values.items()))
    carried = {name: value for name, value in values.items() if name not in {r.variable for r in rendered.refused}}
    read = as_read(kind, rendered.text)
    assert read.items() <= carried.items()
    left_out = carried.keys() - read.keys()  # told as skipped: `${` may be a reference
    assert all("$" in carried[name] or "%" in carried[name] for name in left_out)
    assert len(read) >= 20


def test_fish_variables_are_those_of_fish(programs: Programs, tmp_path: os.PathLike[str]) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": f"{tmp_path}/config"}
    value = "sk-'a b\\c\"\u4e2d$x"
    run(programs["fish"], "-c", "set -Ux OPENAI_API_KEY $argv[1]; set -U other x", value, env=environment)
    path = f"{tmp_path}/config/fish/fish_variables"
    reading = read_one(path)
    (found,) = reading.found
    assert (found.variable, found.value.reveal()) == ("OPENAI_API_KEY", value)
    file = text_file.read(path)
    text = sources.recognise(file).without(file.text, [Gone(found, "openai/default")])
    write(path, text)
    left = run(programs["fish"], "-c", "set -q OPENAI_API_KEY; echo $status $other", env=environment)
    assert left == b"1 x\n"


def test_renviron_is_read_as_r_reads_it(programs: Programs, tmp_path: os.PathLike[str]) -> None:
    words = [
        "abcdefgh",
        "'abc defgh'",
        '"it\'s mine"',
        "abc def # gh",
        "'abc'\"def\"gh",
        '"abc\\"defgh"',
        "  'abcdefgh'  ",
        "'a\\bcdefgh'",
    ]
    text = "".join(f"V{n}_API_KEY={word}\n" for n, word in enumerate(words))
    path = write(f"{tmp_path}/.Renviron", text)
    names = ",".join(f"'V{n}_API_KEY'" for n in range(len(words)))
    script = f"cat(Sys.getenv(c({names})), sep='\\n')"
    printed = run(programs["Rscript"], "-e", script, env={"HOME": str(tmp_path), "R_ENVIRON_USER": path, "LANG": "C.UTF-8"})
    assert list(as_read("renviron", text).values()) == printed.decode().splitlines()


def test_start_up_files_of_this_system_are_read_and_end(tmp_path: os.PathLike[str]) -> None:
    for path in ("/etc/skel/.bashrc", "/etc/skel/.profile", "/etc/bash.bashrc", "/etc/profile", "/etc/zsh/zshrc"):
        if os.path.exists(path):
            copy = write(f"{tmp_path}/.bashrc", text_of(path) + f"export OPENAI_API_KEY={KEY}\n")
            (found,) = read_one(copy).found
            assert (found.value.reveal(), found.cut is not None) == (KEY, True), path


def test_a_keepassxc_database_opens_with_its_password(home: VaultHome, programs: Programs) -> None:
    base = home.folder + "/keys.kdbx"
    cli = programs["keepassxc-cli"]
    environment = {"HOME": home.folder, "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8"}
    run(cli, "db-create", "-q", "-t", "100", "--set-password", base, stdin=b"master word\nmaster word\n", env=environment)
    run(cli, "mkdir", "-q", base, "APIs", stdin=b"master word\n", env=environment)
    for title, value in (("APIs/OpenAI API key (work)", KEY), ("GROQ_API_KEY", "gsk-" + KEY), ("my bank", "hunter2hunter2")):
        run(cli, "add", "-q", "-p", base, title, stdin=f"master word\n{value}\n".encode(), env=environment)
    assert b"there is nobody to ask" in home.run("import", base, code=4).stderr
    person = Terminal(home, "import", base)
    person.answer("password of keys.kdbx (hidden): ", "wrong word")
    assert "the password does not open" in person.end(5)
    person = Terminal(home, "import", "--clean", base)
    person.answer("password of keys.kdbx (hidden): ", "master word")
    person.answer("take 2 keys in? [y/N] ", "y")
    seen = person.end()
    assert "one other entry" in seen
    assert "was left as it is" in seen
    assert KEY not in seen
    assert home.run("get", "openai/work", "--reveal").stdout.decode() == KEY
    assert home.run("get", "groq", "--reveal").stdout.decode() == "gsk-" + KEY
    exported = run(cli, "export", "-q", "--format", "csv", base, stdin=b"master word\n", env=environment)
    again = home.run("import", write(home.folder + "/export.csv", exported))
    assert again.stdout.count(b"already there") == 2


@pytest.fixture
def password_store(home: VaultHome, programs: Programs) -> Iterator[dict[str, str]]:
    short = subprocess.run(["mktemp", "-d", "/tmp/kv-gpg.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip()
    environment = {"HOME": home.folder, "GNUPGHOME": short, "PASSWORD_STORE_DIR": home.folder + "/store"}
    gpg = [programs["gpg"], "--batch", "--pinentry-mode", "loopback", "--passphrase", ""]
    run(*gpg, "--quick-generate-key", "test@example.invalid", "default", "default", "never", env=environment)
    run(programs["pass"], "init", "test@example.invalid", env=environment)
    yield environment
    subprocess.run(
        [programs["gpgconf"], "--kill", "all"], env={"PATH": os.environ["PATH"], **environment}, check=False, timeout=30
    )
    subprocess.run(["rm", "-r", short], check=True)


def test_entries_of_pass_are_taken_in_by_name(home: VaultHome, programs: Programs, password_store: dict[str, str]) -> None:
    for name, text in (
        ("api/openai/work", KEY + "\nuser: me\n"),
        ("api/groq", "gsk-" + KEY + "\n"),
        ("bank/login", "hunter2hunter2\n"),
    ):
        run(programs["pass"], "insert", "-m", name, stdin=text.encode(), env=password_store)
    home.run("import", "--yes", "pass:", env=password_store)
    assert home.run("list").stdout.split(b"\n")[1:] != []
    assert home.run("get", "openai/work", "--reveal").stdout.decode() == KEY
    assert home.run("get", "groq", "--reveal").stdout.decode() == "gsk-" + KEY
    assert b"hunter2" not in home.run("env", "--format", "json").stdout
    done = home.run("import", "--yes", "--clean", "pass:bank", env=password_store)
    assert b"another program's store" in done.stderr
    assert b"hunter2hunter2" in home.run("env", "--format", "json").stdout
    assert b"no such entry" in home.run("import", "pass:nothing", env=password_store, code=3).stderr


@pytest.mark.skipif(sys.platform != "linux" or bool(secret_service.MISSING), reason="needs the Secret Service")
def test_an_item_of_another_program_in_the_keyring_is_read_and_left(home: VaultHome) -> None:
    with secret_service.running() as session:
        environment = {"DBUS_SESSION_BUS_ADDRESS": session.address}
        script = "import keyring, sys; keyring.set_password('My Groq app', 'me', sys.argv[1])"
        run(
            sys.executable,
            "-c",
            script,
            "gsk-" + KEY,
            env={**environment, "HOME": home.folder, "PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"},
        )
        before = session.items()
        for name in ("keyring:My Groq app/me", "keyring:My Groq app"):
            done = home.run("import", "--yes", name, env=environment)
            assert b"groq" in done.stdout
        assert b"has no item" in home.run("import", "keyring:nothing", env=environment, code=3).stderr
        assert session.items() == before
    assert home.run("get", "groq/app-me", "--reveal").stdout.decode() == "gsk-" + KEY
