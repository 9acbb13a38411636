from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import native_client
import pytest
from native_client import FOUND_BY_SANITIZER, SANITIZED, Place, agent, answer
from people import write

import keyvault
from keyvault.agent import client, protocol

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None, reason="there is no C compiler, so there is no native client"
)
OUT, ERR, DATA = client.OUT, client.ERR, client.DATA
_CALL = os.path.join(os.path.dirname(keyvault.__file__), "call.py")
_LEFT_TO_PYTHON = b"--asked env\n"


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> str:
    return native_client.build(str(tmp_path_factory.mktemp("native")))


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> str:
    return native_client.build(str(tmp_path_factory.mktemp("sanitized")), *SANITIZED)


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="kv-") as folder:  # the path of a socket has to be short
        yield Place(folder)


def run(
    place: Place, *words: str, env: dict[str, str] | None = None, stdout: int = subprocess.PIPE, cwd: str | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        words,
        env=place.environment | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        cwd=cwd,
    )


def outcome(done: subprocess.CompletedProcess[bytes]) -> tuple[int, bytes, bytes]:
    return done.returncode, done.stdout, done.stderr


def clients(native: str) -> list[list[str]]:
    """Both ways to ask: what they do with an answer has to be the same."""
    return [[native], [sys.executable, "-I", "-S", "-E", _CALL]]


def test_an_answer_is_shown_in_its_order_with_its_code(native: str, place: Place) -> None:
    said = answer((OUT, b"one\n"), (ERR, b"two\n"), (OUT, b"\x00\xff three"), (DATA, b"not shown"), (OUT, b""), code=7)
    with agent(place, said):
        for way in clients(native):
            both = subprocess.run(
                [*way, "env"], env=place.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
            )
            assert (both.returncode, both.stdout) == (7, b"one\ntwo\n\x00\xff three")


def test_a_request_holds_words_folder_terminals_and_environment(native: str, place: Place) -> None:
    words = ["get", "a/ü", "", "--reveal", "\udcff"]
    with agent(place, answer()) as heard:
        for way in clients(native):
            run(place, *way, *words, env={"A": "x=y\n", "ODD": "\udcfe"}, cwd=place.folder)
    first, second = heard.asked
    assert first == second
    assert (first.verb, first.words, first.terminals, first.columns) == ("call", words, (False, False, False), 0)
    assert os.fsdecode(first.folder) == os.path.realpath(place.folder)
    assert protocol.variables(first.environment) == place.environment | {"A": "x=y\n", "ODD": "\udcfe"}


def test_a_large_answer_arrives_whole(native: str, place: Place) -> None:
    value = random.Random(7).randbytes(8_000_000)
    with agent(place, answer((OUT, value))):
        assert outcome(run(place, native, "env")) == (0, value, b"")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"B" + answer((OUT, b"x"))[1:],
        b"A",
        b"A\0\0",
        b"A\0\0\0\0",
        b"A\0\0\0\1\0",
        b"A\0\0\0\2\0",
        b"A\xff\xff\xff\xff\0\0",
        b"A\4\0\0\1\0\0",
        answer((OUT, b"a secret"))[:-1],
        b"A\0\0\0\4\0\0\1\0",
        b"A\0\0\0\7\0\0\1\0\0\0\1",
        b"A\0\0\0\x08\0\0\1\xff\xff\xff\xffx",
        b"A\0\0\0\x08\0\0\1\xff\xff\xff\xfax",
        answer((OUT, b"first"), (0, b"second")),
        answer((OUT, b"first"), (4, b"second")),
        answer((OUT, b"not served"), status=1),
        answer((OUT, b"refused"), status=3),
        answer((OUT, b"unknown"), status=255),
    ],
)
def test_what_is_not_plainly_an_answer_is_left_to_python(native: str, sanitized: str, place: Place, said: bytes) -> None:
    with agent(place, said):
        for way in (native, sanitized):
            assert outcome(run(place, way, "env")) == (0, _LEFT_TO_PYTHON, b"")


def _says_nothing(end: socket.socket) -> None:
    end.recv(1)  # until the client hangs up


def _stops_after_the_first_byte(end: socket.socket) -> None:
    end.sendall(b"A")
    end.recv(1)


