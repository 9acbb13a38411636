"""Every way to unlock, which one is tried first, and what happens where one is not at hand."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
import secret_service
from people import PASSPHRASE, AskingHome, Terminal, text_of, write
from secret_service import SecretService
from vaults import COMMAND, VaultHome

from keyvault.core.errors import WrongSecret
from keyvault.crypto.kdf import STRONG, WEAKEST_ALLOWED, Argon2Parameters
from keyvault.store.sqlite import open_store
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header, decode_header, split_head
from keyvault.vault.slots import Slot, decode_all
from keyvault.vault.vault import Vault

NEW = "plover lamp quorum zither"


@pytest.fixture
def asking(tmp_path: os.PathLike[str]) -> AskingHome:
    home = AskingHome(str(tmp_path))
    home.create_asking(with_code=True)
    return home


def slots_of(home: VaultHome) -> list[Slot]:
    store = open_store(home.path)
    try:
        return decode_all(decode_header(split_head(store.head())[0]))
    finally:
        store.close()


def kinds(home: VaultHome) -> list[str]:
    return [slot.kind for slot in slots_of(home)]


def used(home: VaultHome, env: dict[str, str]) -> str:
    """The kind of slot that opened the vault."""
    lines = home.run("slots", env=env).stdout.decode().splitlines()
    return next(line.split()[1] for line in lines if line.endswith("(used now)"))


# -- passphrases, and where they may be


def test_a_passphrase_comes_from_a_variable_a_file_or_a_descriptor_less_one_newline(asking: AskingHome) -> None:
    folder = asking.folder
    for ending in ("", "\n", "\r\n"):
        path = write(folder + "/p", PASSPHRASE + ending)
        assert used(asking, {"KEYVAULT_PASSPHRASE_FILE": path}) == "passphrase"
    for ending in ("\n\n", " ", " \n"):
        asking.run("list", code=5, env={"KEYVAULT_PASSPHRASE_FILE": write(folder + "/p", PASSPHRASE + ending)})
    write(folder + "/p", PASSPHRASE + "\n")
    line = " ".join(COMMAND)
    for call in (
        f'KEYVAULT_PASSPHRASE="$(cat p)" {line} list --json',
        f"KEYVAULT_PASSPHRASE_FILE=<(cat p) {line} list --json",
        f"KEYVAULT_PASSPHRASE_FD=7 {line} list --json 7<p",
        f"KEYVAULT_PASSPHRASE_FD=3 {line} list --json 3< <(cat p)",
        f"KEYVAULT_PASSPHRASE_FD=0 {line} list --json <p",
    ):
        done = subprocess.run(
            ["setsid", "-w", "bash", "-c", call],
            env=asking.environment,
            cwd=folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b'{\n  "keys": []\n}\n'), (call, done.stderr)


def test_a_pipe_gives_its_passphrase_to_all_steps_of_a_command(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    write(home.folder + "/p", PASSPHRASE + "\n")
    line = " ".join(COMMAND)
    for words in ("init --no-recovery", "rekey --yes --no-recovery", "list"):
        call = f"KEYVAULT_PASSPHRASE_FD=3 {line} {words} 3< <(cat p)"
        done = subprocess.run(
            ["bash", "-c", call], env=home.environment, cwd=home.folder, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
    assert kinds(home) == ["passphrase"]


def test_a_passphrase_typed_on_another_system_is_the_same(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.run("init", "--no-recovery", env={"KEYVAULT_PASSPHRASE": "Zoe\u0308s blaue Schreibmaschine 7"})
    home.run("list", env={"KEYVAULT_PASSPHRASE": "Zo\u00ebs blaue Schreibmaschine 7"})
    home.run("list", code=5, env={"KEYVAULT_PASSPHRASE": "Zoes blaue Schreibmaschine 7"})


def test_a_recovery_code_opens_the_vault_wherever_a_passphrase_would(asking: AskingHome) -> None:
    sloppy = asking.code.lower().replace("-", "  ").replace("0", "o").replace("1", "l")
    for code in (asking.code, sloppy):
        assert used(asking, {"KEYVAULT_PASSPHRASE": code}) == "recovery"
    person = Terminal(asking, "list")
    person.answer("keyvault passphrase: ", asking.code)
    assert "no keys yet" in person.end()


def test_a_recovery_code_is_asked_for_where_there_is_no_passphrase(tmp_path: os.PathLike[str]) -> None:
    home = VaultHome(str(tmp_path))
    home.run("init", "--recovery-file", home.folder + "/code")
    code = text_of(home.folder + "/code").strip()
    person = Terminal(home, "list", env={"KEYVAULT_KEY_FILE": ""})
    person.answer("keyvault recovery code: ", code[:-1] + ("2" if code[-1] != "2" else "3"))
    person.expect("the recovery code is mistyped")
    person.answer("keyvault recovery code: ", code)
    assert "no keys yet" in person.end()


def test_a_mistyped_recovery_code_is_a_wrong_secret_where_there_is_no_passphrase_too(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking(with_code=True)
    home.run("slots", "remove", "passphrase", "--yes", env={"KEYVAULT_PASSPHRASE": home.code})
    mistyped = home.code[:-1] + ("0" if home.code[-1] != "0" else "1")
    done = home.run("list", code=5, env={"KEYVAULT_PASSPHRASE": mistyped})
    assert b"the recovery code is mistyped" in done.stderr
    home.run("list", env={"KEYVAULT_PASSPHRASE": home.code})


def test_the_key_file_comes_first_and_a_given_passphrase_before_a_question(asking: AskingHome) -> None:
    key = asking.folder + "/k"
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    asking.run("slots", "add", "key-file", "--key-file", key, env=opened)
    assert used(asking, opened | {"KEYVAULT_KEY_FILE": key}) == "key-file"
    assert used(asking, opened) == "passphrase"
    both = opened | {"KEYVAULT_PASSPHRASE": "wrong", "KEYVAULT_PASSPHRASE_FILE": write(asking.folder + "/p", PASSPHRASE)}
    assert used(asking, both) == "passphrase"
    assert "passphrase:" not in Terminal(asking, "list", env=opened).end()


def test_passphrases_cost_what_was_promised(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    home.run("init", "--no-recovery", env=opened)
    assert [slot.kdf for slot in slots_of(home)] == [Argon2Parameters(64 * 1024, 3, 4)]
    new = write(home.folder + "/new", NEW)
    home.run("passwd", "--strong", "--new-passphrase-file", new, env=opened)
    assert [slot.kdf for slot in slots_of(home)] == [Argon2Parameters(256 * 1024, 3, 4)]
    assert b"Argon2id 256 MiB, 3 passes, 4 lanes (used now)" in home.run("slots", env={"KEYVAULT_PASSPHRASE": NEW}).stdout
    # What the header says is what is computed: with other parameters the slot does not open.
    store = open_store(home.path)
    header = decode_header(split_head(store.head())[0])
    store.close()
    assert slots.unwrap(header, decode_all(header), slots.PASSPHRASE, NEW.encode())[0].kdf == STRONG
    cheaper = [slot._replace(kdf=WEAKEST_ALLOWED) for slot in decode_all(header)]
    with pytest.raises(WrongSecret):
        slots.unwrap(header, cheaper, slots.PASSPHRASE, NEW.encode())


def test_passwd_from_a_file_replaces_one_slot_in_place(asking: AskingHome) -> None:
    new = write(asking.folder + "/new", NEW + "\n")
    asking.run("passwd", "--new-passphrase-file", new, env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    assert kinds(asking) == ["recovery", "passphrase"]
    asking.run("list", code=5, env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    assert used(asking, {"KEYVAULT_PASSPHRASE": NEW}) == "passphrase"
    weak = write(asking.folder + "/weak", "hunter2")
    done = asking.run("passwd", "--new-passphrase-file", weak, code=2, env={"KEYVAULT_PASSPHRASE": NEW})
    assert b"--insist takes it all the same" in done.stderr
    done = asking.run(
        "passwd", "--new-passphrase-file", write(asking.folder + "/e", ""), code=2, env={"KEYVAULT_PASSPHRASE": NEW}
    )
    assert b"a passphrase has 1 to 1024 characters" in done.stderr


# -- slots, rekey


def test_the_last_slot_stays_and_a_removed_one_opens_nothing(asking: AskingHome) -> None:
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    asking.run("slots", "remove", "recovery", "--yes", env=opened)
    asking.run("list", code=5, env={"KEYVAULT_PASSPHRASE": asking.code})
    done = asking.run("slots", "remove", "passphrase", "--yes", code=2, env=opened)
    assert b"add another first: keyvault slots add" in done.stderr
    asking.run("list", env=opened)


def test_slots_are_found_by_id_and_not_by_a_kind_that_is_there_twice(asking: AskingHome) -> None:
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    asking.run("slots", "add", "passphrase", "--new-passphrase-file", write(asking.folder + "/new", NEW), env=opened)
    assert b"2 slots match passphrase" in asking.run("slots", "remove", "passphrase", "--yes", code=3, env=opened).stderr
    rows = json.loads(asking.run("slots", "list", "--json", env=opened).stdout)["slots"]
    first = next(row["id"] for row in rows if row["kind"] == "passphrase")
    asking.run("slots", "remove", first[:6], "--yes", env=opened)
    asking.run("list", code=5, env=opened)
    asking.run("list", env={"KEYVAULT_PASSPHRASE": NEW})


def test_rekey_keeps_what_is_at_hand_and_names_what_it_drops(asking: AskingHome) -> None:
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE}
    asking.run("slots", "add", "key-file", "--key-file", asking.folder + "/k1", env=opened)
    asking.run("slots", "add", "key-file", "--key-file", asking.folder + "/k2", env=opened)
    before = {slot.id[:8]: slot.kind for slot in slots_of(asking)}
    code = asking.folder + "/code"
    both = opened | {"KEYVAULT_KEY_FILE": asking.folder + "/k1"}
    said = asking.run("rekey", "--yes", "--recovery-file", code, env=both).stderr.decode()
    assert said.count("will be gone: its secret is not at hand") == 1
    assert any(f"key-file slot {name} will be gone" in said for name, kind in before.items() if kind == "key-file")
    assert "the present recovery code will open this vault no more" in said
    assert sorted(kinds(asking)) == ["key-file", "passphrase", "recovery"]
    asking.run("list", code=5, env={"KEYVAULT_KEY_FILE": asking.folder + "/k2"})
    asking.run("list", code=5, env={"KEYVAULT_PASSPHRASE": asking.code})
    for env in (opened, {"KEYVAULT_KEY_FILE": asking.folder + "/k1"}, {"KEYVAULT_PASSPHRASE": text_of(code).strip()}):
        asking.run("list", env=env)


def test_rekey_after_a_recovery_code_never_locks_everybody_out(asking: AskingHome) -> None:
    opened = {"KEYVAULT_PASSPHRASE": asking.code}
    done = asking.run("rekey", "--yes", "--no-recovery", code=2, env=opened)
    assert b"no way to unlock would be left" in done.stderr
    asking.run("list", env=opened)
    person = Terminal(asking, "rekey", env=opened)
    person.answer("go on? [y/N] ", "n")
    assert "passphrase slot" in person.end(1)


def test_rekey_on_a_terminal_asks_for_a_passphrase_to_keep(asking: AskingHome) -> None:
    key = asking.folder + "/k"
    asking.run("slots", "add", "key-file", "--key-file", key, env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    person = Terminal(asking, "rekey", "--no-recovery", env={"KEYVAULT_PASSPHRASE": asking.code})
    person.answer("go on? [y/N] ", "n")
    assert "key-file slot" in person.end(1)
    assert sorted(kinds(asking)) == ["key-file", "passphrase", "recovery"]


# -- the OS keyring, a real one


class KeyringHome(AskingHome):
    """A home in a session that has a real keyring."""

    service: SecretService

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {k: v for k, v in self.service.environment.items() if k != "HOME"}


@pytest.fixture
def keyring_home(tmp_path: os.PathLike[str]) -> Iterator[KeyringHome]:
    with secret_service.running() as service:
        home = KeyringHome(str(tmp_path))
        home.service = service
        yield home


def test_init_picks_a_real_keyring_and_the_vault_then_opens_by_itself(keyring_home: KeyringHome) -> None:
    home = keyring_home
    code = home.folder + "/code"
    home.run("init", "--recovery-file", code)
    assert sorted(kinds(home)) == ["keyring", "recovery"]
    home.run("add", "openai", "--stdin", stdin=b"sk-1")
    assert used(home, {}) == "keyring"
    assert Terminal(home, "get", "openai", "--reveal", env={"XDG_RUNTIME_DIR": home.service.folder + "/run"}).end() == "sk-1\n"
    assert b"OS keyring: " in home.run("doctor").stdout

    home.run("rekey", "--yes", "--recovery-file", home.folder + "/code2")
    assert used(home, {}) == "keyring"
    home.run("slots", "add", "passphrase", "--new-passphrase-file", write(home.folder + "/p", PASSPHRASE))
    home.run("slots", "remove", "keyring", "--yes")
    assert kinds(home) == ["recovery", "passphrase"]
    assert b"no terminal to ask on" in home.run("list", code=4).stderr
    home.run("slots", "add", "keyring", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    assert used(home, {}) == "keyring"
    home.run("rekey", "--yes", "--no-recovery", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    assert kinds(home) == ["passphrase"]


def test_a_keyring_slot_that_was_refused_leaves_no_item(keyring_home: KeyringHome) -> None:
    home = keyring_home
    home.create_asking()

    def unlock(header: Header) -> bytes:
        return slots.unwrap(header, decode_all(header), slots.PASSPHRASE, slots.passphrase_bytes(PASSPHRASE))[1]

    vault = Vault(open_store(home.path), unlock, home.anchors)
    while len(vault.header.slots) < slots.MOST_SLOTS:
        care.add_slot(vault, SlotSecret(slots.KEY_FILE, slots.new_secret(slots.KEY_FILE)))
    done = home.run("slots", "add", "keyring", env={"KEYVAULT_PASSPHRASE": PASSPHRASE}, code=2)
    assert b"a vault has at most 64 slots" in done.stderr
    assert home.service.items() == []
    home.run("slots", "remove", vault.header.slots[1]["id"], "--yes", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    home.run("slots", "add", "keyring", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    assert len(home.service.items()) == 1


def lock(service: SecretService) -> None:
    service.lock()
    assert service.is_locked()


UNUSABLE: list[tuple[Callable[[SecretService], None], str]] = [
    (lock, "the keyring is locked"),
    (SecretService.hang, "the keyring did not answer in 3"),
    (SecretService.kill, "keyring"),
]


@pytest.mark.parametrize(("spoil", "reason"), UNUSABLE, ids=["locked", "hanging", "gone"])
def test_a_keyring_that_does_not_answer_is_a_reason_and_never_a_hang(
    keyring_home: KeyringHome, spoil: Callable[[SecretService], None], reason: str
) -> None:
    home = keyring_home
    home.run("init", "--no-recovery")
    home.run("slots", "add", "passphrase", "--new-passphrase-file", write(home.folder + "/p", PASSPHRASE))
    spoil(home.service)
    start = time.monotonic()
    said = home.run("list", code=4).stderr.decode()
    assert time.monotonic() - start < 8
    assert reason in said
    assert "set KEYVAULT_PASSPHRASE_FILE" in said
    home.run("list", env={"KEYVAULT_PASSPHRASE": PASSPHRASE})
    if spoil is not SecretService.hang:  # on a terminal a person gets a minute to answer the keyring's dialog
        person = Terminal(home, "list", env={"XDG_RUNTIME_DIR": home.service.folder + "/run"})
        person.answer("keyvault passphrase: ", PASSPHRASE)
        assert "keyvault: warning: " in person.end()


def test_init_falls_back_to_a_passphrase_where_the_keyring_hangs(keyring_home: KeyringHome) -> None:
    home = keyring_home
    home.service.hang()
    start = time.monotonic()
    person = Terminal(home, "init", "--no-recovery", env={"XDG_RUNTIME_DIR": home.service.folder + "/run"})
    person.answer("passphrase or key-file? [passphrase] ", "")
    person.answer("new passphrase: ", PASSPHRASE)
    assert time.monotonic() - start < 8
    person.answer("the same again: ", PASSPHRASE)
    seen = person.end()
    assert "not possible here: the keyring did not answer in 3" in seen
    assert "\r\x1b[Klooking for a keyring: 2 s" in seen
    assert kinds(home) == ["passphrase"]


def test_init_offers_the_keyring_first_where_one_answers(keyring_home: KeyringHome) -> None:
    home = keyring_home
    person = Terminal(home, "init", "--no-recovery", env={"XDG_RUNTIME_DIR": home.service.folder + "/run"})
    person.answer("keyring, passphrase or key-file? [keyring] ", "")
    assert "unlocked by keyring" in person.end()
    assert kinds(home) == ["keyring"]


def test_a_vault_that_only_an_absent_keyring_opens_says_so(keyring_home: KeyringHome) -> None:
    home = keyring_home
    home.run("init", "--no-recovery")
    lonely = {"DBUS_SESSION_BUS_ADDRESS": "", "XDG_RUNTIME_DIR": home.folder}
    assert b"no D-Bus session" in home.run("list", code=4, env=lonely).stderr
    assert "nothing to ask for: the vault unlocks by keyring" in Terminal(home, "list", env=lonely).end(4)
    home.run("init", "--unlock", "keyring", "--no-recovery", code=8, env=lonely | {"KEYVAULT_HOME": home.folder + "/w"})
    assert not os.path.exists(home.folder + "/w/vault.db")
