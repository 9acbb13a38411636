"""Secrets are where they were asked for, and nowhere else: not in files, not in messages, not in argv, not in cores."""

from __future__ import annotations

import base64
import glob
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import Self

import pytest
from people import AskingHome, Terminal, bytes_of, write
from vaults import COMMAND, VaultHome, add_key, without_terminal

from keyvault.formats import FORMATS
from keyvault.vault import changes

VALUE = "CanaryValue-7f3Qz-wombat-quartz"
OTHER_VALUE = "CanaryOther-9k1Xw-gecko-basalt"
LABEL = "canarylabelwombat"
NOTE = "CanaryNote zebra umbrella"
TAG = "canarytagname=CanaryTagValue"
PASSPHRASE = "CanaryPass jackdaw thimble orchard"
SECRETS = (VALUE, OTHER_VALUE, PASSPHRASE)
SEALED = (*SECRETS, LABEL, NOTE, *TAG.split("="), "OPENAI_API_KEY")


def forms(text: str) -> list[bytes]:
    """A text as it might lie in a file."""
    found = []
    for plain in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        found += [plain, plain.hex().encode(), plain.hex().upper().encode()]
        for shift in range(3):  # base64 depends on where in a longer text it begins
            encoded = base64.b64encode(b"x" * shift + plain)
            found += [encoded[4 if shift else 0 : -4], encoded[4 if shift else 0 : -4].replace(b"+", b"-").replace(b"/", b"_")]
    return found


def traces(data: bytes, texts: tuple[str, ...]) -> list[str]:
    return [text for text in texts if any(form in data for form in forms(text))]


class OpenFolderHome(AskingHome):
    """A home in a folder that everybody may enter, so that only the vault's own modes keep them out."""

    passphrase = PASSPHRASE
    with_key_file = False

    @property
    def environment(self) -> dict[str, str]:
        key_file = {"KEYVAULT_KEY_FILE": self.key_file} if self.with_key_file else {}
        return super().environment | {"TMPDIR": self.folder + "/tmp", "KEYVAULT_PASSPHRASE": PASSPHRASE} | key_file


@pytest.fixture
def home() -> Iterator[OpenFolderHome]:
    folder = tempfile.mkdtemp(prefix="kv-leaks-")
    os.chmod(folder, 0o755)
    os.mkdir(folder + "/tmp", 0o700)
    try:
        yield OpenFolderHome(folder)
    finally:
        shutil.rmtree(folder)


