"""The traps that docs/format.md and others' histories name: each one set, and walked into."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

import pexpect  # type: ignore[import-untyped]
import pytest
from faults import states
from faults.forks import COUNT, DIE_BEFORE, STOP, Call, Fault, Forks
from faults.pipes import Pipe
from vaults import COMMAND, VaultHome, add_key

from keyvault.core import clock
from keyvault.core.errors import Forked, KeyvaultError, Replaced, RolledBack, StoreBusy, StoreFailed
from keyvault.store.sqlite import SqliteStore
from keyvault.unlock import key_file
from keyvault.vault import care, changes, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.vault import Vault

AT = 1_790_000_000


def quick(work: Callable[[], object]) -> float:
    """How long it took."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


# -- readers and askers that stand still


def test_a_reader_stopped_while_it_prints_does_not_block_a_writer(home: VaultHome) -> None:
    vault = home.create()
    with vault.transaction("add") as tx:
        for number in range(1500):
            changes.add(tx, f"w/k{number}", {"": "v"}, {"variables": {f"VARIABLE_NUMBER_{number}": ""}}, AT)
    reader = subprocess.Popen([*COMMAND, "list"], env=home.environment, stdout=subprocess.PIPE, cwd=home.folder)
    assert reader.stdout
    assert reader.stdout.read(1) == b"K"  # it prints, and then the pipe is full
    deadline = time.monotonic() + 10
    while "pipe" not in waiting_in(reader.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    reader.send_signal(signal.SIGSTOP)
    assert reader.poll() is None
    took = quick(lambda: add_key(vault, "w/new", "value"))
    reader.send_signal(signal.SIGCONT)
    rest = reader.stdout.read()
    reader.stdout.close()
    assert reader.wait() == 0
    assert rest.count(b"w/k") == 1500
    assert b"w/new" not in rest, "it shows the state that it read"
    assert took < 2


def waiting_in(pid: int) -> str:
    """Where in the kernel a process waits; a pipe where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/wchan") as file:
            found = file.read()
    except OSError:
        found = "0"
    if found == "0":
        time.sleep(0.3)
        return "pipe"
    return found


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (("add", "groq"), "key for"),
        (("edit", "openai", "--value"), "new key for"),
        (("rekey", "--no-recovery"), "go on"),
        (("restore", "old.db"), "go on"),
        (("slots", "remove", "recovery"), "take away"),
        (("slots", "add", "passphrase"), "new passphrase"),
    ],
)
def test_a_question_is_asked_without_holding_anything(words: tuple[str, ...], prompt: str, home: VaultHome) -> None:
    vault = states.furnish(home)
    home.run("backup", "old.db")
    asker = pexpect.spawn(COMMAND[0], [*COMMAND[1:], *words], env=home.environment, cwd=home.folder, timeout=30)
    asker.expect(prompt)
    assert quick(lambda: add_key(vault, "w/new", "value")) < 2
    asker.sendintr()
    asker.expect(pexpect.EOF)
    asker.close()
    assert vault.get("w/new")


# -- another file under an open handle


def test_a_writer_whose_file_was_replaced_acknowledges_nothing(home: VaultHome) -> None:
    vault = states.furnish(home)
    shutil.copyfile(home.path, home.path + ".copy")
    os.chmod(home.path + ".copy", 0o600)
    os.rename(home.path + ".copy", home.path)
    for _ in range(2):
        with pytest.raises(StoreFailed, match="replaced"):
            add_key(vault, "w/lost", "value")
    again = home.open()
    assert again.find("w/lost") is None
    add_key(again, "w/kept", "value")
    with pytest.raises(StoreFailed, match="replaced"):
        add_key(vault, "w/lost", "value")
    assert again.get("w/kept")


def test_a_file_replaced_between_any_two_calls_of_a_write_loses_nothing_acknowledged(
    home: VaultHome, forks: Forks, nightly: bool
) -> None:
    states.furnish(home).store.close()
    template = home.folder + "-template"
    shutil.copytree(home.folder, template)
    words = ("edit", "openai", "--value", "--stdin")
    calls = forks.run(home, *words, stdin=b"sk-new", fault=COUNT).calls
    assert len(calls) > 20
    committed = max(call.number for call in calls if call.path == home.path + "-journal")
    stop, acknowledged = Fault("stop", STOP), 0
    for call in calls if nightly else calls[:: max(1, len(calls) // 15)] + calls[-14:]:
        shutil.rmtree(home.folder)
        shutil.copytree(template, home.folder)
        job = forks.start(home, *words, stdin=b"sk-new", fault=stop, at=call.number)
        wait_for_stop(job.pid, job.calls)
        os.rename(home.path, home.path + ".before")
        shutil.copyfile(os.path.join(template, "vault", "vault.db"), home.path)
        os.chmod(home.path, 0o600)
        job.kill(signal.SIGCONT)
        done = job.wait()
        assert "Traceback" not in done.told
        if done.code == 0:
            # The write was durable before the file was replaced, or it went into the new file: nothing else may be said.
            acknowledged += 1
            vault = home.open(believe_store=True)
            there = vault.open_key("openai/default")[1][""] == "sk-new"
            vault.store.close()
            assert there or call.number > committed, (call, done.told)
    assert acknowledged


def wait_for_stop(pid: int, calls: Callable[[], list[Call]]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "T" and calls():
                return
        time.sleep(0.002)
    raise AssertionError("it did not stop")


# -- the anchor


def copy_of(path: str, to: str) -> str:
    shutil.copyfile(path, to)
    os.chmod(to, 0o600)
    return to


def test_an_anchor_that_leads_or_lags(home: VaultHome) -> None:
    vault = states.furnish(home)
    older_vault, older_state = copy_of(home.path, home.folder + "/older.db"), home.folder + "/older-state"
    shutil.copytree(home.state, older_state)
    add_key(vault, "w/new", "value")
    add_key(vault, "w/newer", "value")
    newest = vault.root
    vault.store.close()
    # It lags: a crash between commit and anchor. The journal proves the line, and it moves up.
    shutil.rmtree(home.state)
    shutil.copytree(older_state, home.state)
    opened = home.open()
    anchor = home.anchors.read(opened.header.vault_id)
    assert anchor
    assert (anchor.seq, anchor.chain) == (newest.seq, newest.chain.hex())
    opened.store.close()
    # It leads: only an older vault put back does that.
    copy_of(older_vault, home.path)
    with pytest.raises(RolledBack):
        home.open()


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", b'{"seq": 1e400}', b"[" * 4000])
def test_an_anchor_that_cannot_be_read_counts_as_none_and_is_written_anew(damage: bytes, home: VaultHome) -> None:
    vault = states.furnish(home)
    vault_id, seq = vault.header.vault_id, vault.root.seq
    vault.store.close()
    for name in os.listdir(home.state):
        with open(os.path.join(home.state, name), "wb") as file:
            file.write(damage)
    told = home.run("list").stderr.decode()
    assert "cannot be read" in told
    assert home.run("list").stderr == b"", "it is told once"
    anchor = home.anchors.read(vault_id)
    assert anchor
    assert anchor.seq == seq
    assert home.anchors.vault_at(home.path) == vault_id


def test_a_lost_anchor_is_adopted_and_said_once(home: VaultHome) -> None:
    states.furnish(home).store.close()
    shutil.rmtree(home.state)
    assert b"first use" in home.run("list").stderr
    assert home.run("list").stderr == b""


def lay_over(home: VaultHome, source: str) -> None:
    copy_of(source, home.path)
    with open(home.path + "-journal", "wb"):
        pass


@pytest.mark.parametrize("kind", ["rolled back", "forked", "replaced"])
def test_old_foreign_and_forked_copies_are_stopped_explained_and_accepted(kind: str, home: VaultHome, scratch: str) -> None:
    vault = states.furnish(home)
    vault.store.close()
    base = copy_of(home.path, os.path.join(scratch, "base.db"))
    home.run("edit", "openai", "--note", "here")
    if kind == "rolled back":
        lay_over(home, base)
        error: type[KeyvaultError] = RolledBack
    elif kind == "forked":
        other = VaultHome(os.path.join(scratch, "other"))
        shutil.copytree(home.folder, other.folder)
        shutil.rmtree(other.state)
        copy_of(base, other.path)
        other.run("edit", "openai", "--note", "there")
        lay_over(home, other.path)
        error = Forked
    else:
        other = VaultHome(os.path.join(scratch, "other"))
        os.mkdir(other.folder, 0o700)
        add_key(other.create(), "stranger/default", "value")
        lay_over(home, other.path)
        shutil.copyfile(other.key_file, home.key_file)
        error = Replaced
    for words in (("list",), ("get", "openai", "--reveal"), ("env", "--format", "json"), ("verify",), ("rm", "openai")):
        done = home.run(*words, code=6)
        assert done.stdout in (b"", b"(exit 6);"), words
        assert b"keyvault doctor" in done.stderr
    with pytest.raises(error):
        home.open()
    doctor = home.run("doctor", code=1).stdout.decode()
    assert {"rolled back": "older copy", "forked": "another way", "replaced": "another vault"}[kind] in doctor
    refused = home.run("restore", code=2)
    assert b"--yes" in refused.stderr
    home.run("restore", "--yes")
    assert home.run("list").returncode == 0
    home.run("add", "groq/after", "--stdin", stdin=b"value")
    home.run("verify")
    states.content(home)


# -- restore


def test_two_machines_that_repeat_a_number_are_told_apart(home: VaultHome, scratch: str) -> None:
    vault = states.furnish(home)
    backup = os.path.join(scratch, "old.db")
    vault.store.close()
    home.run("backup", backup)
    # The second machine knows the vault as it is now; then the first goes two changes ahead.
    second = VaultHome(os.path.join(scratch, "second"))
    shutil.copytree(home.folder, second.folder)
    at_backup = states.content(home)["seq"]
    home.run("edit", "openai", "--note", "one")
    second.run("restore", backup, "--yes")
    here, there = states.content(home), states.content(second)
    assert here["seq"] == there["seq"] == at_backup + 1, "the same number for two different states"
    # Each finds the other's file in a synced folder: forked, never taken for its own.
    ours = copy_of(home.path, os.path.join(scratch, "ours.db"))
    lay_over(home, second.path)
    with pytest.raises(Forked):
        home.open()
    lay_over(second, ours)
    with pytest.raises(Forked):
        second.open()
    # And a longer line of the other is still the other's.
    lay_over(home, ours)
    home.run("edit", "openai", "--note", "two")
    home.run("edit", "openai", "--note", "three")
    lay_over(second, home.path)
    with pytest.raises(Forked):
        second.open()


def test_a_machine_that_has_seen_what_a_restore_gave_up_follows_it(home: VaultHome, scratch: str) -> None:
    states.furnish(home).store.close()
    backup = os.path.join(scratch, "old.db")
    home.run("backup", backup)
    home.run("edit", "openai", "--note", "given up")
    second = VaultHome(os.path.join(scratch, "second"))
    shutil.copytree(home.folder, second.folder)
    second.run("list")
    home.run("restore", backup, "--yes")
    home.run("edit", "openai", "--note", "after")
    lay_over(second, home.path)
    assert second.run("list").stderr == b""
    assert states.content(second)["keys"]["openai/default"][3] == "after"
    with pytest.raises(RolledBack):
        lay_over(second, backup)
        second.open()


def test_restore_while_others_write_leaves_a_vault_that_all_accept(home: VaultHome, forks: Forks, scratch: str) -> None:
    vault = home.create()
    add_key(vault, "w/api", "v0")
    backup = os.path.join(scratch, "old.db")
    home.run("backup", backup)
    pipe = Pipe(home.folder)
    writer = forks.start(home, home.folder, pipe.path, "api", 1, call="faults.workers:write_by_api")
    for _ in range(12):
        time.sleep(0.05)
        done = forks.run(home, "restore", backup, "--yes")
        assert done.code == 0, done.told
        other = forks.run(home, "list")
        assert other.code == 0, other.told
        pipe.drain()
    writer.kill(signal.SIGKILL)
    ended = writer.wait()
    assert ended.code == -signal.SIGKILL, ended.told
    states.content(home)
    pipe.close()


def test_an_open_vault_sees_a_restore(home: VaultHome, scratch: str) -> None:
    vault = states.furnish(home)
    backup = os.path.join(scratch, "old.db")
    home.run("backup", backup)
    changed = home.open()
    with changed.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {"note": "undone"}, AT)
    home.run("restore", backup, "--yes")
    assert vault.get("openai/default").note == "0"
    with changed.transaction("edit") as tx:
        changes.edit(tx, "aws/work", {"note": "after"}, AT)
    assert vault.get("aws/work").note == "after"


# -- slots and rekey


def test_a_rekey_keeps_only_the_slots_whose_secret_is_given(home: VaultHome) -> None:
    vault = home.create()
    text = "correct horse battery staple extra"
    kept, code = slots.new_secret(slots.KEY_FILE), slots.new_secret(slots.RECOVERY)
    care.add_slot(vault, SlotSecret(slots.RECOVERY, code))
    care.add_slot(vault, SlotSecret(slots.KEY_FILE, kept))
    other = os.path.join(home.folder, "other-key")
    key_file.write(other, kept)
    phrase = os.path.join(home.folder, "phrase")
    with open(phrase, "w") as file:
        file.write(text)
    home.run("slots", "add", "passphrase", "--new-passphrase-file", phrase)
    told = home.run("rekey", "--yes", "--no-recovery").stderr.decode()
    assert told.count("will be gone") == 2
    assert "passphrase slot" in told
    assert "key-file slot" in told
    assert "recovery code will open this vault no more" in told
    assert states.content(home)["slots"] == ["key-file"]
    for env in ({"KEYVAULT_KEY_FILE": other}, {"KEYVAULT_KEY_FILE": "", "KEYVAULT_PASSPHRASE": text}):
        home.run("list", env=env, code=5)
    home.run("slots", "add", "passphrase", "--new-passphrase-file", phrase)
    home.run("rekey", "--yes", "--no-recovery", env={"KEYVAULT_PASSPHRASE_FILE": phrase})
    assert states.content(home)["slots"] == ["key-file", "passphrase"], "both were given"
    home.run("list", env={"KEYVAULT_KEY_FILE": "", "KEYVAULT_PASSPHRASE_FILE": phrase})


# -- two at once


@pytest.mark.parametrize("same_key_file", [True, False])
def test_of_two_inits_at_once_exactly_one_wins(same_key_file: bool, scratch: str, forks: Forks) -> None:
    for number in range(12):
        home = VaultHome(os.path.join(scratch, f"home{number}"))
        os.mkdir(home.folder, 0o700)
        names = ["key"] * 4 if same_key_file else [f"key{n}" for n in range(4)]
        files = [os.path.join(home.folder, name) for name in names]
        words = ("init", "--unlock", "key-file", "--no-recovery")
        jobs = [forks.start(home, *words, env={"KEYVAULT_KEY_FILE": file}) for file in files]
        ended = [job.wait() for job in jobs]
        assert sorted(done.code or 0 for done in ended) == [0, 1, 1, 1], [done.told for done in ended]
        for done in ended:
            assert "Traceback" not in done.told
            assert "internal" not in done.told
        winner = files[[done.code for done in ended].index(0)]
        opened = forks.run(home, "list", env={"KEYVAULT_KEY_FILE": winner})
        assert opened.code == 0, "the winner's key file opens the vault: " + opened.told


# -- locks


def test_a_hung_writer_is_named_after_the_deadline(home: VaultHome, forks: Forks) -> None:
    states.furnish(home).store.close()
    pipe = Pipe(home.folder)
    hung = forks.start(home, home.folder, pipe.path, call="faults.workers:hold_queue")
    assert pipe.line() == "held"
    vault = Vault(SqliteStore(home.path, deadline=0.5), home.unlock, home.anchors)
    start = time.monotonic()
    with pytest.raises(StoreBusy, match=f"process {hung.pid}"):
        add_key(vault, "w/new", "value")
    assert 0.4 < time.monotonic() - start < 3
    assert vault.open_key("openai/default")[1] == {"": "sk-second"}, "readers are not in the queue"
    hung.kill(signal.SIGKILL)
    hung.wait()
    add_key(vault, "w/new", "value")


def test_a_foreign_program_that_holds_the_file_is_told_after_the_deadline(home: VaultHome, forks: Forks) -> None:
    states.furnish(home).store.close()
    pipe = Pipe(home.folder)
    foreign = forks.start(home, home.path, pipe.path, call="faults.workers:hold_database")
    assert pipe.line() == "held"
    with pytest.raises(StoreBusy):
        Vault(SqliteStore(home.path, deadline=0.5), home.unlock, home.anchors)
    foreign.kill(signal.SIGKILL)
    foreign.wait()
    home.open().store.close()


# -- links, modes, owners, kinds


def link(path: str) -> None:
    os.rename(path, path + "-real")
    os.symlink(path + "-real", path)


def loosen(path: str) -> None:
    os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)


def give_away(path: str) -> None:
    os.chown(path, 65534, 65534)


def pipe_instead(path: str) -> None:
    if os.path.isdir(path):
        os.rename(path, path + "-real")
    else:
        os.unlink(path)
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("harm", [link, loosen, give_away, pipe_instead])
@pytest.mark.parametrize("name", ["vault", "vault/vault.db", "vault/vault.db.lock", "state", "key"])
def test_links_loose_modes_foreign_owners_and_pipes_are_refused(
    name: str, harm: Callable[[str], None], home: VaultHome, forks: Forks
) -> None:
    if harm is give_away and os.geteuid():
        pytest.skip("only root can give files away")
    states.furnish(home).store.close()
    harm(os.path.join(home.folder, name))
    done = forks.start(home, "add", "groq/new", "--stdin", stdin=b"value").wait(20)
    assert done.code is not None, "it hangs"
    assert "Traceback" not in done.told
    assert "internal" not in done.told
    assert done.code == 1, (done.code, done.told)
    assert os.path.basename(name) in done.told
    assert any(word in done.told for word in ("symbolic link", "open to other users", "another user", "not a plain")), done.told


@pytest.mark.parametrize("prefix", ["anchor-", "path-"])
@pytest.mark.parametrize("harm", [link, loosen, give_away, pipe_instead])
def test_an_anchor_that_others_could_have_written_is_not_believed(
    prefix: str, harm: Callable[[str], None], home: VaultHome, forks: Forks
) -> None:
    if harm is give_away and os.geteuid():
        pytest.skip("only root can give files away")
    states.furnish(home).store.close()
    name = next(name for name in os.listdir(home.state) if name.startswith(prefix))
    harm(os.path.join(home.state, name))
    done = forks.start(home, "list").wait(20)
    assert done.code == 1, (done.code, done.told)
    assert prefix in done.told


# -- the clock


def test_a_clock_that_jumps_ten_years_loses_nothing(home: VaultHome, forks: Forks) -> None:
    decade = 10 * 365 * clock.DAY
    states.furnish(home).store.close()
    for number, moved in enumerate((decade, 0, -decade, decade, -decade, 3 * decade)):
        done = forks.run(home, "add", f"groq/k{number}", "--stdin", stdin=b"value", clock=moved)
        assert done.code == 0, done.told
        assert forks.run(home, "edit", "openai", "--value", "--stdin", stdin=f"sk-{number}".encode(), clock=-moved).code == 0
        assert forks.run(home, "env", "--format", "json", clock=moved).code == 0
        for then in (0, decade, -decade):
            listed = forks.run(home, "list", clock=then)
            assert listed.code == 0, listed.told
            ages = [line.split()[1] for line in listed.out.decode().splitlines()[1:]]
            assert ages
            assert not any("-" in age.strip(">=") for age in ages), ages
            shown = forks.run(home, "show", "openai", clock=then)
            assert shown.code == 0, shown.told
            assert "-" not in "".join(word for word in shown.out.decode().split() if word.endswith("d") and word[:-1].isdigit())
            assert forks.run(home, "doctor", clock=then).code == 0
            assert forks.run(home, "log", clock=then).code == 0
    content = states.content(home)
    assert {f"groq/k{number}" for number in range(6)} <= set(content["keys"])
    assert content["keys"]["openai/default"][6][-1] == {"": "sk-5"}
    used = json.loads(forks.run(home, "list", "--json").out)
    assert len(used["keys"]) == 8


def leave_a_journal(home: VaultHome, forks: Forks) -> None:
    """A writer dies before its last write to the vault's file; its journal stays."""
    words = ("edit", "openai", "--value", "--stdin")
    template = home.folder + "-template"
    shutil.copytree(home.folder, template)
    calls = forks.run(home, *words, stdin=b"sk-new", fault=COUNT).calls
    last = max(call.number for call in calls if call.path == home.path)
    shutil.rmtree(home.folder)
    shutil.copytree(template, home.folder)
    forks.run(home, *words, stdin=b"sk-new", fault=Fault("die", DIE_BEFORE), at=last)
    assert os.path.getsize(home.path + "-journal") > 0


def test_a_leftover_journal_is_not_played_into_a_new_vault(home: VaultHome, forks: Forks) -> None:
    states.furnish(home).store.close()
    leave_a_journal(home, forks)
    os.unlink(home.path)  # someone starts over, and does not know of the journal
    os.unlink(home.key_file)
    shutil.rmtree(home.state)
    made = forks.run(home, "init", "--unlock", "key-file", "--no-recovery")
    if made.code:
        assert "vault.db-journal" in made.told
        assert not os.path.exists(home.path)
    else:
        assert forks.run(home, "verify").code == 0


def test_a_hot_journal_is_rolled_back_by_the_next_reader(home: VaultHome, forks: Forks) -> None:
    states.furnish(home).store.close()
    before = states.content(home)
    leave_a_journal(home, forks)
    readers = [forks.start(home, "list") for _ in range(8)]
    assert [job.wait().code for job in readers] == [0] * 8
    assert states.content(home) == before


def test_reading_needs_no_write_access(home: VaultHome, forks: Forks) -> None:
    states.furnish(home).store.close()
    nobody = 0 if os.geteuid() else 65534  # root may write everywhere
    os.chmod(os.path.dirname(home.folder), 0o711)
    for folder, _, names in os.walk(home.folder):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chmod(path, 0o500 if path == folder else 0o400)
            if nobody:
                os.chown(path, nobody, nobody)
    for words, out in ((("get", "openai", "--reveal"), b"sk-second"), (("list",), None), (("env", "--format", "json"), None)):
        done = forks.run(home, *words, uid=nobody)
        assert done.code == 0, done.told
        assert out in (None, done.out)
    done = forks.run(home, "rm", "openai", uid=nobody)
    for folder, _, _ in os.walk(home.folder):
        os.chmod(folder, 0o700)  # so that it can be taken away
    assert done.code == 1, done.told
