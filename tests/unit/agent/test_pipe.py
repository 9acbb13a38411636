"""Named pipes, called through ctypes with their types, on a stand-in for the system that behaves as documented."""

from __future__ import annotations

import contextlib
import ctypes
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_pipes import ANONYMOUS, ANYBODY, ME, Windows, binary

from keyvault.agent.lifetime import Lifetime, Limits, windows_awake, windows_with_sleep
from keyvault.agent.pipe import Connection, Foreign, Listener, closed_to_others, own_user, pipe_name
from keyvault.core import windows_calls
from keyvault.core.windows_calls import Failed

HOME = r"C:\Users\me\AppData\Local\keyvault"
NAME = pipe_name(ME, HOME)


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    made = Windows()
    monkeypatch.setattr(windows_calls, "api", lambda: made)
    yield made
    assert made.is_clean(), vars(made)


@contextlib.contextmanager
def both(system: Windows, *, seconds: float = 5.0) -> Iterator[tuple[Listener, Connection]]:
    listener = Listener(NAME, ME)
    connection = Connection(NAME, soon())
    assert listener.accept(soon(seconds))
    try:
        yield listener, connection
    finally:
        connection.close()
        listener.close()


def test_bytes_arrive_as_they_were_sent_both_ways(system: Windows) -> None:
    with both(system) as (listener, connection):
        connection.write(b"request", soon())
        assert listener.read_all(7, soon()) == b"request"
        listener.write(b"\0\xff" * 50, soon())
        assert connection.read_all(100, soon()) == b"\0\xff" * 50


@given(st.binary(min_size=1, max_size=200_000))
def test_what_is_longer_than_the_pipe_s_buffer_arrives_whole(content: bytes) -> None:
    system = Windows()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows_calls, "api", lambda: system)
        with both(system) as (listener, connection):
            writing = threading.Thread(target=lambda: listener.write(content, soon(20)))
            writing.start()
            assert connection.read_all(len(content), soon(20)) == content
            writing.join()
    assert system.is_clean()


def test_a_read_ends_at_its_deadline_and_what_comes_later_is_not_lost(system: Windows) -> None:
    with both(system) as (listener, connection):
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            listener.read(10, soon(0.05))
        assert 0.04 < time.monotonic() - began < 2
        connection.write(b"late", soon())
        assert listener.read(10, soon()) == b"late"


def test_a_write_that_nobody_reads_ends_at_its_deadline(system: Windows) -> None:
    with both(system) as (listener, _), pytest.raises(TimeoutError):
        listener.write(bytes(100_000), soon(0.05))


def test_what_arrived_while_it_was_taken_back_counts(system: Windows) -> None:
    wait, listener = system.WaitForSingleObject, Listener(NAME, ME)  # type: ignore[attr-defined]
    connection = Connection(NAME, soon())

    def arrives_too_late(event: int, patience: int) -> int:
        connection.write(b"x", soon())
        return 258  # WAIT_TIMEOUT

    assert listener.accept(soon())
    system.WaitForSingleObject = arrives_too_late  # type: ignore[attr-defined]
    assert listener.read(1, soon()) == b"x"
    system.WaitForSingleObject = wait  # type: ignore[attr-defined]
    connection.close()
    listener.close()


def test_what_is_interrupted_leaves_nothing_to_the_system(system: Windows) -> None:
    def interrupted(event: int, patience: int) -> int:
        raise KeyboardInterrupt

    with both(system) as (listener, connection):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(system, "WaitForSingleObject", interrupted)
            with pytest.raises(KeyboardInterrupt):
                listener.read(10, soon())
        assert system.operations == {}  # nor the memory that it would write to
        connection.write(b"x", soon())
        assert listener.read(10, soon()) == b"x"


def test_half_of_what_was_expected_is_a_failure(system: Windows) -> None:
    listener = Listener(NAME, ME)
    connection = Connection(NAME, soon())
    assert listener.accept(soon())
    connection.write(b"12", soon())
    threading.Timer(0.05, connection.close).start()
    with pytest.raises(Failed):
        listener.read_all(4, soon())
    listener.close()