class Sampler(threading.Thread):
    """Reads every process's command line, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[bytes] = set()
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    self.seen.add(bytes_of(path))
                except OSError:
                    continue
            self.done.wait(0.02)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join()


def test_the_search_finds_every_form() -> None:
    for text in (VALUE.encode(), VALUE.encode("utf-16-le"), VALUE.encode().hex().encode()):
        assert traces(b"zz" + text + b"zz", SEALED) == [VALUE]
    for before in (b"", b"1", b"12", b"123"):
        assert traces(base64.b64encode(before + VALUE.encode() + b"and more"), SEALED) == [VALUE]
    assert traces(b"nothing", SEALED) == []


REF = f"openai/{LABEL}"
DATA = ("--note", NOTE, "--tag", TAG)


def story(folder: str) -> list[tuple[tuple[str, ...], bytes, int | None, bool, bool]]:
    """Words, stdin, exit code (None: any), whether a value is asked for on stdout, and whether names are."""
    quiet, names, value = (False, False), (False, True), (True, True)
    return [
        (("init", "--recovery-file", folder + "/code"), b"", 0, *quiet),
        (("add", REF, "--stdin", *DATA), VALUE.encode(), 0, *quiet),
        (("add", REF, "--stdin", *DATA), VALUE.encode(), 1, *quiet),
        (("add", "groq", "--file", folder + "/value", "--secret-field", f"extra=file:{folder}/value"), b"", 0, *quiet),
        (("add", "groq/two", "--stdin", "--env", "LD_PRELOAD"), VALUE.encode(), 2, *quiet),
        (("add", "groq/two", "--stdin", "--expires", "soon"), VALUE.encode(), 2, *quiet),
        (("add", "groq/two", "--stdin"), VALUE.encode() + b"\xff", 2, *quiet),
        (("add", "groq/two", "--stdin"), VALUE.encode() * 9000, 2, *quiet),
        (("add", "--stdin"), VALUE.encode(), 2, *quiet),
        (("edit", REF, "--value", "--stdin"), OTHER_VALUE.encode(), 0, *quiet),
        (("edit", REF, "--note", NOTE + " more"), b"", 0, *quiet),
        (("import", "--yes", folder + "/.env"), b"", 0, *names),
        (("import", "--yes", "--replace", folder + "/.env"), b"", 0, *names),
        (("discover", "--yes", folder), b"", 0, *names),
        (("import", "--yes", "--clean", folder + "/.env"), b"", 0, *names),
        (("import", "--yes", "--undo", folder + "/.env"), b"", None, *names),
        (("list",), b"", 0, *names),
        (("list", "--json"), b"", 0, *names),
        (("show", REF), b"", 0, *names),
        (("show", "--json", REF), b"", 0, *names),
        (("get", REF, "--reveal", "--version", "1"), b"", 0, *value),
        (("get", REF), b"", 2, *quiet),
        (("get", REF, "--copy"), b"", 8, *quiet),
        (("get", REF, "--reveal", "--field", "nope"), b"", 3, *quiet),
        (("history", REF), b"", 0, *names),
        (("rollback", REF), b"", 0, *quiet),
        *((("env", "--format", form), b"", None, *value) for form in FORMATS),
        (("env", "-o", folder + "/out.env"), b"", None, *quiet),
        (("env", REF + "x"), b"", 3, *quiet),
        (("env", "--unset"), b"", None, *names),
        (("run", "--", "true"), b"", 0, *quiet),
        (("run", "--redact", "--", "sh", "-c", "env; env >&2"), b"", 0, *quiet),
        (("run", "--", "/nonexistent"), b"", 127, *quiet),
        (("which", "OPENAI_API_KEY"), b"", None, *names),
        (("which", "OPENAI_API_KEY", "--json"), b"", None, *names),
        (("env", "--explain"), b"", 0, *names),
        (("env", "--profile", "none"), b"", 3, *quiet),
        (("project", "init", folder + "/.env"), b"", 0, *names),
        (("project", "check"), b"", None, *names),
        (("project", "check", "--json"), b"", None, *names),
        (("allow",), b"", 0, *names),
        (("env", "--format", "json"), b"", None, *value),
        (("env", "--explain"), b"", 0, *names),
        (("which", "MISTRAL_API_KEY"), b"", None, *names),
        (("deny",), b"", 0, *quiet),
        (("identify", "--stdin"), VALUE.encode(), 3, *quiet),
        (("check", "--timeout", "0.5"), b"", None, *names),
        (("check", "--timeout", "0.5", "--json", REF), b"", None, *names),
        (("balance", "--timeout", "0.5", REF), b"", None, *names),
        (("providers", "openai"), b"", 0, *names),
        *((("snippet", REF, "--lang", lang), b"", 0, *names) for lang in ("python", "curl", "env", "chatbox")),
        (("slots",), b"", 0, *quiet),
        (("slots", "add", "passphrase", "--new-passphrase-file", folder + "/same"), b"", 0, *quiet),
        (("passwd", "--new-passphrase-file", folder + "/same"), b"", 0, *quiet),
        (("rename", REF, REF + "2"), b"", 0, *quiet),
        (("rename", REF + "2", REF), b"", 0, *quiet),
        (("rm", REF), b"", 0, *quiet),
        (("restore-key", REF), b"", 0, *quiet),
        (("purge", REF, "--versions", "--yes"), b"", 0, *quiet),
        (("backup", folder + "/vault/copy.db"), b"", 0, *quiet),
        (("rekey", "--yes", "--no-recovery"), b"", 0, *quiet),
        (("restore", "--yes", folder + "/vault/copy.db"), b"", 0, *quiet),
        (("restore",), b"", 0, *quiet),
        (("verify",), b"", 0, *quiet),
        (("log",), b"", 0, *names),
        (("doctor",), b"", None, *quiet),
        (("completion", "bash"), b"", 0, *quiet),
    ]


ONCE = ("init", "add", "backup", "rename", "rm", "restore-key", "rollback", "project")


def test_no_command_leaves_a_trace_of_values_or_names(home: OpenFolderHome) -> None:
    """The files that a person made in the clear lie in `folder`; all else below the home is searched."""
    with tempfile.TemporaryDirectory(prefix="kv-clear-") as clear, Sampler() as sampler:
        write(clear + "/value", OTHER_VALUE)
        write(clear + "/same", PASSPHRASE)
        home.with_key_file = True  # opens at once; the passphrase is one more way in
        write(clear + "/.env", f"MISTRAL_API_KEY={VALUE}\nACME_TOKEN={OTHER_VALUE}\n")
        for words, stdin, code, value_asked, names_asked in story(home.folder):
            words = tuple(
                word.replace(home.folder, clear) if word.endswith(("/value", "/same", ".env")) else word for word in words
            )
            for flags in ((), ("--debug",)):
                if flags and code == 0 and (words[0] in ONCE or words[:2] == ("slots", "add")):
                    continue  # done is done; their errors are run with --debug
                done = home.run(*flags, *words, stdin=stdin, code=code)
                case = (words, done.stdout[-300:], done.stderr[-300:])
                assert traces(done.stderr, (*SECRETS, NOTE, *TAG.split("="))) == [], case
                assert b"Traceback" not in done.stderr, case
                assert b"internal error" not in done.stderr, case
                if not value_asked:
                    assert traces(done.stdout, SECRETS) == [], case
                if not names_asked and words[0] != "run":
                    assert traces(done.stdout, SEALED) == [] or words[0] == "completion", case
                if done.returncode == 0:
                    assert traces(done.stderr, (LABEL,)) == [], case
        assert traces(b"\0".join(sampler.seen), SECRETS) == []
        assert any(b"keyvault" in line for line in sampler.seen)
        assert traces(bytes_of(clear + "/out.env"), SEALED) != []
    searched = 0
    for folder, _, names in os.walk(home.folder):
        for name in names:
            path = os.path.join(folder, name)
            assert traces(bytes_of(path), SEALED) == [], path
            assert traces(name.encode(), SEALED) == [], path
            searched += 1
    assert searched >= 6  # vault, its lock, copy, code, anchor, pin, usage


CRASHER = """
import importlib, sys
place, kind = sys.argv.pop(1), sys.argv.pop(1)
module, _, name = place.partition(":")
owner = importlib.import_module(module)
while "." in name:
    head, _, name = name.partition(".")
    owner = getattr(owner, head)