def _dribbles(end: socket.socket) -> None:
    end.sendall(b"A\x04\0\0\0\0\0")
    while True:
        end.sendall(b"\1")
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("behaviour", "patience"), [(_says_nothing, 0.05), (_stops_after_the_first_byte, 2.0), (_dribbles, 2.0)]
)
def test_a_slow_agent_is_waited_for_only_so_long(
    native: str, place: Place, behaviour: native_client.Answer, patience: float
) -> None:
    waited: list[float] = []

    def timed(end: socket.socket) -> None:
        start = time.monotonic()
        try:
            behaviour(end)
        finally:
            waited.append(time.monotonic() - start)

    with agent(place, timed):
        for _ in range(3):
            assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
    assert min(waited) < patience + 0.5  # the best of three: this machine may be busy with something else
    assert min(waited) > patience / 2


def test_nobody_there_is_left_to_python_at_once(native: str, place: Place) -> None:
    assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
    with open(place.socket, "w"):
        assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
    os.unlink(place.socket)
    with agent(place, b""):
        pass
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(place.socket)
    assert run(place, native, "env").stdout == _LEFT_TO_PYTHON


def test_a_folder_that_others_may_enter_or_a_link_to_one_is_not_believed(native: str, place: Place) -> None:
    with agent(place, answer((OUT, b"x"))) as heard:
        os.chmod(place.sockets, 0o755)
        assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
        os.chmod(place.sockets, 0o700)
        os.rename(place.sockets, place.folder + "/elsewhere")
        os.symlink("elsewhere", place.sockets)
        assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
        os.unlink(place.sockets)
        os.rename(place.folder + "/elsewhere", place.sockets)
        assert not heard.asked
        assert run(place, native, "env").stdout == b"x"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users")
def test_another_users_agent_is_not_asked(native: str, place: Place) -> None:
    with agent(place, answer((OUT, b"x")), listening_as=65534) as heard:
        assert run(place, native, "env").stdout == _LEFT_TO_PYTHON
    assert not heard.asked


@pytest.mark.parametrize("name", ["KEYVAULT_NO_AGENT", *(name.decode() for name in client.NOT_ASKED)])
def test_where_something_else_unlocks_the_agent_is_not_asked(native: str, place: Place, name: str) -> None:
    with agent(place, answer((OUT, b"x"))) as heard:
        assert run(place, native, "env", env={name: "1"}).stdout == _LEFT_TO_PYTHON
        assert not heard.asked
        assert run(place, native, "env", env={name: ""}).stdout == b"x"


@pytest.mark.parametrize(
    "words", [(), ("--version",), ("add", "openai"), ("hook", "zsh"), ("environ",), ("",), ("--asked", "env")]
)
def test_other_words_never_reach_the_agent(native: str, place: Place, words: tuple[str, ...]) -> None:
    with agent(place, answer((OUT, b"x"))) as heard:
        assert run(place, native, *words).stdout == " ".join(("--asked", *words)).encode() + b"\n"
    assert not heard.asked


