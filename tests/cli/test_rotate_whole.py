"""Ten keys in five projects, one of them leaked; two rotations at once; reminders; backups and rekeys in the middle."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from internet import Internet
from people import Terminal, text_of, write
from vaults import COMMAND, VaultHome, add_key
from vendor_keys import LATE, OpenRouter

ADMIN = "sk-or-v1-" + "a" * 64


@pytest.fixture
def vendor(net: Internet) -> OpenRouter:
    return OpenRouter(net, ADMIN)


@pytest.fixture
def home(tmp_path: Path, vendor: OpenRouter) -> VaultHome:
    """Keys openrouter/k0 to k9, all alive at the vendor, and the management key."""
    made = VaultHome(str(tmp_path / "home"))
    os.mkdir(made.folder)
    vault = made.create()
    for number in range(10):
        value = f"sk-or-v1-{number}{'0123456789abcdef' * 4}"[:73]
        vendor.add(value)
        add_key(vault, f"openrouter/k{number}", value, f"KEY_{number}")
    add_key(vault, "openrouter/management", ADMIN, "OPENROUTER_MANAGEMENT_KEY")
    vault.store.close()
    return made


def value(home: VaultHome, ref: str) -> str:
    return home.run("get", ref, "--reveal").stdout.decode().rstrip("\n")


def test_ten_keys_in_five_projects_and_one_has_leaked(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    files = []
    for number in range(5):
        os.mkdir(folder := os.path.join(home.folder, f"project{number}"))
        files.append(os.path.join(folder, (".env", ".env", ".Renviron", "app.json", ".env")[number]))
        shape = ("--format", "json") if number == 3 else ()
        home.run("env", *(f"openrouter/k{n}" for n in (2 * number, 2 * number + 1, 7)), "-o", files[-1], *shape)
    old = {n: value(home, f"openrouter/k{n}") for n in range(10)}
    unit = write(os.path.join(home.folder, "unit.conf"), f"# unit\nKEY_7='{old[7]}'\n", 0o640)
    home.run("edit", "openrouter/k7", "--leaked", "--place", f"systemd:{unit}")
    plan = json.loads(home.run("rotate", "--leaked", "--dry-run", "--json").stdout.decode())["plan"]
    assert [one["ref"] for one in plan] == ["openrouter/k7"]
    assert {os.path.basename(place["path"]) for place in plan[0]["places"]} >= {".env", ".Renviron", "app.json", "unit.conf"}
    done = home.run("rotate", "--due", "--yes", env=net.environment())
    new = value(home, "openrouter/k7")
    assert new != old[7]
    assert vendor.by_value(old[7]) is None, "no grace for what has leaked"
    assert vendor.by_value(new)
    for path in (*files, unit):
        text = text_of(path)
        assert old[7] not in text, path
        assert new in text, path
    for number in set(range(10)) - {7}:
        assert value(home, f"openrouter/k{number}") == old[number]
        assert vendor.by_value(old[number])
    for secret in (*old.values(), new, ADMIN):
        assert secret.encode() not in done.stdout + done.stderr
    for folder, _, names in os.walk(home.folder):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                assert old[7].encode() not in file.read(), name
    told = json.loads(home.run("show", "openrouter/k7", "--json").stdout)
    assert (told["leaked"], told["due"], told["rotation"]) == (None, None, None)
    home.run("verify")


def test_two_rotations_of_one_key_at_once_make_one_new_key(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.faults[1], vendor.late = LATE, 3.0
    start = [*COMMAND, "rotate", "openrouter/k1", "--grace", "0", "--no-input"]
    both = [
        subprocess.Popen(start, env=home.environment | net.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(bool(process.returncode) for process in both) == [False, True]
    assert any(b"is being rotated" in text or b"another keyvault is rotating" in text for text in told)
    assert len(vendor.alive) == 10
    assert vendor.by_value(value(home, "openrouter/k1"))
    assert [key.name for key in vendor.alive if key.name != "made by hand"] == [key.name for key in vendor.alive][-1:]


def test_two_resumes_at_once_delete_nothing_that_is_in_use(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.faults[1] = "after"
    home.run("rotate", "openrouter/k1", "--grace", "0", env=net.environment(), code=8)
    start = [*COMMAND, "rotate", "--resume", "--no-input"]
    both = [
        subprocess.Popen(start, env=home.environment | net.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        process.communicate(timeout=60)
    home.run("rotate", "--resume", env=net.environment())
    assert len(vendor.alive) == 10
    assert vendor.by_value(value(home, "openrouter/k1"))


def test_a_backup_and_a_rekey_in_the_middle_keep_the_rotation(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    home.run("rotate", "openrouter/k1", env=net.environment())
    copy = os.path.join(home.folder, "copy.db")
    home.run("backup", copy)
    home.run("rotate", "--rollback", "openrouter/k1", env=net.environment())
    home.run("restore", copy, "--yes")
    assert json.loads(home.run("show", "openrouter/k1", "--json").stdout)["rotation"] == "propagated"
    home.run("rekey", "--no-recovery", "--yes")
    assert json.loads(home.run("show", "openrouter/k1", "--json").stdout)["rotation"] == "propagated"
    home.run("verify")


def test_a_backup_from_before_the_answer_deletes_no_key_that_is_in_use(
    home: VaultHome, vendor: OpenRouter, net: Internet
) -> None:
    vendor.faults[1] = "before"
    home.run("rotate", "openrouter/k1", "--grace", "0", env=net.environment(), code=8)
    copy = os.path.join(home.folder, "copy.db")
    home.run("backup", copy)
    home.run("rotate", "--resume", env=net.environment())
    in_use = value(home, "openrouter/k1")
    home.run("restore", copy, "--yes")
    done = home.run("rotate", "--resume", env=net.environment(), code=7)
    assert b"nothing was deleted" in done.stderr
    assert vendor.by_value(in_use)


def test_a_reminder_comes_once_a_day_and_only_on_a_terminal(home: VaultHome) -> None:
    line = "to be replaced: openrouter/k1 (leaked); keyvault rotate --due"
    home.run("edit", "openrouter/k1", "--leaked")
    assert line.encode() not in home.run("env", "openrouter/k1").stderr
    assert line in Terminal(home, "env", "openrouter/k1").end()
    assert line not in Terminal(home, "env", "openrouter/k1").end()
    assert line not in Terminal(home, "run", "--only", "openrouter/k1", "--", "true").end()
    state = next(name for name in os.listdir(home.state) if name.startswith("reminded-"))
    write(os.path.join(home.state, state), "1")
    assert line in Terminal(home, "run", "--only", "openrouter/k1", "--", "true").end()


def test_status_and_schedule_are_printed(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    assert b"crontab -e" in home.run("rotate", "--schedule", "cron").stdout
    assert b"rotate --due" in home.run("rotate", "--schedule").stdout
    home.run("rotate", "openrouter/k1", env=net.environment())
    home.run("edit", "openrouter/k2", "--expires", "2020-01-01", "--created", "2019-01-01")
    told = json.loads(home.run("rotate", "--status", "--json").stdout)["rotations"]
    assert [(one["ref"], one["step"], one["due"]) for one in told] == [
        ("openrouter/k1", "propagated", None),
        ("openrouter/k2", None, "expired"),
    ]
    assert 86_000 < told[0]["grace_left"] <= 86_400
    assert home.run("rotate", "--status").stdout.decode().splitlines()[0].split() == [
        "KEY",
        "DUE",
        "STEP",
        "SINCE",
        "OLD",
        "VALUE",
    ]
    for words in (("--due", "--resume"), (), ("--abort",)):
        home.run("rotate", *words, code=2)
    home.run("rotate", "--abort", "openrouter/k3", code=3)