def boom(*positional, **named):
    everything = repr((positional, named))
    raise getattr(__import__("builtins"), kind)(everything) from ValueError(everything)
setattr(owner, name, boom)
from keyvault.__main__ import main
main()
"""
CRASHES = [
    ("keyvault.cli.commands.edit:warn_about", ("edit", REF, "--value", "--stdin")),
    ("keyvault.vault.changes:add", ("add", "groq/crash", "--stdin")),
    ("keyvault.vault.vault:encode_values", ("add", "groq/crash", "--stdin")),
    ("keyvault.store.sqlite:SqliteStore.put", ("edit", REF, "--note", NOTE)),
    ("keyvault.vault.vault:decode_values", ("get", REF, "--reveal")),
    ("keyvault.cli.render:out", ("get", REF, "--reveal")),
    ("keyvault.cli.exporting:mask", ("env",)),
    ("keyvault.formats.base:Format.assign", ("env", "--format", "json")),
    ("keyvault.formats.base:Format.render", ("env", "--format", "bash")),
    ("keyvault.cli.exporting:_print", ("env", "--format", "bash")),
    ("keyvault.environment.run:become", ("run", "--", "true")),
    ("keyvault.environment.provenance:_strangers", ("which", "OPENAI_API_KEY")),
    ("keyvault.cli.commands.which:_rows", ("which", "OPENAI_API_KEY")),
    ("keyvault.cli.explaining:_row", ("env", "--explain")),
    ("keyvault.environment.selection:_project_path", ("env",)),
    ("keyvault.environment.relay:relay", ("run", "--redact", "--", "true")),
    ("keyvault.unlock.unlocker:Unlocker._open_text", ("list",)),
    ("keyvault.crypto.kdf:argon2id", ("list",)),
    ("keyvault.vault.slots:unwrap", ("rekey", "--yes", "--no-recovery")),
    ("keyvault.vault.vault:decode_record", ("list",)),
]


@pytest.mark.parametrize(
    ("place", "words"), CRASHES, ids=[f"{place.rpartition(':')[2]}-{words[0]}" for place, words in CRASHES]
)
def test_a_crash_in_the_middle_tells_no_secret(home: OpenFolderHome, place: str, words: tuple[str, ...]) -> None:
    home.create_asking()
    home.run("add", REF, "--stdin", *DATA, stdin=VALUE.encode())
    script = write(home.folder + "/crasher.py", CRASHER)
    before = traces(bytes_of(home.path), SEALED)
    for kind, flags in (("RuntimeError", ["--debug"]), ("UnicodeError", [])):
        command = [sys.executable, "-P", script, place, kind, *flags, *words]
        done = without_terminal(command, home.environment, home.folder, VALUE.encode())
        if place.endswith(":mask"):
            assert done.returncode == 0  # masks are for terminals: a control, that crashes happen where they are put
            continue
        assert done.returncode in ((125,) if words[0] == "run" else (1, 2)), done.stderr
        assert b"internal error" in done.stderr
        assert traces(done.stderr + done.stdout, (*SECRETS, NOTE)) == [], done.stderr
        assert b"Traceback" not in done.stderr
        assert (b"crasher.py" in done.stderr) is bool(flags)
    assert traces(bytes_of(home.path), SEALED) == before == []


# -- other users, other processes, cores


def as_nobody(script: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell script as another user. Without root there is no becoming one; then as a process without privileges."""
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] if os.geteuid() == 0 else []
    return subprocess.run(
        [*become, "sh", "-c", script, "sh", *words],
        capture_output=True,
        timeout=60,
        check=False,
        cwd="/",
        env={"PATH": os.environ["PATH"]},
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_reads_nothing_of_the_vault_or_a_waiting_keyvault(home: OpenFolderHome) -> None:
    home.run("init", "--recovery-file", home.folder + "/code")
    home.run("add", REF, "--stdin", *DATA, stdin=VALUE.encode())
    home.run("env")
    home.run("backup", home.folder + "/copy.db")
    home.run("env", "-o", home.folder + "/out.env")
    write(home.folder + "/control", "everybody may read this", 0o644)
    person = Terminal(home, "add", "groq")
    person.expect("(hidden): ")
    process = f"/proc/{person.child.pid}"
    private = [home.home, home.state, home.path, home.folder + "/code", home.folder + "/copy.db", home.folder + "/out.env"]
    private += [os.path.join(home.state, name) for name in os.listdir(home.state)]
    private += [f"{process}/{name}" for name in ("environ", "mem", "maps", "auxv", "fd", "cwd/", "io", "stack", "map_files")]
    assert as_nobody('cat "$1"', home.folder + "/control").stdout == b"everybody may read this"
    for path in private:
        assert os.path.exists(path), path
        for script in ('cat "$1"', 'ls -A "$1/"', 'head -c 1 "$1"', 'echo x >> "$1"', 'ln "$1" "$1.link"', 'mv "$1" "$1.x"'):
            done = as_nobody(script, path)
            assert (done.returncode != 0, done.stdout) == (True, b""), (path, script)
    assert traces(as_nobody('cat "$1/cmdline" "$1/status" "$1/stat"', process).stdout, SEALED) == []
    assert as_nobody('kill "$1"', str(person.child.pid)).returncode != 0
    person.child.send(OTHER_VALUE + "\n")
    assert traces(person.end().encode(), SECRETS) == []


def test_the_same_user_without_privileges_cannot_look_into_a_waiting_keyvault(home: OpenFolderHome) -> None:
    home.create_asking()
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"] if os.geteuid() == 0 else []
    person = Terminal(home, program=[*plain, *COMMAND, "add", "groq"])
    person.expect("(hidden): ")
    sleeper = subprocess.Popen([*plain, "sleep", "60"])
    try:
        for pid, readable in ((person.child.pid, False), (sleeper.pid, True)):
            for name in ("environ", "maps", "auxv"):
                done = subprocess.run([*plain, "cat", f"/proc/{pid}/{name}"], capture_output=True, timeout=60, check=False)
                assert (done.returncode == 0) is readable, (name, readable)
    finally:
        sleeper.kill()
        sleeper.wait()
        person.child.sendcontrol("c")
        person.end(130)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV])
