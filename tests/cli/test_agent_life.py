"""How an agent begins and how it ends: unlock, lock, status, agent, and what starts one by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
import secret_service
from agents import AgentHome, agent_home, is_alive
from people import PASSPHRASE, AskingHome, Terminal, text_of, write
from vaults import COMMAND, add_key

from keyvault.agent import client

GOOD = ("env", "--format", "bash")


@pytest.fixture
def home() -> Iterator[AgentHome]:
    with agent_home() as home:
        yield home


class TypedHome(AgentHome, AskingHome):
    """A vault with a passphrase, whose commands ask its agent."""

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in AskingHome.environment.fget(self).items() if name != "KEYVAULT_NO_AGENT"}  # type: ignore[attr-defined]


@pytest.fixture
def typed(home: AgentHome) -> TypedHome:
    """In a folder with a short name; it ends with the other."""
    os.mkdir(home.folder + "/t", 0o700)
    typed = TypedHome(home.folder + "/t")
    typed.create_asking()
    typed.run("add", "openai", "--stdin", stdin=b"sk-1", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    return typed


def test_unlock_status_and_lock(home: AgentHome) -> None:
    assert home.run("status", code=4).stdout.endswith(b"no agent runs\n")
    assert json.loads(home.run("status", "--json", code=4).stdout) == {"unlocked": False, "vault": home.home}
    home.run(*GOOD, code=4)
    home.start_agent("--for", "90min")
    assert home.run("unlock").stdout == b""  # it is unlocked: nobody is asked
    told = json.loads(home.run("status", "--json").stdout)
    assert told["unlocked"] is True
    assert 5300 < told["expires_in"] <= 5400
    assert told["idle_expires_in"] is None
    assert b"unlocked  for 1 h 30 min\n" in home.run("status").stdout
    assert b"OPENAI_API_KEY" in home.run(*GOOD).stdout
    home.run("lock")
    assert not is_alive(told["pid"])
    assert not os.path.exists(home.socket)
    home.run(*GOOD, code=4)
    home.run("lock")


def test_unlock_with_a_time_unlocks_again(home: AgentHome) -> None:
    home.start_agent()
    first = home.pid
    assert b"locked" in home.run("unlock", "--for", "1h", code=4).stderr
    assert home.pid == first
    home.start_agent("--for", "1h")
    assert not is_alive(first)
    assert home.status()["expires_in"] <= 3600


@pytest.mark.parametrize("span", ["", "0h", "x", "-1h", "9999999h", "0min", "5000000min"])
def test_a_time_that_is_none_is_refused(home: AgentHome, span: str) -> None:
    home.run("unlock", "--for", span, env={"KEYVAULT_KEY_FILE": home.key_file}, code=2)
    assert home.status() == {}


def test_what_needs_the_whole_vault_is_not_asked_for_again_and_slots_are(home: AgentHome) -> None:
    home.start_agent()
    home.run("add", "mistral", "--stdin", stdin=b"m-1")
    home.run("edit", "mistral", "--note", "new")
    home.run("rm", "mistral")
    home.run("verify")
    home.run("slots", "list")
    for words in (
        ("slots", "add", "recovery", "--recovery-file", home.folder + "/r"),
        ("rekey", "--yes"),
        ("passwd",),
    ):
        assert b"no terminal to ask on" in home.run(*words, code=4).stderr, words
    assert not os.path.exists(home.folder + "/r")


def test_a_person_who_typed_is_not_asked_again(typed: TypedHome) -> None:
    person = Terminal(typed, "list")
    person.answer("keyvault passphrase: ", PASSPHRASE)
    assert "openai" in person.end()
    wait_for(typed)
    assert typed.run("get", "openai", "--reveal").stdout == b"sk-1"
    assert typed.run("show", "openai").returncode == 0
    assert typed.status()["served"] == 1


def test_whoever_made_a_vault_is_not_asked_again(home: AgentHome) -> None:
    os.mkdir(home.folder + "/n", 0o700)
    new = TypedHome(home.folder + "/n")
    person = Terminal(new, "init", "--unlock", "passphrase", "--no-recovery")
    person.answer("new passphrase: ", PASSPHRASE)
    person.answer("the same again: ", PASSPHRASE)
    person.end()
    wait_for(new)
    new.run("add", "openai", "--stdin", stdin=b"sk-1")
    assert new.run("get", "openai", "--reveal").stdout == b"sk-1"
    new.run("lock")


def wait_for(home: AgentHome) -> None:
    """Until the agent that was started by the way answers."""
    deadline = time.monotonic() + 20
    while not home.status():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_status_tells_of_an_agent_that_does_not_answer_and_lock_ends_it(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.kill(pid, signal.SIGSTOP)
    told = home.run("status", code=4)
    assert b"an agent is there and does not answer; keyvault lock ends it" in told.stderr
    assert b"no agent runs" not in told.stdout
    assert json.loads(home.run("status", "--json", code=4).stdout) == {"unlocked": False, "vault": home.home}
    home.run("lock")
    assert not is_alive(pid)
    assert home.run("status", code=4).stderr == b""


def test_slots_are_listed_with_what_the_agent_has_and_none_of_them_was_used(home: AgentHome) -> None:
    home.start_agent()
    listed = home.run("slots").stdout
    assert b"key-file" in listed
    assert b"used now" not in listed
    assert listed.replace(b" bits", b" bits (used now)") == home.cold("slots").stdout


def python(home: AgentHome, program: str, **env: str) -> str:
    """What a program prints, or the last line of its error."""
    done = subprocess.run(
        [COMMAND[0], "-c", f"import os, keyvault\n{program}"],
        env=home.environment | env,
        cwd=home.folder,
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
        start_new_session=True,
    )
    return done.stdout or done.stderr.splitlines()[-1]


def test_a_python_program_needs_no_passphrase_while_the_vault_is_unlocked(home: AgentHome) -> None:
    get = "print(keyvault.get('openai/work'), keyvault.load_env('groq'))"
    assert "keyvault.core.errors.Locked" in python(home, get)
    home.start_agent()
    assert python(home, get) == "sk-work ['GROQ_API_KEY']\n"
    # its own idea of the environment counts, not that of the shell which started it
    assert python(home, f"os.environ['KEYVAULT_HOME'] = {home.home!r}\n{get}", KEYVAULT_HOME="/nowhere").startswith("sk-work ")
    assert "Locked" in python(home, f"os.environ['KEYVAULT_NO_AGENT'] = '1'\n{get}")
    with home.busy(0.5):
        assert python(home, get).startswith("sk-work ")
    home.run("edit", "groq", "--confirm")
    assert "Locked" in python(home, get)  # with the keys of the vault nobody would be asked about that one


def test_a_program_that_runs_for_long_asks_an_agent_again_that_had_no_time(home: AgentHome) -> None:
    home.start_agent()
    program = f"""
