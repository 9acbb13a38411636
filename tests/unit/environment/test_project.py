"""Reading `.keyvault.toml`, which anybody may have written."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound
from keyvault.environment import project
from keyvault.environment.project import Entry, Project, parse
from keyvault.environment.project_file import text_of
from keyvault.environment.selection import nearest

PLACE = "/home/me/.keyvault.toml"


def read(text: str | bytes) -> Project:
    return parse(PLACE, text.encode() if isinstance(text, str) else text)


def test_a_profile_goes_over_what_all_share_variable_by_variable() -> None:
    found = read(
        '[env]\nA = "openai"\nB = { key = "aws/work", field = "secret_access_key", required = false }\n'
        '[profile.prod.env]\nA = "openai/prod"\nC = "groq"\n[profile.empty]\n'
    )
    a, b = Entry("A", "openai/default", "", True), Entry("B", "aws/work", "secret_access_key", False)
    assert found.entries("") == found.entries("empty") == [a, b]
    assert found.entries("prod") == [Entry("A", "openai/prod", "", True), b, Entry("C", "groq/default", "", True)]
    assert found.profiles == ["empty", "prod"]
    with pytest.raises(NotFound, match="no profile") as raised:
        found.entries("prd")
    assert raised.value.hint == 'did you mean "prod"?'


def test_dotted_keys_and_other_spellings_of_the_same_say_the_same() -> None:
    expected = [Entry("A", "openai/work", "", False)]
    assert read('env.A = { key = "openai/work", required = false }').entries("") == expected
    assert read('[env.A]\nkey = "openai/work"\nrequired = false').entries("") == expected
    assert read('[env]\nA.key = "openai/work"\nA.required = false').entries("") == expected
    assert read('["env"]\n"A" = { key = \'openai/work\', field = "", required = false }\r\n').entries("") == expected
    assert read("").entries("") == read("[env]").entries("") == []


def test_the_file_on_the_page_is_one() -> None:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "projects.md"
    text = page.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert [entry.ref for entry in read(text).entries("prod")] == ["openrouter/prod", "openai/default", "aws/work"]


LOADERS = ["LD_PRELOAD", "PATH", "path", "BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "DYLD_INSERT_LIBRARIES", "GIT_SSH_COMMAND"]
LOADERS += ["PROMPT_COMMAND", "IFS", "KEYVAULT_HOME", "HTTPS_PROXY", "PERL5OPT", "RUBYOPT", "R_PROFILE_USER", "LD_AUDIT"]


@pytest.mark.parametrize("name", LOADERS)
def test_variables_that_steer_programs_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="steers how programs are loaded"):
        read(f'[env]\n{name} = "openai"')
    with pytest.raises(InvalidInput, match="steers how programs are loaded"):
        read(f'[profile.dev.env]\n{name} = {{ key = "openai", required = false }}')


BAD = [
    ('[env]\nA = "a"\nA = "b"', "Cannot overwrite"),
    ('[env]\nA = "a"\n[env]\nB = "b"', "Cannot declare"),
    ('env = "x"', "env: this has to be a table"),
    ('[[env]]\nA = "a"', "env: this has to be a table"),
    ("profile = 1", "profile: this has to be a table"),
    ("[profile]\ndev = 1", "profile.dev: this has to be a table"),
    ("[profile.dev]\nenv = []", "this has to be a table"),
    ('[profile.dev]\nA = "a"', "not known here; env are"),
    ('[profile."".env]', "a profile's name has"),
    ('[profile."a b".env]', "a profile's name has"),
    ('[profile."é".env]', "a profile's name has"),
    (f"[profile.{'a' * 65}.env]", "a profile's name has"),
    ("[vault]\npath = '/'", '"vault" is not known here; env, profile are'),
    ("[env]\nA = 1", "this has to be a table"),
    ("[env]\nA = []", "this has to be a table"),
    ("[env]\nA = {}", 'write "vendor/label"'),
    ("[env]\nA = { key = 1 }", 'write "vendor/label"'),
    ('[env]\nA = { key = "a", required = "no" }', 'write "vendor/label"'),
    ('[env]\nA = { key = "a", field = 1 }', 'write "vendor/label"'),
    ('[env]\nA = { key = "a", field = "x y" }', "a field's name has"),
    ('[env]\nA = { key = "a", field = "x; rm -rf ~" }', "a field's name has"),
    ('[env]\nA = { key = "a", field = "Upper" }', "a field's name has"),
    (f'[env]\nA = {{ key = "a", field = "{"x" * 65}" }}', "a field's name has"),
    ('[env]\nA = { key = "a", url = "https://x" }', '"url" is not known here'),
    ('[env]\nA = "Open AI"', "is not a key name"),
    ('[env]\nA = "../x"', "is not a key name"),
    ('[env]\nA = ""', "is not a key name"),
    ('[env]\nA = "sk-0123456789abcdef0123456789abcdef"', "this could be a value"),
    ('[env]\n"A B" = "a"', "is not a variable name"),
    ('[env]\n"A;B" = "a"', "is not a variable name"),
    ('[env]\n"" = "a"', "is not a variable name"),
    ('[env]\n"Ä" = "a"', "is not a variable name"),
    ('[env]\n"A\\u0000" = "a"', "is not a variable name"),
    ('[env]\n"A\\u202e" = "a"', "is not a variable name"),
    (f'[env]\n{"A" * 256} = "a"', "is not a variable name"),
    (b"\xff\xfe[env]", "is not TOML"),
    (b'[env]\nA = "\xed\xa0\x80"', "is not TOML"),
    (b"\0", "is not TOML"),
    ("a = " + "1" * 5000, "is not TOML"),  # more digits than int() takes is a ValueError of its own
    ("a = " + "[" * 60000, "is not TOML"),
    ("a = " + "{a=" * 20000, "is not TOML"),
    ("a = 9999-99-99", "is not TOML"),
    ("[env]\n" + "".join(f'V{n} = "a"\n' for n in range(513)), "more than 512 variables"),
    ("[env]\n" + "".join(f'V{n} = "a"\n' for n in range(6000)), "more than 512 variables"),
    ("a." * 32000 + "a = 1", "more than 64 dots in a line"),
    ("[" + "a." * 32000 + "a]", "more than 64 dots in a line"),
]


@pytest.mark.parametrize(("text", "said"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_what_is_not_a_list_of_names_is_refused_with_the_place_and_in_short(text: str | bytes, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(text)
    message = raised.value.message
    assert said in message
    assert message.startswith(PLACE)
    assert len(message) < 600
    assert message.isprintable()


def test_a_place_of_any_length_is_cut() -> None:
    with pytest.raises(InvalidInput) as raised:
        read(f'[env]\n"{"long name" * 5000}" = "a"')
    assert len(raised.value.message) < 600


HEAVY = {
    "dots": "\n".join(f"b{n}." + ".".join(["a"] * 63) + "=1" for n in range(480)),
    "headers": "\n".join("[" + ".".join(["a"] * 63) + f".b{n}]" for n in range(480)),
    "inline": "a = {" + ", ".join(f"b{n} = {{ }}" for n in range(5000)) + "}",
    "arrays of tables": "[[a]]\n" * 10000,
    "many profiles": "".join(f"[profile.p{n}.env]\n" for n in range(2900)),
    "strings": 'a = """' + "\\u0041" * 10000 + '"""',
}


@pytest.mark.parametrize("name", HEAVY)
def test_the_heaviest_files_of_the_allowed_size_cost_little(name: str) -> None:
    assert len(HEAVY[name]) <= project.LARGEST
    start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(InvalidInput):
        read(HEAVY[name])
    assert time.process_time() - start < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@given(st.one_of(st.binary(max_size=300), st.text(alphabet="[]{}env.profile=\"A \n,#\\'", max_size=200).map(str.encode)))
def test_any_bytes_are_a_project_or_refused(data: bytes) -> None:
    try:
        found = read(data)
    except InvalidInput as exc:
        assert exc.message.isprintable()
    else:
        assert set(found.sections) >= {""}


_PART = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,12}[a-z0-9])?", fullmatch=True)
_ENTRY = st.builds(
    Entry,
    st.from_regex(r"MY_[A-Za-z0-9_]{0,40}", fullmatch=True),
    st.builds("{}/{}".format, _PART, _PART),
    st.from_regex(r"([a-z][a-z0-9_]{0,20})?", fullmatch=True),
    st.just(True),
)


@given(st.lists(_ENTRY, max_size=20, unique_by=lambda entry: entry.variable), st.lists(st.text(max_size=30), max_size=5))
def test_what_is_written_is_read_as_it_was(entries: list[Entry], left_out: list[str]) -> None:
    assert read(text_of(entries, left_out)).entries("") == entries


def test_the_nearest_file_is_found_by_its_real_place(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert nearest(str(deep)) is None
    (tmp_path / "a" / ".keyvault.toml").touch()
    assert nearest(str(deep)) == str(tmp_path / "a" / ".keyvault.toml")
    (tmp_path / "link").symlink_to(deep)
    assert nearest(str(tmp_path / "link")) is None  # as the folder is named; the shell's own folder is always the real one
    (deep / ".keyvault.toml").symlink_to("/nowhere")
    assert nearest(str(tmp_path / "link")) == str(deep / ".keyvault.toml")  # found, so that it is refused and not passed over


def _hostile(kind: str, path: Path) -> None:
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        target = path.with_name("id_ed25519")
        target.write_text("[env]")
        path.symlink_to(target)
    elif kind == "dangling link":
        path.symlink_to("/nowhere")
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "sparse gigabyte":
        with path.open("wb") as file:
            file.truncate(1 << 30)
    elif kind == "one byte too many":
        path.write_bytes(b"#" * (project.LARGEST + 1))


KINDS = ["fifo", "folder", "link", "dangling link", "link to a device", "loop", "sparse gigabyte", "one byte too many"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_small_plain_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ".keyvault.toml"
    _hostile(kind, path)
    program = (
        "import sys, time\nfrom keyvault.core.errors import UnsafeFile\nfrom keyvault.environment.project import load_bytes\n"
        "start = time.monotonic()\ntry:\n    load_bytes(sys.argv[1])\nexcept UnsafeFile:\n    print(time.monotonic() - start)\n"
    )
    limit = (512 << 20, 512 << 20)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        timeout=20,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )
    assert float(done.stdout) < 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_device_or_a_file_of_another_user_is_refused() -> None:
    with tempfile.TemporaryDirectory(prefix="kv-owner-") as folder:
        os.chmod(folder, 0o755)
        _judge_owners(Path(folder) / ".keyvault.toml")


def _judge_owners(path: Path) -> None:
    path.write_text("[env]")
    path.chmod(0o644)
    os.chown(path, 65533, 65533)
    try:
        os.seteuid(65534)
        with pytest.raises(KeyvaultError, match="belongs to another user"):
            project.load_bytes(str(path))
        os.seteuid(0)
        os.chown(path, 0, 0)
        os.seteuid(65534)
        assert project.load_bytes(str(path)) == b"[env]"  # root could change anything anyway
    finally:
        os.seteuid(0)
    path.unlink()
    os.mknod(path, 0o20644, os.makedev(1, 5))
    with pytest.raises(KeyvaultError, match="is not a plain file"):
        project.load_bytes(str(path))