def test_a_killed_keyvault_leaves_no_core(home: OpenFolderHome, number: signal.Signals) -> None:
    home.create_asking()
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        control = subprocess.Popen(["sleep", "60"], cwd=home.folder + "/tmp")
        person = Terminal(home, "add", "groq")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    os.kill(control.pid, number)
    dumped = os.WCOREDUMP(os.waitpid(control.pid, 0)[1])
    control.returncode = -number
    for core in glob.glob(home.folder + "/tmp/core*"):
        os.unlink(core)
    assert dumped or hard == 0  # else this machine makes no cores, and nothing is shown here
    person.expect("(hidden): ")
    os.kill(person.child.pid, number)
    status = os.waitpid(person.child.pid, 0)[1]
    person.child.ptyproc.terminated = True
    person.child.ptyproc.fileobj.close()
    assert (os.WTERMSIG(status), os.WCOREDUMP(status)) == (number, False)
    assert glob.glob(home.folder + "/**/core*", recursive=True) == []


# -- what sizes tell


def test_two_vaults_of_one_shape_have_one_size(tmp_path: os.PathLike[str]) -> None:
    sizes = []
    for number in range(3):
        home = VaultHome(f"{tmp_path}/{number}")
        os.mkdir(home.folder)
        vault = home.create()
        for key in range(8):
            longer = number if key % 2 else -number
            ref = f"vendor{key}/{'l' * (8 + longer)}"
            value = chr(97 + number) * (3 + 21 * key * number // 2)  # 3 to 150 bytes, sealed as 256
            add_key(vault, ref, value, f"V{key}" + "V" * (12 - longer))
            with vault.transaction("edit") as tx:
                changes.edit(tx, ref, {"note": "n" * (10 + 3 * number), "tags": {"t": "x" * (9 - 3 * number)}}, 1_790_000_000)
        vault.store.close()
        home.run("env", code=None)
        found = [os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk(home.state) for n in names if "usage" in n]
        sizes.append((os.path.getsize(home.path), found))
    assert sizes[0] == sizes[1] == sizes[2]
    assert sizes[0][1] != []
