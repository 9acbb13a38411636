"""The agent of Windows with a real vault, on a stand-in for the system's pipes; what is Windows' in the files is not here."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from agents import AgentHome, agent_home
from windows_pipes import ME, Windows

from keyvault.agent import handing, keys, pipe_client, pipe_server, pipe_starting
from keyvault.agent.lifetime import Limits
from keyvault.agent.pipe_server import PipeServer, listen
from keyvault.agent.warm import Handed, purpose_keys
from keyvault.cli import agents
from keyvault.cli.pipe_serving import Agent
from keyvault.core import settings, windows_calls
from keyvault.core.errors import KeyvaultError, Locked, RolledBack
from keyvault.core.settings import Settings
from keyvault.unlock.opening import open_vault
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.vault import Vault


class Unlocker:
    """One that cannot, and remembers that it was asked."""

    asked = 0

    def __call__(self, header: Header) -> bytes:
        self.asked += 1
        raise Locked("nobody to ask")


class Place:
    """A vault, its settings, and an agent in a thread."""

    def __init__(self, home: AgentHome, system: Windows) -> None:
        self.home, self.system, self.unlocker = home, system, Unlocker()
        self.settings = Settings(home.home, home.state, False, None, "", None, "", "")
        self.why = ""
        self.running: threading.Thread | None = None

    def handed(self, limits: Limits | None = None) -> Handed:
        vault = self.home.open()
        try:
            return Handed(self.home.home, self.home.state, limits or Limits(), purpose_keys(vault))
        finally:
            vault.store.close()

    def spawn(self, handed: Handed, *, wait: bool = True) -> str:
        """As `pipe_starting.spawn`, less the process."""
        ready = threading.Event()

        def run() -> None:
            with self.system.process(ME, 77):
                agent = Agent(handed)
                user, listener = listen(handed.home)
                ready.set()
                self.why = PipeServer(listener, user, agent.lifetime, agent.serve, agent.status, agent.still_wanted).run()

        self.running = threading.Thread(target=run, daemon=True)
        self.running.start()
        assert ready.wait(20)
        return ""

    def open(self, **changed: str) -> Vault:
        """As a command opens the vault."""
        wanted = self.settings._replace(**changed)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("KEYVAULT_HOME", wanted.home)
            patched.setenv("KEYVAULT_STATE", wanted.state)
            return open_vault(wanted, agents.keys_first(["list"], self.unlocker), harden=False)  # type: ignore[arg-type]

    def wait_for_end(self) -> str:
        assert self.running is not None
        self.running.join(20)
        assert not self.running.is_alive()
        return self.why


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with agent_home() as home:
        system = Windows()
        made = Place(home, system)
        monkeypatch.setattr(windows_calls, "api", lambda: system)
        for module in (agents, keys):
            monkeypatch.setattr(module, "sys", SimpleNamespace(platform="win32"))
        monkeypatch.setattr(pipe_starting, "spawn", made.spawn)
        monkeypatch.setattr(pipe_server, "TICK", 0.05)
        monkeypatch.setattr(pipe_client, "PATIENCE", 20.0)  # on a busy machine
        monkeypatch.setattr(pipe_client, "_TO_END", 20.0)
        for name in ("KEYVAULT_NO_AGENT", *settings.UNLOCKING):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", home.folder)
        yield made
        agents.end(made.settings)
        if made.running:
            made.wait_for_end()
        assert system.is_clean(), vars(system)


def _names(vault: Vault) -> list[str]:
    try:
        return sorted(key.ref for key in vault.all_keys())
    finally:
        vault.store.close()


def test_commands_open_the_vault_with_what_the_agent_has(place: Place) -> None:
    place.spawn(place.handed())
    assert {"groq/default", "openai/work"} <= set(_names(place.open()))
    assert place.unlocker.asked == 0


def test_without_one_they_unlock_as_ever(place: Place) -> None:
    with pytest.raises(Locked):
        place.open()
    assert place.unlocker.asked == 1


def test_where_the_environment_says_so_none_is_asked(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.spawn(place.handed())
    monkeypatch.setenv("KEYVAULT_NO_AGENT", "1")
    with pytest.raises(Locked):
        place.open()


def test_unlock_starts_one_status_tells_of_it_and_lock_ends_it(place: Place) -> None:
    assert agents.status(place.settings) is None
    assert not agents.end(place.settings)
    told = agents.start(place.settings, place.handed(Limits(3600, 60)))
    assert told["unlocked"] is True
    assert told["vault"] == place.home.home
    assert 3590 <= told["expires_in"] <= 3600
    assert told["idle_expires_in"] <= 60
    place.open().store.close()
    assert (agents.status(place.settings) or {})["served"] == 1
    assert agents.end(place.settings)
    assert place.wait_for_end() == "lock"
    assert agents.status(place.settings) is None


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("the vault is gone\nlook for it", "the vault is gone", "look for it"),
        ("it ended at once", "it ended at once", ""),
        ("it does not answer", "it does not answer", "keyvault lock ends one that does not answer"),
        ("", "it does not answer", "keyvault lock ends one that does not answer"),
    ],
)
def test_why_none_started_is_told_with_a_hint_that_fits(
    place: Place, monkeypatch: pytest.MonkeyPatch, said: str, message: str, hint: str
) -> None:
    monkeypatch.setattr(pipe_starting, "spawn", lambda handed, wait: said)
    with pytest.raises(KeyvaultError) as raised:
        agents.start(place.settings, place.handed())
    assert (raised.value.message, raised.value.hint) == (f"the agent did not start: {message}", hint)


def test_another_takes_the_place_of_one_that_runs(place: Place) -> None:
    agents.start(place.settings, place.handed(Limits(100)))
    told = agents.start(place.settings, place.handed(Limits(9000)))
    assert told["expires_in"] > 8000


def test_who_unlocked_leaves_one_behind_unless_settings_say_no(place: Place) -> None:
    vault = place.home.open()
    agents.start_after(place.settings, vault)
    assert agents.status(place.settings)
    agents.end(place.settings)
    os.mkdir(place.home.folder + "/keyvault")
    with open(place.home.folder + "/keyvault/config.toml", "w", encoding="utf-8") as file:
        file.write("[agent]\nstart = false\n")
    agents.start_after(place.settings, vault)
    vault.store.close()
    assert agents.status(place.settings) is None


def test_the_keys_of_a_vault_where_one_asks_before_each_use_are_handed_to_nobody(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    place.spawn(place.handed())
    place.home.run("edit", "openai/work", "--confirm", env=place.home.by_hand)
    with pytest.raises(Locked):
        place.open()
    assert capfd.readouterr().err == ""
    os.unlink(os.path.join(place.home.state, _anchor(place)))  # so that there is something to say
    with pytest.raises(Locked):
        place.open()
    assert place.unlocker.asked == 2
    assert "first use of this vault on this machine" in capfd.readouterr().err


def test_they_are_not_handed_out_for_another_state_folder(place: Place) -> None:
    place.spawn(place.handed())
    with pytest.raises(Locked):
        place.open(state=place.home.folder + "/other")


def test_what_the_vault_says_once_reaches_the_person(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    place.spawn(place.handed())
    os.unlink(os.path.join(place.home.state, _anchor(place)))
    place.open().store.close()
    assert "first use of this vault on this machine" in capfd.readouterr().err
    place.open().store.close()
    assert capfd.readouterr().err == ""


def test_after_a_rekey_it_gives_nothing_and_ends(place: Place) -> None:
    place.spawn(place.handed())
    vault = place.home.open()
    care.rekey(vault, lambda _: [SlotSecret(slots.KEY_FILE, slots.new_secret(slots.KEY_FILE))])
    vault.store.close()
    with pytest.raises(Locked):
        place.open()
    assert "another key" in place.wait_for_end()


def test_an_older_copy_is_told_of_and_ends_it(place: Place) -> None:
    with open(place.home.path, "rb") as file:
        older = file.read()
    place.home.run("edit", "openai/work", "--note", "x", env=place.home.by_hand)
    place.spawn(place.handed())
    with open(place.home.path, "wb") as file:
        file.write(older)
    with pytest.raises(Locked):
        place.open()
    place.wait_for_end()
    with pytest.raises(RolledBack):
        open_vault(place.settings, place.home.unlock, harden=False)


def test_without_its_vault_it_ends(place: Place) -> None:
    place.spawn(place.handed())
    os.rename(place.home.path, place.home.path + ".away")
    assert place.wait_for_end() == "the vault is gone"


_PROCESS = """
import sys, threading, time
from windows_pipes import Windows
from keyvault.agent import pipe_client
from keyvault.core import windows_calls
system = Windows()
windows_calls.api = lambda: system
from keyvault.cli import pipe_serving

