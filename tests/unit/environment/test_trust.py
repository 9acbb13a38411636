"""What was allowed is followed; what came after is not, whoever changes the file and whenever."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.core import settings
from keyvault.core.errors import KeyvaultError
from keyvault.environment import project
from keyvault.environment.resolve import resolve
from keyvault.environment.selection import PROJECT, select
from keyvault.environment.trust import Trust

GOOD = """\
[env]
A = "openai/work"
B = { key = "openai/work", field = "", required = false }
[profile.prod.env]
A = "openai/prod"
"""


@pytest.fixture
def trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trust:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return Trust(str(tmp_path / "state"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "app" / ".keyvault.toml"
    made.parent.mkdir()
    made.write_text(GOOD)
    return made


def test_what_was_allowed_is_known_without_reading_it_again(trust: Trust, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trust.look_at(str(path))
    assert (first.allowed, first.denied, len(first.added)) == (False, False, 3)
    trust.allow(first.project)
    monkeypatch.setattr(project, "parse", None)  # the way of every new shell needs no TOML
    again = trust.look_at(str(path))
    assert (again.allowed, again.added, again.project) == (True, (), first.project)


@pytest.mark.parametrize(
    ("text", "added"),
    [
        (GOOD + "# a comment\n", []),
        ("", []),
        ("[profile.dev]\n" + GOOD, []),
        (GOOD.replace('A = "openai/work"\n', ""), []),
        (GOOD.replace('A = "openai/work"', 'A = { key = "openai/work", required = false }'), []),
        (GOOD.replace('A = "openai/prod"', 'A = "openai/work"'), ["openai/work"]),
        (GOOD.replace("profile.prod", "profile.dev"), ["openai/prod"]),
        ('[env]\nA = "openai/prod"\n', ["openai/prod"]),
        ('[env]\nB = "openai/work"\nA = "openai/work"\nC = "openai/work"\n', ["openai/work"]),
        ('[env]\nA = { key = "openai/work", field = "other" }\n', ["openai/work"]),
        ('[profile.prod.env]\nB = "openai/work"\n', ["openai/work"]),
    ],
)
def test_a_changed_file_has_to_be_allowed_again_only_for_what_is_new(
    trust: Trust, path: Path, text: str, added: list[str]
) -> None:
    trust.allow(trust.look_at(str(path)).project)
    path.write_text(text)
    standing = trust.look_at(str(path))
    assert [entry.ref for entry in standing.added] == added
    assert standing.allowed is not bool(added)
    path.write_text(GOOD)
    assert trust.look_at(str(path)).allowed


def test_the_same_text_at_another_place_is_not_allowed(trust: Trust, path: Path, tmp_path: Path) -> None:
    trust.allow(trust.look_at(str(path)).project)
    other = tmp_path / ".keyvault.toml"
    other.write_text(GOOD)
    assert not trust.look_at(str(other)).allowed


def test_what_is_shown_is_what_is_allowed_though_the_file_changes_meanwhile(trust: Trust, path: Path) -> None:
    shown = trust.look_at(str(path))
    path.write_text('[env]\nA = "openai/prod"\n')
    trust.allow(shown.project)
    assert not trust.look_at(str(path)).allowed


def test_denied_is_denied_until_allowed(trust: Trust, path: Path) -> None:
    trust.allow(trust.look_at(str(path)).project)
    trust.deny(str(path))
    standing = trust.look_at(str(path))
    assert (standing.allowed, standing.denied, trust.is_denied(str(path))) == (False, True, True)
    trust.allow(standing.project)
    assert trust.look_at(str(path)).allowed
    assert not trust.is_denied(str(path))


def test_a_state_folder_that_cannot_be_read_is_an_error_and_allows_nothing(trust: Trust, path: Path, tmp_path: Path) -> None:
    trust.allow(trust.look_at(str(path)).project)
    (tmp_path / "state" / "projects.json").unlink()
    (tmp_path / "state" / "projects.json").mkdir()
    for act in (lambda: trust.look_at(str(path)), lambda: trust.deny(str(path)), lambda: trust.is_denied(str(path))):
        with pytest.raises(KeyvaultError):
            act()


# Puts one thing after another in the place of a file, without a gap, until it is told to stop; prints how often it did.
SWAPPER = """
import itertools, os, sys
path, good = sys.argv[1:]
folder = os.path.dirname(path) + "/swap"
os.mkdir(folder)
evil = '[env]\\nA = "openai/work"\\nSTOLEN = "openai/secret"\\n'
texts = {"evil": evil, "good": good, "less": '[env]\\nA = "openai/work"\\n'}
for name, text in {**texts, "changing": good}.items():
    with open(folder + "/" + name, "w") as file:
        file.write(text)
changing = os.open(folder + "/changing", os.O_WRONLY)
new = folder + "/new"
turns = 0
for what in itertools.cycle(("evil", "good", "link", "less", "evil", "fifo", "changing", "good")):
    if os.path.exists(folder + "/stop"):
        break
    turns += 1
    if what == "link":
        os.symlink(folder + "/evil", new)
    elif what == "fifo":
        os.mkfifo(new)
    else:
        os.link(folder + "/" + what, new)
    os.replace(new, path)
    if what == "changing":
        for text in (evil, good):
            os.pwrite(changing, text.ljust(len(good)).encode(), 0)
print(turns)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VaultHome]:
    home = VaultHome(str(tmp_path))
    vault = home.create()
    for ref in ("openai/work", "openai/prod", "openai/secret"):
        add_key(vault, ref, f"value of {ref}", ref.upper().replace("/", "_"))
    vault.store.close()
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    yield home


def test_no_swap_between_look_and_use_gives_out_a_key_that_was_not_allowed(
    here: VaultHome, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings.load()
    trust = Trust(configured.state)
    trust.allow(trust.look_at(str(path)).project)
    monkeypatch.chdir(path.parent)
    vault = here.open()
    swapper = subprocess.Popen([sys.executable, "-c", SWAPPER, str(path), GOOD], stdout=subprocess.PIPE)
    while not (path.parent / "swap" / "changing").exists():
        time.sleep(0.01)
    followed = refused = 0
    try:
        for turn in range(10_000):
            selection = select(configured, ())
            if selection.source == PROJECT:
                followed += 1
                wanted = {(entry.variable, entry.ref) for entry in selection.entries or ()}
                assert wanted <= {("A", "openai/work"), ("B", "openai/work")}
                if turn % 10 == 0:
                    assert {value for _, value in resolve(vault, selection, None).variables} <= {"value of openai/work"}
            else:
                refused += 1
                assert selection.warnings
    finally:
        (path.parent / "swap" / "stop").touch()
        swaps = int(swapper.communicate(timeout=30)[0])
        vault.store.close()
    assert min(followed, refused) > 100, (followed, refused)
    assert swaps > 1_000
