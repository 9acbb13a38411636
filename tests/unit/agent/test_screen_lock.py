"""The screen's lock, on a real bus of its own."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest
import secret_service
from agents import AgentHome, agent_home
from jeepney import DBusAddress, new_signal  # type: ignore[import-untyped]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]
from people import write
from secret_service import Session

from keyvault.agent.screen_lock import ScreenLock
from keyvault.core.errors import Unreachable


@pytest.fixture
def session() -> Iterator[Session]:
    with secret_service.bare_session() as session:
        session.wait_for_bus()
        yield session


def say(session: Session, interface: str, member: str, *body: object, path: str = "/org/x") -> None:
    signature = {bool: "b", str: "s"}[type(body[0])] if body else ""
    with open_dbus_connection(session.address) as connection:
        connection.send(new_signal(DBusAddress(path, interface=interface), member, signature, body))


def heard(lock: ScreenLock, patience: float = 10) -> str:
    """What is heard first, within so many seconds."""
    end = time.monotonic() + patience
    while not (why := lock.heard()) and (left := end - time.monotonic()) > 0:
        select.select(lock.sockets, [], [], left)
    return why


@pytest.fixture
def lock(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScreenLock]:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", session.address)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    lock = ScreenLock()
    yield lock
    for end in lock.sockets:
        end.close()


@pytest.mark.parametrize("saver", ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver"])
def test_a_locked_screen_is_heard_and_an_unlocked_one_is_not(session: Session, lock: ScreenLock, saver: str) -> None:
    say(session, saver, "ActiveChanged", False)
    say(session, "org.example.Other", "ActiveChanged", True)
    say(session, saver, "ActiveChanged", "odd")
    assert heard(lock, 0.5) == ""
    say(session, saver, "ActiveChanged", True)
    assert heard(lock) == "the screen was locked"


def test_a_bus_that_goes_away_counts_as_locked(session: Session, lock: ScreenLock) -> None:
    session.end()
    assert heard(lock) == "the desktop's message bus is gone"


def test_without_a_bus_there_is_nothing_to_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("unix:path=/nowhere", "nonsense", ""):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        with pytest.raises(Unreachable):
            ScreenLock()
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with pytest.raises(Unreachable):
        ScreenLock()


@pytest.fixture
def home(session: Session) -> Iterator[AgentHome]:
    with agent_home() as home:
        home.extra = {"DBUS_SESSION_BUS_ADDRESS": session.address}
        os.makedirs(home.folder + "/.config/keyvault", 0o700)
        write(home.folder + "/.config/keyvault/config.toml", "[agent]\nlock_on_screen_lock = true\n")
        yield home


def test_the_agent_ends_with_the_screen(session: Session, home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    say(session, "org.gnome.ScreenSaver", "ActiveChanged", False)
    home.run("env", "--format", "bash")
    say(session, "org.gnome.ScreenSaver", "ActiveChanged", True)
    home.wait_until_gone(pid)


def test_no_agent_begins_that_would_not_hear_it(home: AgentHome) -> None:
    home.extra = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
    done = home.run("unlock", env={"KEYVAULT_KEY_FILE": home.key_file}, code=1)
    assert b"the screen lock would not be heard" in done.stderr
    assert b"keyvault: hint: set lock_on_screen_lock = false" in done.stderr