def client():
    for _ in range(500):
        if keys := pipe_client.ask(sys.argv[1], b"keys", sys.argv[1], sys.argv[2]):
            break
        time.sleep(0.02)
    sys.stderr.write("keys" if keys and keys.endswith(bytes.fromhex(sys.argv[3])) else "none")
    pipe_client.end(sys.argv[1])

if sys.argv[3]:
    threading.Thread(target=client, daemon=True).start()
sys.exit(pipe_serving.take_over(in_foreground=sys.argv[4:] == ["--foreground"]))
"""


def test_the_process_takes_over_serves_and_ends(place: Place) -> None:
    handed = place.handed()
    done = _process(place, handed, handed.keys.joined().hex())
    assert (done.stdout, done.stderr) == (handing.READY, b"keys")


def test_it_does_not_begin_where_the_screen_s_lock_would_not_be_heard(place: Place) -> None:
    done = _process(place, place.handed(Limits(on_screen_lock=True)), "")
    said = (b"the screen lock is heard on Linux only", b"set lock_on_screen_lock = false in config.toml")
    assert (done.returncode, done.stdout, done.stderr) == (2, b"\n".join(said), b"")
    done = _process(place, place.handed(Limits(on_screen_lock=True)), "", "--foreground")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"keyvault: error: " + said[0] + b"\nkeyvault: hint: " + said[1] + b"\n"


def test_it_does_not_begin_with_keys_that_do_not_fit(place: Place) -> None:
    handed = place.handed()
    handed.keys.epoch += 1
    done = _process(place, handed, "")
    assert done.returncode == 4
    assert b"another key" in done.stdout


def _process(place: Place, handed: Handed, keys: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-c", _PROCESS, place.home.home, place.home.state, keys, *options]
    path = os.pathsep.join(
        [os.path.dirname(os.path.dirname(__file__)), os.path.dirname(os.path.dirname(agents.__file__)) + "/.."]
    )
    environment = place.home.environment | {"PYTHONPATH": path}
    return subprocess.run(
        words, input=bytes(handing.encode(handed)), env=environment, capture_output=True, timeout=60, check=False
    )


def _anchor(place: Place) -> str:
    return next(name for name in os.listdir(place.home.state) if name.startswith("anchor-"))
