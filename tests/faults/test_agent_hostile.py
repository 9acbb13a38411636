"""The agent among strangers: other users, planted files, clients that stall or lie, and an agent that is no agent."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from agents import PATIENCE, AgentHome, agent_home, body, framed, is_alive, raw
from people import bytes_of, text_of, write

from keyvault.agent import client
from keyvault.agent.protocol import REFUSED

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
GOOD = ("env", "--format", "bash")


@pytest.fixture(scope="module")
def shared() -> Iterator[AgentHome]:
    with agent_home() as home:
        home.start_agent()
        yield home


@pytest.fixture
def home() -> Iterator[AgentHome]:
    with agent_home() as home:
        yield home


def answers(home: AgentHome) -> None:
    """The agent does its work."""
    before = home.served
    assert b"OPENAI_API_KEY" in home.run(*GOOD).stdout
    assert home.served == before + 1


def as_nobody(action: Callable[[], bytes]) -> bytes:
    """What `action` returns in a process of another user."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            try:
                os.write(here, action())
            except OSError as exc:
                os.write(here, type(exc).__name__.encode())
        finally:
            os._exit(0)
    os.close(here)
    with open(there, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return told


# -- other users


@needs_root
def test_another_user_cannot_reach_the_socket(shared: AgentHome) -> None:
    request = framed(body(shared, *GOOD))
    assert as_nobody(lambda: raw(shared.socket, request)) == b"PermissionError"
    assert as_nobody(lambda: ",".join(os.listdir(os.path.dirname(shared.socket))).encode()) == b"PermissionError"


@needs_root
def test_another_user_who_reaches_the_socket_learns_nothing(shared: AgentHome) -> None:
    opened = [shared.folder, os.path.dirname(shared.socket), shared.socket]
    modes = [os.stat(path).st_mode for path in opened]
    try:
        for path in opened:
            os.chmod(path, 0o777)
        for verb in (b"call", b"keys", b"status", b"lock"):
            request = framed(body(shared, *GOOD, verb=verb))
            assert as_nobody(lambda request=request: raw(shared.socket, request)) == b""  # type: ignore[misc]
    finally:
        for path, mode in zip(opened, modes, strict=True):
            os.chmod(path, mode & 0o7777)
    answers(shared)


@needs_root
def test_another_user_reads_nothing_of_the_process(shared: AgentHome) -> None:
    folder = f"/proc/{shared.pid}/"
    for name in ("environ", "mem", "maps"):
        assert as_nobody(lambda name=name: bytes_of(folder + name)) == b"PermissionError"  # type: ignore[misc]


def test_the_process_writes_no_core_and_lets_nobody_look(shared: AgentHome) -> None:
    with open(f"/proc/{shared.pid}/limits") as file:
        limit = next(line for line in file if line.startswith("Max core file size"))
    assert limit.split()[4] == "0"
    assert os.stat(f"/proc/{shared.pid}/environ").st_uid == 0  # what a process that is not dumpable has
    with open(f"/proc/{shared.pid}/cmdline", "rb") as file:
        assert b"sk-" not in file.read()
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            os.readlink(f"/proc/{shared.pid}/cwd")
        return
    assert os.readlink(f"/proc/{shared.pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{shared.pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}


@needs_root
def test_a_client_says_nothing_to_another_users_socket(home: AgentHome) -> None:
    folder = os.path.dirname(home.socket)
    os.mkdir(folder, 0o777)
    for path in (home.folder, folder):
        os.chmod(path, 0o777)
    heard, ready = os.pipe(), threading.Event()

    def listen() -> bytes:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(home.socket)
            listener.listen()
            os.write(heard[1], b"bound.")
            end = listener.accept()[0]
            end.settimeout(5)
            os.write(heard[1], b"got:" + end.recv(65536) + b".")
        return b""

    def other() -> None:
        as_nobody(listen)
        ready.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert os.read(heard[0], 100) == b"bound."
    for path in (folder, home.folder):
        os.chmod(path, 0o700)
    assert b"locked" in home.run(*GOOD, code=4).stderr
    thread.join(20)
    assert ready.is_set()
    assert os.read(heard[0], 100) == b"got:."
    for end in heard:
        os.close(end)


# -- things in the agent's place


def test_a_folder_that_is_a_link_or_open_to_others_is_not_used(home: AgentHome) -> None:
    folder = os.path.dirname(home.socket)
    os.mkdir(home.folder + "/elsewhere", 0o700)
    os.symlink(home.folder + "/elsewhere", folder)
    done = home.run("unlock", env={"KEYVAULT_KEY_FILE": home.key_file}, code=1)
    assert b"symbolic link" in done.stderr
    os.unlink(folder)
    os.mkdir(folder, 0o755)
    done = home.run("unlock", env={"KEYVAULT_KEY_FILE": home.key_file}, code=1)
    assert b"open to other users" in done.stderr
    assert home.status() == {}


def test_a_client_believes_no_agent_in_a_folder_that_others_can_enter(home: AgentHome) -> None:
    home.start_agent()
    folder = os.path.dirname(home.socket)
    for mode in (0o755, 0o770, 0o701):
        os.chmod(folder, mode)
        home.run(*GOOD, code=4)
    os.chmod(folder, 0o700)
    answers(home)
    os.rename(folder, folder + "-real")
    os.symlink(folder + "-real", folder)
    home.run(*GOOD, code=4)
    os.unlink(folder)
    os.rename(folder + "-real", folder)


@pytest.mark.parametrize("plant", ["file", "link", "folder", "fifo"])
def test_what_lies_in_the_sockets_place_is_neither_used_nor_removed(home: AgentHome, plant: str) -> None:
    os.mkdir(os.path.dirname(home.socket), 0o700)
    mine = write(home.folder + "/mine", "mine")
    {
        "file": lambda: os.link(mine, home.socket),
        "link": lambda: os.symlink(mine, home.socket),
        "folder": lambda: os.mkdir(home.socket),
        "fifo": lambda: os.mkfifo(home.socket),
    }[plant]()
    home.run(*GOOD, code=4)
    done = home.run("unlock", env={"KEYVAULT_KEY_FILE": home.key_file}, code=1)
    assert b"is in the way" in done.stderr
    assert os.path.lexists(home.socket)
    assert text_of(mine) == "mine"


def test_a_link_in_the_locks_place_is_not_followed(home: AgentHome) -> None:
    os.mkdir(os.path.dirname(home.socket), 0o700)
    os.symlink(home.folder + "/made-through-a-link", home.socket[:-5] + ".lock")
    home.run("unlock", env={"KEYVAULT_KEY_FILE": home.key_file}, code=1)
    assert not os.path.lexists(home.folder + "/made-through-a-link")


def test_a_stale_socket_is_passed_by_and_replaced(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.kill(pid, signal.SIGKILL)
    home.wait_until_gone(pid)
    assert os.path.exists(home.socket)
    home.run(*GOOD, code=4)
    home.start_agent()
    answers(home)


# -- clients that stall or lie


def test_what_is_no_request_is_refused_or_dropped(shared: AgentHome) -> None:
    fields = body(shared, *GOOD).split(b"\0")
    odd = [
        b"",
        b"\0" * 40,
        b"2" + body(shared, *GOOD)[1:],
        b"\0".join([b"1", b"load", *fields[2:]]),
        b"\0".join([*fields[:2], b"relative", *fields[3:]]),
        b"\0".join([*fields[:3], b"000", *fields[4:]]),
        b"\0".join([*fields[:3], b"0000,1", *fields[4:]]),
        b"\0".join([*fields[:4], b"-1", *fields[5:]]),
        b"\0".join([*fields[:4], b"999999", *fields[5:]]),
        b"\0".join([*fields[:4], "\u0661".encode(), *fields[5:]]),
        b"\0".join(fields[:4]),
    ]
    for content in odd:
        answer = raw(shared.socket, framed(content))
        assert answer in (b"", b"A" + framed(bytes([REFUSED, 0]))), content
    assert raw(shared.socket, b"\xff\xff\xff\xff" + b"x" * 100) == b""
    assert raw(shared.socket, framed(body(shared, *GOOD)) + b"more") == b""
    assert raw(shared.socket, (client.LARGEST_REQUEST + 1).to_bytes(4, "big") + b"x") == b""
    answers(shared)


def test_no_call_of_another_vault_folder_or_command_is_served(shared: AgentHome) -> None:
    def status(*words: str, **env: str) -> int:
        return raw(shared.socket, framed(body(shared, *words, env=shared.environment | env)))[5]

    assert status(*GOOD) == client.DONE
    for env in ({"KEYVAULT_HOME": shared.folder}, {"KEYVAULT_STATE": "/tmp"}, {"KEYVAULT_HOME": shared.home + "/../vault/x"}):
        assert status(*GOOD, **env) == client.NOT_SERVED
    for words in (("add", "x"), ("unlock",), ("agent", "--take-over"), ("rm", "openai"), ("--", "env"), ()):
        assert status(*words) == client.NOT_SERVED


def test_stalled_clients_do_not_keep_others_waiting_and_are_dropped(shared: AgentHome) -> None:
    stalled = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    message = framed(body(shared, *GOOD))
    for number, end in enumerate(stalled):
        end.connect(shared.socket)
        end.sendall(message[: number * 7])
    answers(shared)
    for end in stalled:
        end.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert end.recv(10) == b""
        end.close()
    answers(shared)


def test_a_client_that_does_not_read_is_dropped_and_nobody_waits_for_it(shared: AgentHome) -> None:
    ends = []
    for _ in range(10):
        end = socket.socket(socket.AF_UNIX)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        end.connect(shared.socket)
        end.sendall(framed(body(shared, "list", "--json")))
        ends.append(end)
    answers(shared)
    for end in ends:
        end.close()
    answers(shared)


def test_more_connections_than_it_takes_leave_it_whole(shared: AgentHome) -> None:
    ends = []
    for _ in range(300):
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(1)
        with contextlib.suppress(OSError):
            end.connect(shared.socket)
        ends.append(end)
    for end in ends:
        end.close()
    time.sleep(0.1)
    answers(shared)


def fuzz(home: AgentHome, rounds: int) -> None:
    luck = random.Random(7)
    good = body(home, *GOOD)
    for _ in range(rounds):
        content = bytearray(good)
        for _ in range(luck.randrange(1, 6)):
            at = luck.randrange(len(content))
            kind = luck.randrange(4)
            if kind == 0:
                content[at] = luck.randrange(256)
            elif kind == 1:
                del content[at : at + luck.randrange(1, 30)]
            elif kind == 2:
                content[at:at] = luck.randbytes(luck.randrange(1, 30))
            else:
                content[at:at] = b"\0"
            content = content or bytearray(b"x")
        if content.split(b"\0")[1:2] == [b"lock"]:
            continue
        message = framed(bytes(content))
        if luck.random() < 0.1:
            message = luck.randbytes(luck.randrange(1, 64))
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(20)
            end.connect(home.socket)
            with contextlib.suppress(ConnectionError):
                end.sendall(message)
                end.shutdown(socket.SHUT_WR)
                while end.recv(65536):
                    pass


def test_random_requests_do_no_harm(shared: AgentHome) -> None:
    fuzz(shared, 400)
    answers(shared)


@pytest.mark.nightly
def test_ten_thousand_random_requests_do_no_harm(shared: AgentHome) -> None:
    fuzz(shared, 10_000)
    answers(shared)


# -- an agent that is none


def lying(home: AgentHome, answer: Callable[[socket.socket], None]) -> None:
    """Run one call against a server of this user that answers as it likes; it ends as without an agent."""
    os.makedirs(os.path.dirname(home.socket), 0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(home.socket)
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
        listener.listen()
        listener.settimeout(0.2)

        def serve() -> None:
            while not done.is_set():
                with contextlib.suppress(OSError):
                    end = listener.accept()[0]
                    with end:
                        end.recv(client.LARGEST_REQUEST)
                        answer(end)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            found = home.run(*GOOD, code=4)
        finally:
            done.set()
            thread.join()
    expected = home.run(*GOOD, code=4, env={"KEYVAULT_NO_AGENT": "1"})
    assert (found.stdout, found.stderr) == (expected.stdout, expected.stderr)


def test_no_answer_of_a_liar_makes_a_difference(home: AgentHome) -> None:
    whole = b"\0\0\1\0\0\0\5hello"
    for content in (
        b"",
        b"B" + framed(whole),
        b"A",
        b"A" + framed(b""),
        b"A" + framed(whole[:-1]),
        b"A" + framed(b"\0\0\7\0\0\0\1x"),
        b"A" + framed(b"\0\0\1\xff\xff\xff\xffx"),
        b"A\xff\xff\xff\xff",
        b"A" + framed(whole)[:-3],
        b"A" + framed(b"\1\0"),
        b"A" + framed(b"\3\0"),
        b"A" + framed(b"\x2a\0"),
    ):
        lying(home, lambda end, content=content: end.sendall(content))  # type: ignore[misc]


def test_silence_is_waited_for_fifty_milliseconds_once(home: AgentHome) -> None:
    os.mkdir(os.path.dirname(home.socket), 0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
        listener.listen()
        took = []
        for _ in range(5):
            client.unanswered.clear()
            begin = time.monotonic()
            assert client.exchange(os.fsencode(home.socket), b"call", [b"env"], 2) is None
            took.append(time.monotonic() - begin)
            assert client.exchange(os.fsencode(home.socket), b"keys", [], 2) is None
        assert 0.045 < min(took) < 0.09
        assert client.exchange(os.fsencode(home.socket), b"call", [b"env"], 2, 0.3) is None
        begin = time.monotonic()
        assert client.exchange(os.fsencode(home.socket), b"keys", [], 2, 0.3) is None
        assert time.monotonic() - begin < 0.25
    client.unanswered.clear()


@pytest.mark.parametrize("words", [GOOD, ("list",), ("show", "groq"), ("run", "--", "printenv", "GROQ_API_KEY")], ids=" ".join)
def test_who_can_ask_nobody_else_waits_for_a_busy_agent(home: AgentHome, words: tuple[str, ...]) -> None:
    home.start_agent()
    cold = home.cold(*words)
    with home.busy(0.8):
        warm = home.run(*words)
    assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)


def test_where_a_line_is_full_the_patient_try_again(home: AgentHome) -> None:
    os.mkdir(os.path.dirname(home.socket), 0o700)
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(home.socket)
        listener.listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                waiting = open_ones.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(home.socket)
        with pytest.raises(TimeoutError):
            client.connect(os.fsencode(home.socket), time.monotonic() + 0.05)
        taking = threading.Timer(0.1, lambda: listener.accept()[0].close())
        taking.start()
        client.connect(os.fsencode(home.socket), time.monotonic() + PATIENCE).close()
        taking.join()


def test_a_stopped_agent_is_passed_by_and_killed_by_lock(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.kill(pid, signal.SIGSTOP)
    assert b"locked" in home.run(*GOOD, code=4).stderr
    home.run("lock")
    assert not is_alive(pid)
    home.start_agent()
    answers(home)


def test_a_pipe_that_run_is_to_start_holds_nobody_up(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.mkfifo(home.folder + "/prog", 0o755)
    home.run("run", "--", home.folder + "/prog", code=None)
    answers(home)
    assert home.pid == pid


def test_a_request_that_never_ends_ends_the_agent(home: AgentHome) -> None:
    """Until it is served no limit counts and no signal is heard, so that its keys would stay for good."""
    lines = (
        "import os, sys",
        "from keyvault.agent import place, server",
        "from keyvault.agent.lifetime import Lifetime, Limits",
        "server._TO_SERVE = 1",
        "here = place.take('/no/vault')",
        "print(os.fsdecode(here.path), flush=True)",
        "wait = lambda call: os.read(os.pipe()[0], 1)",
        "server.Server(here, Lifetime(Limits()), wait, bytes, str).run()",
    )
    agent = subprocess.Popen(
        [sys.executable, "-c", "\n".join(lines)],
        env={"XDG_RUNTIME_DIR": home.folder, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert agent.stdout
    with agent.stdout, socket.socket(socket.AF_UNIX) as end:
        end.connect(agent.stdout.readline().decode().strip())
        body = b"\0".join([b"1", b"call", b"/", b"000,0", b"0"])
        end.sendall(len(body).to_bytes(4, "big") + body)
        assert agent.wait(20) == -signal.SIGALRM
