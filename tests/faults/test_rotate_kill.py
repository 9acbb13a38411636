"""A rotation that is killed before and after every commit, request and file, and resumed: one live key, and no stray one."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults.forks import Forks
from internet import Internet
from people import text_of, write
from vaults import VaultHome, add_key
from vendor_keys import GitLab, Iam, OpenRouter, SendGrid, Vendor

from keyvault.vault import care, changes
from keyvault.vault.keys import ApiKey

pytestmark = pytest.mark.timeout(1200)
ADMIN = "sk-or-v1-" + "a" * 64


class Stage(NamedTuple):
    """A key at a vendor, and a file that holds it."""

    home: VaultHome
    vendor: Vendor
    net: Internet
    ref: str
    file: str

    def key(self) -> tuple[ApiKey, dict[str, str]]:
        vault = self.home.open()
        found = vault.open_key(self.ref)
        vault.store.close()
        return found

    def current_works(self) -> bool:
        return self.vendor.by_value(self.key()[1][""]) is not None


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Internet]:
    made = Internet(tmp_path)
    yield made
    made.close()


def openrouter(home: VaultHome, net: Internet) -> tuple[Vendor, str, str]:
    vendor, value = OpenRouter(net, ADMIN), "sk-or-v1-" + "0123456789abcdef" * 4
    vendor.add(value)
    vendor.add("sk-or-v1-" + "b" * 64)
    vault = home.create()
    add_key(vault, "openrouter/default", value, "OPENROUTER_API_KEY")
    add_key(vault, "openrouter/management", ADMIN, "OPENROUTER_MANAGEMENT_KEY")
    vault.store.close()
    return vendor, "openrouter/default", value


def sendgrid(home: VaultHome, net: Internet) -> tuple[Vendor, str, str]:
    vendor = SendGrid(net)
    value = vendor.make("by hand", ["mail.send", "api_keys.create", "api_keys.delete", "api_keys.read"]).value
    vault = home.create()
    add_key(vault, "sendgrid/default", value, "SENDGRID_API_KEY")
    vault.store.close()
    return vendor, "sendgrid/default", value


def prepare(home: VaultHome, net: Internet, make: Callable[[VaultHome, Internet], tuple[Vendor, str, str]]) -> Stage:
    vendor, ref, value = make(home, net)
    file = write(os.path.join(home.folder, "project.env"), f"KEY={value}\n")
    vault = home.open()
    with vault.transaction("place") as tx:
        changes.register_place(tx, ref, "dotenv", file, "KEY")
    vault.store.close()
    return Stage(home, vendor, net, ref, file)


def run(stage: Stage, forks: Forks, kill_at: int, *words: str) -> tuple[int | None, int]:
    """Exit code, and how many events there were."""
    report = os.path.join(stage.home.folder, "events")
    done = forks.start(
        stage.home,
        kill_at,
        report,
        "rotate",
        *words,
        "--no-input",
        "--yes",
        call="faults.rotators:run",
        env=stage.net.environment(),
    ).wait(90)
    if kill_at == 0:
        assert b"Traceback" not in done.err, done.told
        return done.code, int(text_of(report))
    assert done.code in (-signal.SIGKILL, 0), done.told
    return done.code, 0


@pytest.mark.parametrize("make", [openrouter, sendgrid])
def test_a_rotation_killed_anywhere_ends_with_one_live_key(
    home: VaultHome, net: Internet, forks: Forks, make: Callable[[VaultHome, Internet], tuple[Vendor, str, str]]
) -> None:
    stage = prepare(home, net, make)
    others = len(stage.vendor.alive) - 1
    code, events = run(stage, forks, 0, stage.ref, "--grace", "0")
    assert code == 0
    assert events >= 20
    chance = random.Random(5)
    kills = 0
    for at in range(1, events + 1):
        before = stage.key()[1][""]
        code, _ = run(stage, forks, at, stage.ref, "--grace", "0")
        kills += code == -signal.SIGKILL
        assert stage.current_works(), at
        if chance.random() < 0.5:  # and the resumed one is killed too
            code, _ = run(stage, forks, chance.randint(1, 12), "--resume")
            kills += code == -signal.SIGKILL
            assert stage.current_works(), at
        code, _ = run(stage, forks, 0, "--resume")
        assert code == 0, at
        key, values = stage.key()
        if key.value.fingerprint and values[""] == before:  # killed before it was noted that it begins
            assert at <= 4, at
        assert key.rotation is None, at
        assert len(stage.vendor.alive) == others + 1, (at, [k.name for k in stage.vendor.alive])
        assert text_of(stage.file) == f"KEY={values['']}\n", at
    vault = home.open()
    care.verify(vault)
    vault.store.close()
    print(f"{events} events, {kills} kills")
    assert kills >= events


def test_an_abort_killed_anywhere_leaves_the_old_key_and_no_other(home: VaultHome, net: Internet, forks: Forks) -> None:
    stage = prepare(home, net, openrouter)
    old = stage.key()[1][""]
    at = 0
    for at in range(8, 18, 1):
        run(stage, forks, at, stage.ref, "--grace", "0")
        key = stage.key()[0]
        if key.rotation is None or key.rotation.promoted:
            break
        run(stage, forks, 3, "--abort", stage.ref)
        code, _ = run(stage, forks, 0, *(("--abort", stage.ref) if stage.key()[0].rotation else ("--status",)))
        assert code == 0
        assert stage.key()[0].rotation is None
        assert stage.key()[1][""] == old
        assert len(stage.vendor.alive) == 2
    assert at > 10, "no kill fell between the beginning and the promotion"


def test_a_value_that_was_lost_with_a_rolling_vendors_answer_is_never_guessed(
    home: VaultHome, net: Internet, forks: Forks
) -> None:
    vendor, value = GitLab(net), "glpat-" + "0" * 20
    vendor.add(value)
    vault = home.create()
    add_key(vault, "gitlab/default", value, "GITLAB_TOKEN")
    vault.store.close()
    stage = Stage(home, vendor, net, "gitlab/default", "")
    lost = 0
    for at in range(1, 14):
        run(stage, forks, at, stage.ref, "--insist")
        rotation = stage.key()[0].rotation
        run(stage, forks, 0, "--resume")
        if rotation and rotation.step == "creating" and (now := stage.key()[0].rotation):
            assert (now.step, now.scheme) == ("begun", "manual")
            lost += 1
            new = vendor.add(f"glpat-{at:020}").value
            done = home.run(
                "rotate", "--resume", "gitlab", "--stdin", "--grace", "0", stdin=new.encode(), env=net.environment(), code=None
            )
            assert done.returncode == 0, done.stderr
        assert stage.key()[0].rotation is None, at
        assert stage.current_works(), at
    assert lost >= 1


def test_aws_with_a_second_key_that_nobody_can_explain_is_left_to_the_person(
    home: VaultHome, net: Internet, forks: Forks
) -> None:
    vendor = Iam(net)
    first = vendor.make()
    vault = home.create()
    with vault.transaction("add") as tx:
        details: changes.Details = {"fields": {"secret_access_key": True}, "variables": {"AWS_ACCESS_KEY_ID": ""}}
        changes.add(tx, "aws/default", {"": first.value, "secret_access_key": first.secret}, details, 1_790_000_000)
    vault.store.close()
    stage = Stage(home, vendor, net, "aws/default", "")
    at = 0
    while len(vendor.alive) < 2:  # killed between the request and the commit of its answer
        at += 1
        run(stage, forks, at, stage.ref, "--grace", "0")
        if stage.key()[0].rotation and len(vendor.alive) < 2:
            run(stage, forks, 0, "--abort", stage.ref)
    assert (rotation := stage.key()[0].rotation)
    assert rotation.step == "creating"
    stray = next(key for key in vendor.alive if key is not first)
    code, _ = run(stage, forks, 0, "--resume")
    assert code == 1
    assert len(vendor.alive) == 2
    stray.alive = False
    code, _ = run(stage, forks, 0, "--resume")
    assert code == 0
    assert [key.value for key in vendor.alive] == [stage.key()[1][""]]
    assert stage.key()[1]["secret_access_key"] == vendor.alive[0].secret