def test_accepting_ends_at_its_deadline_and_the_next_client_is_heard(system: Windows) -> None:
    listener = Listener(NAME, ME)
    assert not listener.accept(soon(0.05))
    threading.Timer(0.05, lambda: Connection(NAME, soon()).close()).start()
    assert listener.accept(soon())
    listener.hang_up()
    listener.close()


def test_who_came_and_went_before_it_was_heard_is_nobody(system: Windows) -> None:
    listener = Listener(NAME, ME)
    Connection(NAME, soon()).close()
    assert not listener.accept(soon(0.2))
    connections: list[Connection] = []
    coming = threading.Thread(target=lambda: connections.append(Connection(NAME, soon())))
    coming.start()
    assert listener.accept(soon())
    coming.join()
    connections[0].close()
    listener.close()


def test_a_second_client_waits_for_its_turn(system: Windows) -> None:
    with both(system) as (listener, connection):
        second: list[Connection] = []
        waiting = threading.Thread(target=lambda: second.append(Connection(NAME, soon())))
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        connection.write(b"1", soon())
        assert listener.read(1, soon()) == b"1"
        listener.hang_up()
        assert listener.accept(soon())
        waiting.join()
        second[0].write(b"2", soon())
        assert listener.read(1, soon()) == b"2"
        second[0].close()


def test_a_client_waits_no_longer_than_its_deadline(system: Windows) -> None:
    with both(system), pytest.raises(TimeoutError):
        Connection(NAME, soon(0.05))


def test_where_there_is_no_pipe_a_client_knows_at_once(system: Windows) -> None:
    with pytest.raises(Failed) as raised:
        Connection(NAME, soon(60))
    assert raised.value.code == windows_calls.FILE_NOT_FOUND


def test_nobody_else_can_connect(system: Windows) -> None:
    listener = Listener(NAME, ME)
    with system.process(ANYBODY, 5000), pytest.raises(Failed) as raised:
        Connection(NAME, soon())
    assert raised.value.code == windows_calls.ACCESS_DENIED
    listener.close()


def test_nothing_is_sent_to_a_pipe_that_another_user_made_and_opened_to_us(system: Windows) -> None:
    with system.process(ANYBODY, 5000):
        Listener(NAME, ANYBODY)
        pipe = system.pipes[NAME.lower()]
        pipe.sddl = pipe.sddl.replace("S:", f"(A;;GA;;;{ME})S:")
        with system.within(system.only_me), pytest.raises(Failed) as raised:
            Connection(NAME, soon())
    assert raised.value.code == windows_calls.ACCESS_DENIED
    assert "WriteFile" not in system.calls


@pytest.mark.parametrize(("label", "is_trusted"), [("LW", False), ("ME", True), ("HI", True), ("", True)])
def test_nothing_is_sent_to_a_pipe_that_a_process_of_low_integrity_made(system: Windows, label: str, is_trusted: bool) -> None:
    listener = Listener(NAME, ME)
    pipe = system.pipes[NAME.lower()]
    pipe.sddl = pipe.sddl.replace("(ML;;NWNR;;;ME)", f"(ML;;NWNR;;;{label})" if label else "")
    if is_trusted:
        Connection(NAME, soon()).close()
    else:
        with pytest.raises(Foreign):
            Connection(NAME, soon())
    listener.close()


@pytest.mark.parametrize(
    "content", [b"", bytes(20), b"\1" + bytes(19), bytes.fromhex("0100108014000000000000001c000000") + bytes(240)]
)
def test_a_pipe_whose_maker_cannot_be_read_is_not_trusted(system: Windows, content: bytes) -> None:
    def odd(handle: int, what: int, held: object, size: int, needed: object) -> int:
        ctypes.memmove(held, content, len(content))  # type: ignore[arg-type]
        return 1

    listener = Listener(NAME, ME)
    system.GetKernelObjectSecurity = odd  # type: ignore[attr-defined]
    with pytest.raises(Foreign):
        Connection(NAME, soon())
    listener.close()


@pytest.mark.parametrize("user", [ME, ANYBODY])
def test_there_is_one_of_a_name(system: Windows, user: str) -> None:
    with system.process(user, 5000):
        Listener(NAME, user)
        with system.within(system.only_me), pytest.raises(Failed) as raised:
            Listener(NAME, ME)
    assert raised.value.code == windows_calls.ACCESS_DENIED


