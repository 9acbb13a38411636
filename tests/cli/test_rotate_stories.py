"""`rotate` as a person meets it; the vendor keeps keys on a loopback internet."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from internet import Internet
from people import Terminal, text_of, write
from vaults import VaultHome
from vendor_keys import AFTER, BEFORE, LATE, LIE, REFUSE, OpenRouter

ADMIN = "sk-or-v1-" + "a" * 64
OLD = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture
def vendor(net: Internet) -> OpenRouter:
    made = OpenRouter(net, ADMIN)
    made.add(OLD, "production", limit=25, limit_reset="monthly")
    for number in range(3):
        made.add(f"sk-or-v1-{number:064x}", f"other {number}")
    return made


@pytest.fixture
def home(home: VaultHome) -> VaultHome:
    home.run("add", "openrouter", "--stdin", stdin=OLD.encode())
    home.run("add", "openrouter/management", "--env", "OPENROUTER_MANAGEMENT_KEY", "--no-auto", "--stdin", stdin=ADMIN.encode())
    return home


def value(home: VaultHome, ref: str = "openrouter") -> str:
    return home.run("get", ref, "--reveal").stdout.decode().rstrip("\n")


def step(home: VaultHome, ref: str = "openrouter") -> str | None:
    return json.loads(home.run("show", ref, "--json").stdout)["rotation"]


def test_a_key_is_replaced_and_the_old_one_is_dead(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    done = home.run("rotate", "openrouter", "--grace", "0", env=net.environment())
    new = value(home)
    assert new != OLD
    assert vendor.by_value(OLD) is None
    made = vendor.by_value(new)
    assert made is not None
    assert made.facts == {"limit": 25, "limit_reset": "monthly", "include_byok_in_limit": False}
    assert len(vendor.alive) == 4
    assert step(home) is None
    assert b"openrouter/default: done" in done.stderr
    told = json.loads(home.run("show", "openrouter", "--json").stdout)
    assert (told["vendor_id"], told["vendor_name"]) == (made.id, made.name)
    assert [row["state"] for row in json.loads(home.run("history", "openrouter", "--json").stdout)["versions"]] == [
        "earlier",
        "current",
    ]
    assert OLD.encode() not in done.stderr + done.stdout
    assert new.encode() not in done.stderr + done.stdout
    home.run("verify")


def test_both_values_work_until_the_grace_is_over(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    done = home.run("rotate", "openrouter", env=net.environment())
    told = re.search(
        rb"both values work; the old one is revoked in (24 h|23 h 5[0-9] min)", done.stderr
    )  # a slow machine takes minutes
    assert told, done.stderr
    assert step(home) == "propagated"
    assert vendor.by_value(OLD)
    assert vendor.by_value(value(home))
    home.run("rotate", "--resume", env=net.environment())
    assert vendor.by_value(OLD)
    assert b"propagated" in home.run("list").stdout
    assert b"retiring" in home.run("history", "openrouter").stdout


def test_the_old_value_comes_back_and_the_new_one_retires(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    home.run("rotate", "openrouter", env=net.environment())
    new = value(home)
    home.run("rotate", "--rollback", "openrouter", env=net.environment())
    assert value(home) == OLD
    assert vendor.by_value(new)
    assert step(home) == "propagated"
    home.run("rotate", "--abort", "openrouter", env=net.environment(), code=1)


@pytest.mark.parametrize("fault", [BEFORE, AFTER, LIE])
def test_a_lost_answer_leaves_one_key_after_resume(home: VaultHome, vendor: OpenRouter, net: Internet, fault: str) -> None:
    vendor.faults[1] = fault
    home.run("rotate", "openrouter", "--grace", "0", env=net.environment(), code=8)
    assert value(home) == OLD
    assert step(home) == "creating"
    home.run("rotate", "openrouter", env=net.environment(), code=2)
    home.run("rotate", "--resume", "openrouter", env=net.environment())
    assert step(home) is None
    assert [key.value for key in vendor.alive if key.name.startswith("keyvault-")] == [value(home)]
    assert vendor.by_value(OLD) is None


def test_a_refusal_changes_nothing(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.faults[1] = REFUSE
    done = home.run("rotate", "openrouter", env=net.environment(), code=1)
    assert b"openrouter.ai refused (403)" in done.stderr
    assert (step(home), value(home)) == (None, OLD)


def test_a_lost_answer_can_be_aborted(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.faults[1] = AFTER
    home.run("rotate", "openrouter", env=net.environment(), code=8)
    home.run("rotate", "--abort", "openrouter", env=net.environment())
    assert (step(home), value(home)) == (None, OLD)
    assert not [key for key in vendor.alive if key.name.startswith("keyvault-")]
    assert vendor.by_value(OLD)


@pytest.mark.parametrize("fault", [BEFORE, AFTER])
def test_a_lost_answer_to_the_revocation_is_asked_again(home: VaultHome, vendor: OpenRouter, net: Internet, fault: str) -> None:
    vendor.faults = dict.fromkeys(range(2, 5), fault)
    done = home.run("rotate", "openrouter", "--grace", "0", env=net.environment(), code=None)
    if fault == BEFORE:
        assert done.returncode == 8
        assert step(home) == "revoking"
        home.run("rotate", "--resume", env=net.environment())
    else:
        home.run("rotate", "--resume", env=net.environment())
    assert step(home) is None
    assert vendor.by_value(OLD) is None
    assert vendor.by_value(value(home))


def test_a_vendor_that_lies_about_the_revocation_is_caught(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.dying = 10**6
    done = home.run("rotate", "openrouter", "--grace", "0", env=net.environment(), code=7)
    assert b"the vendor said that the old value is revoked, and it still works" in done.stderr
    assert step(home) == "revoked"


def test_a_new_key_that_needs_a_moment_is_waited_for(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.slow_start, vendor.dying = 2, 2.0
    home.run("rotate", "openrouter", "--grace", "0", env=net.environment())
    assert vendor.by_value(value(home))


def test_an_answer_that_is_late_is_still_an_answer(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    vendor.faults[1] = LATE
    home.run("rotate", "openrouter", "--grace", "0", env=net.environment())
    assert len(vendor.alive) == 4


def test_a_leak_in_the_middle_of_the_grace_ends_it(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    home.run("rotate", "--resume", "openrouter", env=net.environment(), code=3)
    home.run("rotate", "openrouter", env=net.environment())
    home.run("rotate", "--resume", "--leaked", "openrouter", env=net.environment())
    assert step(home) is None
    assert vendor.by_value(OLD) is None


def test_the_second_half_of_a_pair_is_asked_for_too(home: VaultHome, net: Internet) -> None:
    half = write(os.path.join(home.folder, "half"), "old half")
    home.run("add", "acme", "--env", "ACME_ID", "--secret-field", f"secret=file:{half}", "--stdin", stdin=b"old id")
    terminal = Terminal(home, "rotate", "acme", "--insist", "--grace", "0")
    terminal.answer("new key for acme/default (hidden): ", "new id")
    terminal.answer("new secret of acme/default (hidden, empty keeps the present one): ", "new half")
    terminal.answer("is the old value of acme/default revoked there? [y/N] ", "y")
    assert "nobody can say whether the old value of acme/default is dead" in terminal.end()
    assert value(home, "acme") == "new id"
    assert home.run("get", "acme", "--field", "secret", "--reveal").stdout == b"new half"


def test_files_that_hold_the_key_get_the_new_value(home: VaultHome, vendor: OpenRouter, net: Internet, tmp_path: Path) -> None:
    dotenv = str(tmp_path / "project.env")
    write(dotenv, "# mine\nOTHER=1\n")
    home.run("env", "openrouter", "-o", dotenv)
    unit = write(str(tmp_path / "unit.conf"), f'# {OLD}x\nOPENROUTER_API_KEY="{OLD}"  \n', 0o640)
    home.run("edit", "openrouter", "--place", f"systemd:{unit}", "--place", "github:me/app")
    done = home.run("rotate", "openrouter", "--grace", "0", "--insist", env=net.environment()).stderr.decode()
    new = value(home)
    assert text_of(dotenv) == f"# mine\nOTHER=1\nOPENROUTER_API_KEY={new}\n"
    assert text_of(unit) == f'# {OLD}x\nOPENROUTER_API_KEY="{new}"  \n'
    assert os.stat(unit).st_mode & 0o777 == 0o640
    assert "keyvault get openrouter/default --reveal | gh secret set OPENROUTER_API_KEY --repo me/app" in done
    assert "OPENROUTER_API_KEY: …cdef -> …" in done
    assert new not in done


def test_while_a_key_is_rotated_its_values_are_left_alone(home: VaultHome, vendor: OpenRouter, net: Internet) -> None:
    home.run("rotate", "openrouter", env=net.environment())
    for words in (
        ("rm", "openrouter"),
        ("rename", "openrouter", "openrouter/x"),
        ("rollback", "openrouter"),
        ("purge", "openrouter", "--versions", "--yes"),
        ("edit", "openrouter", "--value", "--stdin"),
        ("rotate", "openrouter"),
    ):
        done = home.run(*words, stdin=b"sk-or-v1-" + b"9" * 64, env=net.environment(), code=None)
        assert done.returncode in (1, 2), words
        assert b"keyvault rotate --resume openrouter/default" in done.stderr, words
    home.run("edit", "openrouter", "--note", "this is fine")
    assert step(home) == "propagated"


def test_a_manual_rotation_that_was_given_up_at_its_question_can_be_asked_for_again(
    home: VaultHome, vendor: OpenRouter, net: Internet
) -> None:
    words, question = ("rotate", "--manual", "openrouter"), "new key for openrouter/default (hidden): "
    given_up = Terminal(home, *words, env=net.environment())
    given_up.press(question, "c")
    given_up.end(130)
    assert step(home) is not None
    again = Terminal(home, *words, env=net.environment())
    again.expect("keys of OpenRouter are made at ")
    again.press(question, "c")
    again.end(130)
    home.run("rotate", "--manual", "--leaked", "openrouter", env=net.environment(), code=2)
    assert value(home) == OLD


def test_a_manual_rotation_asks_for_the_value_and_waits_for_the_revocation(
    home: VaultHome, vendor: OpenRouter, net: Internet
) -> None:
    new = "sk-or-v1-" + "f" * 64
    hand_made = vendor.add(new)
    home.run("rm", "openrouter/management")
    terminal = Terminal(home, "rotate", "--manual", "--grace", "0", "openrouter", env=net.environment())
    terminal.answer("(hidden): ", new)
    terminal.answer("is the old value of openrouter/default revoked there? [y/N] ", "n")
    terminal.end(7)
    assert value(home) == new
    vendor.kill(next(key for key in vendor.keys.values() if key.value == OLD))
    home.run("rotate", "--resume", "openrouter", env=net.environment())
    assert step(home) is None
    assert hand_made.works


def test_a_value_that_is_no_key_of_the_vendor_or_not_new_is_not_taken(
    home: VaultHome, vendor: OpenRouter, net: Internet
) -> None:
    for wrong, code in ((b"sk-ant-api03-" + b"x" * 93 + b"AA", 2), (OLD.encode(), 1)):
        home.run("rotate", "openrouter", "--manual", "--stdin", stdin=wrong, env=net.environment(), code=code)
        assert step(home) == "begun"
        home.run("rotate", "--abort", "openrouter", env=net.environment())


def test_due_keys_are_planned_and_rotated_with_the_leaked_ones_first(
    home: VaultHome, vendor: OpenRouter, net: Internet
) -> None:
    assert b"no key is due" not in home.run("rotate", "--due", env=net.environment()).stdout
    home.run("edit", "openrouter", "--leaked")
    dry = home.run("rotate", "--due", "--dry-run", env=net.environment()).stdout.decode()
    assert "leaked" in dry
    assert "OpenRouter makes a new key (with openrouter/management)" in dry
    assert "proven here against a double" in dry
    assert value(home) == OLD
    home.run("rotate", "--due", env=net.environment(), code=2)
    home.run("rotate", "--due", "--yes", env=net.environment())
    assert vendor.by_value(OLD) is None
    assert json.loads(home.run("show", "openrouter", "--json").stdout)["leaked"] is None