@pytest.mark.parametrize(
    "change",
    [
        {"KEYVAULT_HOME": "relative"},
        {"KEYVAULT_HOME": "/a//b"},
        {"KEYVAULT_HOME": "/a/../b"},
        {"KEYVAULT_HOME": "/a/./b"},
        {"KEYVAULT_HOME": "/a/"},
        {"KEYVAULT_HOME": "/"},
        {"KEYVAULT_HOME": "/" + "x" * 5000},
        {"KEYVAULT_HOME": "", "XDG_DATA_HOME": "", "HOME": ""},
        {"KEYVAULT_HOME": "", "XDG_DATA_HOME": "relative"},
        {"KEYVAULT_HOME": "", "XDG_DATA_HOME": "/blank "},
        {"XDG_RUNTIME_DIR": "/" + "x" * 100},
        {"XDG_RUNTIME_DIR": "relative", "HOME": ""},
        {"LARGE": "x" * 100_000, "LARGE2": "x" * 100_000, "LARGE3": "x" * 100_000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_odd_surroundings_are_left_to_python(native: str, sanitized: str, place: Place, change: dict[str, str]) -> None:
    with agent(place, answer((OUT, b"x"))) as heard:
        for way in (native, sanitized):
            assert outcome(run(place, way, "env", env=change)) == (0, _LEFT_TO_PYTHON, b"")
    assert not heard.asked


@pytest.mark.parametrize(
    "change",
    [
        {"KEYVAULT_HOME": "/a/.b/..c/d e/ü"},
        {"KEYVAULT_HOME": "", "XDG_DATA_HOME": "{}/data"},
        {"KEYVAULT_HOME": "", "XDG_DATA_HOME": ""},
        {"XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "{}"},
    ],
    ids=str,
)
def test_both_clients_look_for_the_socket_at_the_same_place(native: str, place: Place, change: dict[str, str]) -> None:
    place.environment |= {name: value.format(place.folder) for name, value in change.items()}
    os.makedirs(os.path.dirname(place.socket), 0o700, exist_ok=True)
    with agent(place, answer((OUT, b"x"))):
        for way in clients(native):
            assert run(place, *way, "env").stdout == b"x"


def test_a_reader_that_is_gone_ends_it_as_everywhere(native: str, place: Place) -> None:
    with agent(place, answer((OUT, b"x"), (ERR, b"not said any more"))):
        for way in clients(native):
            read, write = os.pipe()
            os.close(read)
            done = run(place, *way, "env", stdout=write)
            os.close(write)
            assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_output_that_cannot_be_written_is_an_error(native: str, place: Place) -> None:
    with agent(place, answer((ERR, b"before\n"), (OUT, b"x"), (OUT, b"y"))), open("/dev/full", "w") as full:
        for way in clients(native):
            done = run(place, *way, "env", stdout=full.fileno())
            assert done.returncode == 1
            assert done.stderr == (
                b"before\nkeyvault: error: cannot write the output: no space left on device\n"
                b"keyvault: hint: see where the output goes\n"
            )


def _program(index: int, *entries: str) -> tuple[int, bytes]:
    return DATA, "\0".join([str(index), *entries]).encode()


def test_run_becomes_the_program_with_the_environment_of_the_answer(native: str, place: Place) -> None:
    code = 'printf "%s|" "$0" "$@" "$A_KEY" "${HOME-unset}"; kill -PIPE $$'
    words = ["run", "--", "sh", "-c", code, "a b", ""]
    with agent(place, answer((ERR, b"said before\n"), _program(2, "A_KEY=x=y\n", f"PATH={os.defpath}"), status=2)):
        for way in clients(native):
            done = run(place, *way, *words)
            assert outcome(done) == (-signal.SIGPIPE, b"a b||x=y\n|unset|", b"said before\n")


def test_run_finds_its_program_as_the_system_does(native: str, place: Place) -> None:
    for folder in ("one", "two"):
        os.mkdir(f"{place.folder}/{folder}")
    Path(place.folder, "one", "tool").write_text("#!/bin/sh\necho not executable\n")
    for path, mode in (("two/tool", 0o700), ("here", 0o700)):
        Path(place.folder, path).write_text(f"#!/bin/sh\necho {path}\n")
        os.chmod(f"{place.folder}/{path}", mode)
    path = f"PATH={place.folder}/nowhere:{place.folder}/one:{place.folder}/two:"
    for name, found in (
        ("tool", b"two/tool\n"),
        ("here", b"here\n"),
        ("./two/tool", b"two/tool\n"),
        ("sh", b"--asked run sh\n"),
    ):
        with agent(place, answer(_program(1, path), status=2)):
            assert run(place, native, "run", name, cwd=place.folder).stdout == found


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"x\0A=b", b"0\0A=b", b"-1\0A=b", b"3\0A=b", b"99999999999999999999\0A=b", b"1x\0A=b"]
)
def test_a_program_that_is_not_among_the_words_is_not_started(sanitized: str, place: Place, data: bytes) -> None:
    with agent(place, answer((DATA, data), status=2)):
        assert outcome(run(place, sanitized, "run", "--", "true")) == (0, b"--asked run -- true\n", b"")


def test_a_closed_stream_is_left_to_python(native: str, place: Place) -> None:
    with agent(place, answer((ERR, b"x"))) as heard:
        done = subprocess.run(
            ["sh", "-c", '"$0" env <&-', native], env=place.environment, capture_output=True, timeout=60, check=True
        )
    assert done.stdout == _LEFT_TO_PYTHON
    assert not heard.asked


def test_without_python_beside_it_says_so(native: str, place: Place) -> None:
    shutil.copy(native, place.folder + "/alone")
    done = run(place, place.folder + "/alone", "list")
    assert done.returncode == 1
    assert done.stderr.startswith(b"keyvault: error: cannot start keyvault-python: ")


def test_a_link_to_it_finds_python_beside_the_real_one(native: str, place: Place) -> None:
    os.symlink(native, place.folder + "/kv")
    assert run(place, place.folder + "/kv", "add").stdout == b"--asked add\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (":/x", "/x"),
        ("/x:", "/x"),
        ("/a::/b:c:.:/d e", "/a:/b:/d e"),
        ("/a", "/a"),
        ("", "-"),
        (".", "-"),
        ("a:b", "-"),
        (None, "-"),
    ],
)
def test_modules_are_not_loaded_from_the_working_folder(
    native: str, sanitized: str, place: Place, given: str | None, kept: str
) -> None:
    """A shell calls `env` and `hook` in the folder of a stranger; what `run` and `rotate` start gets the variable as it is."""
    folder = place.folder + "/program"
    os.mkdir(folder)
    write(folder + "/keyvault-python", '#!/bin/sh\necho "${PYTHONPATH--}"\n', mode=0o755)
    env = {} if given is None else {"PYTHONPATH": given}
    for client_program in (native, sanitized):
        shutil.copy(client_program, folder + "/keyvault")
        for words in (["hook", "bash", "--plan"], ["env"], []):
            done = run(place, folder + "/keyvault", *words, env=env)
            assert outcome(done) == (0, kept.encode() + b"\n", b"")
        for word in ("run", "rotate"):
            expected = "-" if given is None else given
            assert run(place, folder + "/keyvault", word, env=env).stdout == expected.encode() + b"\n"


