"""Grace and clocks, what is due, schedules, hooks and places."""

from __future__ import annotations

import os
import plistlib
import shlex
import sys
from pathlib import Path

import pytest
from people import write

from keyvault.cli.places import place_of
from keyvault.core import clock
from keyvault.core.clock import DAY
from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret
from keyvault.rotation import hooks, plan, schedule
from keyvault.rotation.hooks import configured, run_hooks
from keyvault.rotation.retiring import grace_left
from keyvault.vault.answers import Checked
from keyvault.vault.keys import ApiKey, Version
from keyvault.vault.rotating import Rotation

AT = 1_790_000_000
VERSION = Version("11" * 16, AT, "22" * 32, "33" * 8)
KEY = ApiKey("44" * 16, "a/default", {"KEY": ""}, (VERSION,), VERSION.id, AT, AT, (1, "00"))
ROTATION = Rotation("00" * 8, "propagated", AT, AT, "a", VERSION.id, grace=DAY, promoted=AT, boot="this", up=1000)


@pytest.mark.parametrize(
    ("clock", "up", "left"),
    [
        (AT + 3600, ("this", 4600), DAY - 3600),
        (AT + 50 * DAY, ("this", 4600), DAY - 3600),  # the clock jumped forward
        (AT - 50 * DAY, ("this", 4600), DAY - 3600),  # and back
        (AT + 5, ("this", 1000 + 2 * DAY), 0),
        (AT + 3600, ("another", 5), DAY - 3600),
        (AT + 2 * DAY, ("another", 5), 0),
        (AT - 1, ("another", 5), None),  # counted anew
        (AT + 3600, ("", 0), DAY - 3600),
    ],
)
def test_the_grace_is_counted_by_what_no_clock_setting_moves(clock: int, up: tuple[str, int], left: int | None) -> None:
    assert grace_left(ROTATION, clock, up) == left
    assert grace_left(ROTATION._replace(leaked=True), clock, up) == 0


def test_what_is_due_and_in_which_order() -> None:
    keys = {
        "leaked": KEY._replace(leaked=AT),
        "invalid": KEY._replace(checked=Checked(VERSION.id, AT, "invalid", 401, "")),
        "expired": KEY._replace(expires=AT),
        "expires soon": KEY._replace(expires=AT + DAY),
        "old": KEY._replace(rotate_after=90 * DAY, created=AT - 91 * DAY),
        "": KEY._replace(rotate_after=90 * DAY, created=AT - 89 * DAY, expires=AT + 90 * DAY),
    }
    assert [key.due(AT) for key in keys.values()] == list(keys)
    assert [key.due(AT) for key in plan.due(list(reversed(keys.values())), AT)] == list(keys)[:-1]
    assert [key.due(AT) for key in plan.due(list(keys.values()), AT, leaked_only=True)] == ["leaked"]
    said_of_another = KEY._replace(checked=Checked("55" * 16, AT, "invalid", 401, ""))
    assert said_of_another.due(AT) == ""


def test_schedules_are_what_their_readers_take() -> None:
    program = "/opt/my keys/100%/keyvault"
    line = schedule.entry("cron", program).splitlines()[1]
    assert shlex.split(line.replace("\\%", "%"))[5:] == [program, "rotate", "--due", "--yes", "--no-input"]
    job = plistlib.loads(schedule.entry("launchd", "/Users/me & <you>/keyvault").encode())
    assert job == {  # launchd.plist(5): Label is required; a missing key of the interval is a wildcard
        "Label": "keyvault-rotate",
        "ProgramArguments": ["/Users/me & <you>/keyvault", "rotate", "--due", "--yes", "--no-input"],
        "StartCalendarInterval": {"Hour": 9, "Minute": 17},
    }
    assert 'ExecStart="/opt/my keys/100%%/keyvault" rotate --due' in schedule.entry("systemd", program)
    windows = schedule.entry("windows", "C:\\my keys\\keyvault.exe")
    # cmd passes it on as it is; the program splits it as the C runtime does, where \" is a quote
    words = shlex.split(windows.replace("\\", "\\\\").replace('\\\\"', '\\"'))
    run = '"C:\\my keys\\keyvault.exe" rotate --due --yes --no-input'
    assert words == ["schtasks", "/Create", "/SC", "DAILY", "/ST", "09:17", "/TN", "keyvault-rotate", "/TR", run]


@pytest.mark.parametrize(("platform", "kind"), [("darwin", "launchd"), ("win32", "windows"), ("freebsd14", "cron")])
def test_each_system_is_shown_its_own_timer(monkeypatch: pytest.MonkeyPatch, platform: str, kind: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert schedule.usual() == kind


def test_hooks_get_the_value_on_their_input_and_nothing_in_their_arguments(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = (
        "import os,sys; told = [sys.stdin.read(), os.environ['KEYVAULT_ROTATED_REF'], *sys.argv[2:]];"
        "open(sys.argv[1], 'w').write(' '.join(told))"
    )
    programs = (
        (sys.executable, "-c", script, str(out), "$(date)"),
        ("/no/such/program",),
        (write(f"{tmp_path}/text", "no program", mode=0o755),),
        (sys.executable, "-c", "raise SystemExit(3)"),
    )
    failed = run_hooks(programs, KEY, Secret("the value"))
    assert out.read_text() == "the value a/default $(date)"
    assert failed[0] == "the hook /no/such/program was not found"
    assert failed[1] == f"the hook {tmp_path}/text could not be run: OSError"
    assert failed[2].endswith("failed with status 3")
    assert "the value" not in "".join(failed)


def test_a_hook_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_SECONDS", 1)
    hang = (sys.executable, "-c", "import time; time.sleep(60)")
    assert run_hooks((hang,), KEY, Secret("the value")) == [f"the hook {sys.executable} was stopped after 1 s"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[rotation]\nhooks = [["a", "b"], ["c"]]', (("a", "b"), ("c",))),
        ("[other]\n", ()),
        ('[rotation]\nhooks = ["a b"]', None),
        ("[rotation]\nhooks = [[]]", None),
        ("rotation = 5", None),
        ("not toml", None),
    ],
)
def test_hooks_come_from_the_persons_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: tuple[tuple[str, ...], ...] | None
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert configured() == ()
    os.mkdir(tmp_path / "keyvault")
    write(str(tmp_path / "keyvault" / "config.toml"), text)
    if told is None:
        with pytest.raises(InvalidInput):
            configured()
    else:
        assert configured() == told


def test_places_are_named_by_file_format_or_service(tmp_path: Path) -> None:
    path = write(str(tmp_path / "x.Renviron"), "")
    assert place_of(path, KEY) == ("renviron", path, "KEY")
    assert place_of(f"systemd:{path}#OTHER", KEY) == ("systemd", path, "OTHER")
    assert place_of("github:me/app", KEY) == ("github", "me/app", "KEY")
    for wrong in ("github:me", "github:me/a;b", str(tmp_path), str(tmp_path / "gone"), f"{path}#1x"):
        with pytest.raises(InvalidInput):
            place_of(wrong, KEY)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (86_400, "24 h"),
        (86_399, "24 h"),
        (86_340, "23 h 59 min"),
        (3_600, "1 h"),
        (3_599, "1 h"),
        (61, "2 min"),
        (1, "1 min"),
        (0, "0 min"),
        (-9, "0 min"),
    ],
)
def test_what_is_left_of_a_grace_is_never_told_as_less(seconds: int, told: str) -> None:
    assert clock.span(seconds) == told