def test_the_agent_learns_whose_request_it_read(system: Windows) -> None:
    with both(system) as (listener, connection):
        connection.write(b"x", soon())
        listener.read(1, soon())
        assert listener.client_user() == ME
        assert not hasattr(system.here, "acting")


def test_who_does_not_say_who_it_is_is_nobody(system: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyvault.agent.pipe.FLAGS", 0x40000000)
    with both(system) as (listener, connection):
        connection.write(b"x", soon())
        listener.read(1, soon())
        assert listener.client_user() == ANONYMOUS


def test_who_sent_nothing_is_not_known(system: Windows) -> None:
    with both(system) as (listener, _), pytest.raises(Failed):
        listener.client_user()


def test_an_agent_that_cannot_be_itself_again_ends(system: Windows) -> None:
    with both(system) as (listener, connection):
        connection.write(b"x", soon())
        listener.read(1, soon())
        system.RevertToSelf = lambda: 0  # type: ignore[attr-defined]
        with pytest.raises(RuntimeError):
            listener.client_user()
    system.end(system.only_me)


def test_hanging_up_is_not_the_end_of_the_process(system: Windows) -> None:
    with both(system) as (listener, connection):
        listener.hang_up()
        with pytest.raises(Failed):
            connection.is_closed_by(soon())


def test_only_a_process_of_this_user_is_ended(system: Windows) -> None:
    with both(system) as (_, connection), system.process(ANYBODY, 5000) as other, system.within(system.only_me):
        system.pipes[NAME.lower()].maker = other
        with pytest.raises(Failed):
            connection.end_server()
        assert not other.ended.is_set()


def test_it_ends_after_sleep_where_that_is_set(system: Windows) -> None:
    lifetime = Lifetime(Limits(100, on_suspend=True), windows_with_sleep, windows_awake)
    assert lifetime.over() == ""
    system.slept = 10
    assert lifetime.over() == "the machine slept"
    assert Lifetime(Limits(100), windows_with_sleep, windows_awake).over() == ""


def test_time_asleep_counts(system: Windows) -> None:
    lifetime = Lifetime(Limits(100), windows_with_sleep, windows_awake)
    system.slept = 200
    assert lifetime.over() == "its time is up"


def test_a_pipe_is_named_for_its_user_and_its_vault_alone() -> None:
    assert NAME.startswith(r"\\.\pipe\keyvault-")
    assert "\\" not in NAME.removeprefix("\\\\.\\pipe\\")
    assert len(NAME) < 256
    assert pipe_name(ME, HOME.upper().replace("\\", "/")) == NAME  # one folder, however it is written
    assert len({NAME, pipe_name(ANYBODY, HOME), pipe_name(ME, HOME + "2")}) == 3
    assert pipe_name(ME, "C:\\\ud800") != NAME  # names of files may hold that


def test_a_pipe_is_closed_to_all_but_its_user() -> None:
    assert closed_to_others(ME) == f"O:{ME}D:P(A;;GA;;;{ME})S:(ML;;NWNR;;;ME)"


def test_structures_are_as_large_as_documented_for_64_bits() -> None:
    assert ctypes.sizeof(windows_calls.Overlapped) == 32
    assert windows_calls.Overlapped.event.offset == 24
    assert ctypes.sizeof(windows_calls.SecurityAttributes) == 24
    assert (windows_calls.SecurityAttributes.descriptor.offset, windows_calls.SecurityAttributes.inherit.offset) == (8, 16)
    assert ctypes.sizeof(windows_calls.TokenUser) == 16


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15), st.integers(0, 2**48 - 1))
def test_any_user_s_identifier_is_read(parts: list[int], authority: int) -> None:
    sid = "-".join(["S-1", str(authority), *map(str, parts)])
    system = Windows()
    system.only_me.user = sid
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows_calls, "api", lambda: system)
        assert binary(own_user()) == binary(sid)
    assert system.is_clean()
    assert len(binary(sid)) + 16 <= windows_calls.LONGEST_USER