def _mutated(chance: random.Random) -> bytes:
    """An answer, as a rule wrong in one to three places."""
    chunks = [(chance.randint(0, 4), chance.randbytes(chance.choice((0, 1, 5, 300)))) for _ in range(chance.randint(0, 4))]
    if chance.random() < 0.3:
        chunks.append((DATA, b"%d\0A=b\0" % chance.randint(-1, 4) + chance.randbytes(chance.randint(0, 9))))
    said = bytearray(answer(*chunks, status=chance.choice((0, 0, 2, 1)), code=chance.randrange(256)))
    for _ in range(chance.randint(0, 3)):
        at = chance.randrange(len(said))
        change = chance.randrange(3)
        if change == 0:
            said[at] = chance.choice((0, 1, 2, 3, 127, 128, 255, chance.randrange(256)))
        elif change == 1:
            del said[at : at + chance.randint(1, 4)]
        else:
            said[at:at] = chance.randbytes(chance.randint(1, 4))
        if not said:
            break
    return bytes(said)


def _fuzz(sanitized: str, place: Place, seeds: Sequence[int]) -> None:
    said = b""
    with agent(place, lambda end: end.sendall(said)):
        for seed in seeds:
            said = _mutated(random.Random(seed))
            for_run = seed % 2
            done = run(place, sanitized, *(("run", "--", "true") if for_run else ("env",)))
            assert b"Sanitizer" not in done.stderr, (seed, done.stderr[:2000])
            assert b"runtime error" not in done.stderr, (seed, done.stderr[:2000])
            assert done.returncode >= 0, seed
            if done.returncode == FOUND_BY_SANITIZER:
                assert said[6:7] == bytes([FOUND_BY_SANITIZER]), seed


def test_random_answers_do_no_harm(sanitized: str, place: Place) -> None:
    _fuzz(sanitized, place, range(2_000))


@pytest.mark.nightly
@pytest.mark.timeout(7_200)
def test_many_random_answers_do_no_harm(sanitized: str, place: Place) -> None:
    start = random.randrange(10**9)
    _fuzz(sanitized, place, range(start, start + 100_000))
