"""What the fork server's children do besides commands. Each is a process of its own; `tell` is a pipe to the test."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable

from vaults import VaultHome, add_key

from keyvault.core.errors import InvalidInput, KeyvaultError
from keyvault.crypto.kdf import WEAKEST_ALLOWED
from keyvault.store.sqlite import SqliteStore
from keyvault.unlock import key_file
from keyvault.vault import care, changes, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.vault import Transaction, Vault

AT = 1_790_000_000


def teller(pipe: str) -> Callable[[str], None]:
    """A line into the pipe, whole: at most PIPE_BUF bytes in one write."""
    fd = os.open(pipe, os.O_WRONLY)

    def tell(line: str) -> None:
        os.write(fd, line.encode() + b"\n")

    return tell


# -- writers that are killed


def new_value(tx: Transaction, ref: str, value: str) -> None:
    """One more version; a key that has had many is purged and made anew in the same commit, for a record has its limit."""
    key = changes.edit(tx, ref, {}, AT, {"": value})
    if len(key.versions) > 40:
        changes.remove(tx, ref, AT)
        changes.purge(tx, ref, AT)
        changes.add(tx, ref, {"": value}, {"variables": key.variables}, AT)


def write_by_api(folder: str, pipe: str, name: str, first: int) -> None:
    """New values for a key of its own, for ever: `start N`, the write, `done N`."""
    vault, tell = VaultHome(folder).open(), teller(pipe)
    for number in range(first, 10**9):
        tell(f"{name} start {number}")
        with vault.transaction("edit") as tx:
            new_value(tx, f"w/{name}", f"v{number}")
        tell(f"{name} done {number}")


def write_by_commands(folder: str, pipe: str, name: str, first: int) -> None:
    """The same with a keyvault process for each write; they die with this one's group."""
    home, tell = VaultHome(folder), teller(pipe)
    for number in range(first, 10**9):
        tell(f"{name} start {number}")
        done = subprocess.run(
            [sys.executable, "-m", "keyvault", "edit", f"w/{name}", "--value", "--stdin"],
            input=f"v{number}".encode(),
            env=home.environment,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            tell(f"{name} failed {done.returncode} {done.stderr.decode()[:200]!r}")
            return
        tell(f"{name} done {number}")


# -- many at once


def increment(folder: str, pipe: str, times: int) -> None:
    """Add one to the number in a note, so often; the longest wait for a whole change goes into the pipe."""
    vault, tell, worst = VaultHome(folder).open(), teller(pipe), 0.0
    for _ in range(times):
        start = time.monotonic()
        with vault.transaction("edit") as tx:
            key = tx.get("w/counter")
            changes.edit(tx, "w/counter", {"note": str(int(key.note) + 1)}, AT)
        worst = max(worst, time.monotonic() - start)
    tell(f"{worst:.3f}")


def read_on(folder: str, pipe: str) -> None:
    """Open, list and read until a file `stop` appears; the number of rounds goes into the pipe. An error ends it at once."""
    home, rounds, last = VaultHome(folder), 0, -1
    while not os.path.exists(os.path.join(folder, "stop")):
        vault = home.open()
        for _ in range(5):
            listed = vault.all_keys()
            assert [key.ref for key in listed] == ["w/counter"]
            key, values = vault.open_key("w/counter")
            assert values == {"": "value"}
            assert int(key.note) >= last, "a reader went back in time"
            last = int(key.note)
        vault.store.close()
        rounds += 1
    teller(pipe)(str(rounds))


def open_either_way(home: VaultHome) -> Vault:
    """A vault whose key-file slot is there whatever others do to the passphrase."""
    return home.open()


def mixed(folder: str, log: str, number: int, seconds: float) -> None:
    """Random reads, writes and care of the vault. What was acknowledged and what was read is logged with its times."""
    home, chance, entries = VaultHome(folder), random.Random(number), []
    vault, own = open_either_way(home), []
    end = time.monotonic() + seconds
    acts = ["get"] * 10 + ["put"] * 6 + ["reopen", "list", "slot-add", "slot-remove", "passwd"] + ["rekey"] * (number < 3)
    while time.monotonic() < end:
        act, ref, start = chance.choice(acts), f"w/k{chance.randrange(3)}", time.monotonic()
        value = 0
        try:
            if act == "get":
                value = int(vault.open_key(ref)[1][""])
            elif act == "put":
                with vault.transaction("edit") as tx:
                    key = tx.get(ref)
                    value = int(vault.values(key)[""]) + 1
                    new_value(tx, ref, str(value))
            elif act == "reopen":
                vault.store.close()
                vault = home.open()
            elif act == "list":
                assert len(vault.all_keys()) == 3
            elif act == "slot-add":
                slot = care.add_slot(vault, SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
                own.append((slot.id, vault.header.epoch))
            elif act == "slot-remove" and own:
                slot_id, epoch = own.pop()
                if vault.header.epoch == epoch:
                    care.remove_slot(vault, slot_id)
            elif act == "passwd":
                change_passphrase(vault, chance.random())
            elif act == "rekey":
                secret = SlotSecret(slots.KEY_FILE, key_file.read(home.key_file))
                care.rekey(vault, lambda _, secret=secret: [secret])  # type: ignore[misc]
        except KeyvaultError as exc:
            # Slots, passphrase and vault key belong to an epoch: who meets another's rekey is told to do it again.
            told = isinstance(exc, InvalidInput) or "slot" in exc.message
            if act not in ("slot-add", "slot-remove", "passwd", "rekey") or not told:
                raise
            act = "refused"
        entries.append([act, ref, value, start, time.monotonic()])
    with open(log, "w") as file:
        json.dump(entries, file)


def change_passphrase(vault: Vault, chance: float) -> None:
    """A new passphrase slot in place of one that is there, if there is one."""
    present = [slot for slot in slots.decode_all(vault.header) if slot.kind == slots.PASSPHRASE]
    secret = SlotSecret(slots.PASSPHRASE, slots.passphrase_bytes(f"phrase {chance}"), kdf=WEAKEST_ALLOWED)
    care.add_slot(vault, secret, instead_of=present[0].id if present else "", what="passwd")


# -- one that is in the way, and one that meets it


def hold_queue(folder: str, pipe: str) -> None:
    """Take a writer's turn and hang."""
    home = VaultHome(folder)
    store = SqliteStore(home.path)
    with store.writers_queue():
        teller(pipe)("held")
        time.sleep(600)


def write_one(folder: str, pipe: str, ref: str) -> None:
    """One key, then `done`; or the error's kind and text."""
    tell = teller(pipe)
    try:
        vault = VaultHome(folder).open()
        tell("open")
        add_key(vault, ref, "value")
    except KeyvaultError as exc:
        tell(f"{type(exc).__name__}: {exc.message}")
    else:
        tell("done")


def keep_writing(folder: str, pipe: str) -> None:
    """A long-lived vault that meets a full disk: a line from the file `go` means one try; the answer goes into the pipe."""
    home, tell, number = VaultHome(folder), teller(pipe), 0
    vault = home.open()
    tell("ready")
    with open(os.path.join(folder, "go"), "rb", buffering=0) as orders:
        while line := orders.readline():
            number += 1
            try:
                if line == b"big\n":
                    with vault.transaction("add") as tx:
                        for n in range(20):
                            changes.add(tx, f"big/b{number}-{n}", {"": "x" * 60_000}, {"variables": {f"B{number}_{n}": ""}}, AT)
                elif line == b"read\n":
                    vault.all_keys()
                else:
                    add_key(vault, f"small/s{number}", "value")
            except KeyvaultError as exc:
                tell(f"{type(exc).__name__}: {exc.message}")
            else:
                tell("done")


def kind_of(exc: KeyvaultError) -> str:
    """The nearest class that others may name."""
    return next(kind.__name__ for kind in type(exc).__mro__ if not kind.__name__.startswith("_"))


def open_hostile(folder: str, path: str, pipe: str) -> None:
    """Open, list and verify a file that is not to be trusted. Into the pipe go the error, the processor time and the memory."""
    home = VaultHome(folder)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    answer = "opened"
    try:
        vault = Vault(SqliteStore(path), home.unlock, home.anchors, believe_store=True)
        vault.all_keys()
        care.verify(vault)
    except KeyvaultError as exc:
        answer = f"{kind_of(exc)}: {exc.message}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    teller(pipe)(json.dumps([answer, time.process_time() - start, grown * 1024]))


def unlock_hostile(folder: str, head: str, pipe: str) -> None:
    """Unlock a head with a passphrase, as `open_hostile` does."""
    from keyvault.vault.codec import decode_header, split_head

    before, start, answer = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), "opened"
    try:
        header: Header = decode_header(split_head(bytes.fromhex(head))[0])
        slots.unwrap(header, slots.decode_all(header), slots.PASSPHRASE, b"x")
    except KeyvaultError as exc:
        answer = f"{kind_of(exc)}: {exc.message}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    teller(pipe)(json.dumps([answer, time.process_time() - start, grown * 1024]))


def hold_database(path: str, pipe: str) -> None:
    """A program that is not keyvault takes SQLite's lock and hangs."""
    import sqlite3

    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    teller(pipe)("held")
    time.sleep(600)