import signal
def get():
    try:
        return keyvault.get('openai/work')
    except keyvault.KeyvaultError as exc:
        return type(exc).__name__
os.kill({home.pid}, signal.SIGSTOP)
print(get())
os.kill({home.pid}, signal.SIGCONT)
print(get())
"""
    assert python(home, program) == "Locked\nsk-work\n"


def test_an_agent_keeps_nobody_waiting_for_the_end_of_a_pipe(typed: TypedHome) -> None:
    program = ["sh", "-c", f'x=$({" ".join(COMMAND)} env | cat); echo "got ${{#x}}"; exec 3>&-']
    person = Terminal(typed, program=program)
    person.answer("keyvault passphrase: ", PASSPHRASE)
    person.expect("got ")
    person.end()
    wait_for(typed)
    if os.geteuid() == 0:  # who alone is shown what a process that forbids it has open
        assert {os.readlink(f"/proc/{typed.pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    assert os.getsid(typed.pid) == typed.pid


@pytest.mark.parametrize("config", ["start = false", 'start = "no"', "nonsense = 1", "]"])
def test_no_agent_starts_by_itself_where_the_settings_say_so_or_cannot_be_read(typed: TypedHome, config: str) -> None:
    os.makedirs(typed.folder + "/.config/keyvault", 0o700)
    write(typed.folder + "/.config/keyvault/config.toml", f"[agent]\n{config}\n")
    person = Terminal(typed, "list")
    person.answer("keyvault passphrase: ", PASSPHRASE)
    shown = person.end()
    assert ("no agent was started" in shown) == (config != "start = false")
    time.sleep(0.5)
    assert typed.status() == {}


def test_the_variable_turns_asking_and_starting_off(typed: TypedHome) -> None:
    person = Terminal(typed, "list", env={"KEYVAULT_NO_AGENT": "1"})
    person.answer("keyvault passphrase: ", PASSPHRASE)
    person.end()
    time.sleep(0.5)
    assert typed.status() == {}
    typed.run("unlock", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    typed.run("get", "openai", "--reveal", env={"KEYVAULT_NO_AGENT": "1"}, code=4)
    typed.run("get", "openai", "--reveal")


def test_a_key_file_or_a_given_passphrase_starts_none(typed: TypedHome) -> None:
    typed.run("list", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    time.sleep(0.5)
    assert typed.status() == {}


def test_the_settings_say_how_long(home: AgentHome) -> None:
    os.makedirs(home.folder + "/.config/keyvault", 0o700)
    write(home.folder + "/.config/keyvault/config.toml", '[agent]\nfor = "2h"\nidle = "30min"\nlock_on_suspend = true\n')
    home.start_agent()
    told = home.status()
    assert told["expires_in"] <= 7200
    assert 1700 < told["idle_expires_in"] <= 1800
    assert told["lock_on_suspend"] is True


def test_an_agent_in_the_foreground(home: AgentHome) -> None:
    child = subprocess.Popen([*COMMAND, "agent"], env=home.environment | {"KEYVAULT_KEY_FILE": home.key_file})
    wait_for(home)
    assert home.pid == child.pid
    home.run(*GOOD)
    child.terminate()
    assert child.wait(20) == 0
    assert not os.path.exists(home.socket)


def test_in_the_foreground_it_speaks_to_people(home: AgentHome) -> None:
    unlocking = {"KEYVAULT_KEY_FILE": home.key_file}
    person = Terminal(home, "agent", env=unlocking)
    person.expect("keyvault: tip: unlocked, for 8 h")
    second = home.run("agent", env=unlocking, code=1)
    assert second.stderr == (
        b"keyvault: error: an agent for this vault runs already\nkeyvault: hint: keyvault status; keyvault lock ends it\n"
    )
    assert second.stdout == b""
    chinese = home.run("agent", env=unlocking | {"KEYVAULT_LANG": "zh_CN"}, code=1)
    assert "错误: " in chinese.stderr.decode()
    assert "代理" in chinese.stderr.decode()
    home.run("lock")
    assert person.end() == "keyvault: tip: unlocked, for 8 h\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_signals_lock(home: AgentHome, number: int) -> None:
    home.start_agent()
    pid = home.pid
    os.kill(pid, number)
    home.wait_until_gone(pid)
    assert not os.path.exists(home.socket)


def test_idle_time_ends_it(home: AgentHome) -> None:
    from keyvault.agent.lifetime import Limits
    from keyvault.agent.starting import spawn
    from keyvault.agent.warm import Handed, purpose_keys

    with pytest.MonkeyPatch.context() as patched:
        for name, value in home.environment.items():
            patched.setenv(name, value)
        vault = home.open()
        assert spawn(Handed(home.home, home.state, Limits(60, 1), purpose_keys(vault)), wait=True) == ""
        vault.store.close()
    pid = home.pid
    home.wait_until_gone(pid)


def test_a_vault_that_is_gone_ends_it(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.rename(home.path, home.path + ".away")
    home.run(*GOOD, code=3)
    home.wait_until_gone(pid)


def test_after_a_rekey_it_gives_nothing_and_ends(home: AgentHome) -> None:
    from keyvault.vault import care, slots
    from keyvault.vault.care import SlotSecret

    home.start_agent()
    pid = home.pid
    vault = home.open()
    care.rekey(vault, lambda _: [SlotSecret(slots.KEY_FILE, slots.new_secret(slots.KEY_FILE))])
    vault.store.close()
    home.run(*GOOD, code=4)
    home.wait_until_gone(pid)


def test_a_vault_put_in_anothers_place_is_not_answered_for(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    with agent_home() as other:
        os.rename(other.path, home.path)
    done = home.run(*GOOD, code=6)
    assert b"another vault" in done.stderr
    home.wait_until_gone(pid)


def test_an_older_vault_is_not_answered_for(home: AgentHome) -> None:
    with open(home.path, "rb") as file:
        older = file.read()
    home.start_agent()
    vault = home.open()
    add_key(vault, "fresh/key", "new", "FRESH")
    vault.store.close()
    home.run(*GOOD)
    with open(home.path, "wb") as file:  # the same file, as a restored disk has it
        file.write(older)
    home.run(*GOOD, code=4)  # left to the client, which has no way to unlock
    assert b"has seen change" in home.cold(*GOOD, code=6).stderr


def test_a_removed_socket_ends_it_and_another_can_start(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    os.unlink(home.socket)
    home.wait_until_gone(pid)
    home.start_agent()
    home.run(*GOOD)


def test_of_agents_started_at_once_one_stays(home: AgentHome) -> None:
    racers = [
        subprocess.Popen(
            [*COMMAND, "unlock"],
            env=home.environment | {"KEYVAULT_KEY_FILE": home.key_file},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(5)
    ]
    ended = [(racer.communicate(timeout=60)[1], racer.returncode) for racer in racers]
    assert ended == [(b"", 0)] * 5
    lock = os.stat(home.socket[:-5] + ".lock").st_ino
    held = [line.split() for line in text_of("/proc/locks").splitlines() if line.endswith(f":{lock} 0 EOF")]  # proc_locks(5)
    assert [words[4] for words in held] == [str(home.pid)]


def test_lock_while_requests_run_leaves_each_whole_or_unserved(home: AgentHome) -> None:
    home.start_agent()
    pid = home.pid
    whole = home.run(*GOOD).stdout
    path, environment = os.fsencode(home.socket), home.environment
    from agents import body, framed, raw

    request, seen, going = framed(body(home, *GOOD, env=environment)), [], threading.Event()

    def ask() -> None:
        while not going.is_set():
            try:
                seen.append(raw(os.fsdecode(path), request))
            except OSError:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    home.run("lock")
    assert not is_alive(pid)
    going.set()
    for thread in threads:
        thread.join()
    assert len(seen) > 20
    for answer in seen:
        parsed = client.parse(answer[5:]) if len(answer) > 5 and len(answer) == 5 + int.from_bytes(answer[1:5], "big") else None
        assert answer in (b"", b"A") or (parsed is not None and (client.OUT, whole) in parsed[2])


def test_a_real_keyring_unlocks_once_and_then_may_lock_or_hang(home: AgentHome) -> None:
    with secret_service.running() as service:
        folder = home.folder + "/k"
        os.mkdir(folder, 0o700)
        kept = TypedHome(folder)
        kept.extra = {}
        env = {name: value for name, value in service.environment.items() if name not in ("HOME", "XDG_RUNTIME_DIR")}
        kept.run("init", "--no-recovery", env=env)
        kept.run("add", "openai", "--stdin", stdin=b"sk-1", env=env)
        wait_for(kept)
        before = kept.served
        service.lock()
        assert kept.run("get", "openai", "--reveal", env=env).stdout == b"sk-1"
        service.hang()
        assert kept.run("get", "openai", "--reveal", env=env).stdout == b"sk-1"
        assert kept.served == before + 2
        kept.run("lock", env=env)
        assert b"keyring" in kept.run("get", "openai", "--reveal", env=env, code=4).stderr


def test_a_lost_note_about_the_vault_is_told_though_the_first_request_is_not_served(home: AgentHome) -> None:
    home.start_agent()
    home.run("env", "groq")
    for name in os.listdir(home.state):
        if name.startswith(("anchor-", "path-")):
            os.unlink(os.path.join(home.state, name))
    served = home.served
    file = home.folder + "/runner"
    write(file, "")
    first = home.run("env", "groq", "--format", "github-actions", env={"GITHUB_ENV": file})
    assert home.served == served
    second = home.run("env", "groq")
    assert b"first use of this vault on this machine" in first.stderr + second.stderr
    assert b"first use" not in home.run("env", "groq").stderr
