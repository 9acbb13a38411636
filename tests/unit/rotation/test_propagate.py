"""The old value out of files and the new one in, and nothing else changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import text_of, write

from keyvault.rotation import propagate
from keyvault.rotation.propagate import CHANGED, LEFT, WITHOUT, Exchange, Result
from keyvault.store import swap as swapping
from keyvault.store.swap import ChangedMeanwhile, read_plain, swap
from keyvault.vault.originals import Originals, digest
from keyvault.vault.rotating import Place

OLD, NEW = "sk-old-0123456789abcdef", "sk-new-fedcba9876543210"
ONE = [Exchange("", OLD, NEW)]


def copies(folder: Path) -> Originals:
    return Originals(str(folder / "state"), "00" * 16, b"k" * 32)


def in_file(folder: Path, text: str, kind: str = "dotenv", changes: list[Exchange] | None = None) -> tuple[Result, str]:
    path = write(str(folder / "file"), text)
    place = Place(kind, path, "KEY")
    result = propagate.propagate((place,), changes or ONE, {"KEY": ""}, "a/default", copies(folder))[0]
    return result, text_of(path)


@pytest.mark.parametrize(
    "text",
    [
        "KEY={}\n",
        "export KEY='{}'  # mine\r\nOTHER=1",
        'KEY: "{}"\n',
        '{{"a": {{"key": "{}"}}}}',
        "Environment=KEY={}\n",
        "url = https://user:{}@host/path\n",
        "A={0}\nB={0}\n# was {0}.\n",
    ],
)
def test_a_plain_value_is_exchanged_wherever_it_stands(tmp_path: Path, text: str) -> None:
    result, now = in_file(tmp_path, text.format(OLD))
    assert result.state == CHANGED
    assert now == text.format(NEW)


@pytest.mark.parametrize("text", ["KEY={}x\n", "KEY=x{}\n", "KEY=my-{}\n", "KEY={}-2\n", "KEY={}.b\n", "KEY={}/more\n"])
def test_a_value_that_is_a_part_of_another_is_left(tmp_path: Path, text: str) -> None:
    result, now = in_file(tmp_path, text.format(OLD))
    assert (result.state, now) == (LEFT, text.format(OLD))


def test_a_file_that_is_no_text_is_left_and_still_holds_the_value(tmp_path: Path) -> None:
    path = write(str(tmp_path / "file"), b"# caf\xe9\nKEY=" + OLD.encode())
    places = (Place("dotenv", path, "KEY"),)
    (result,) = propagate.propagate(places, ONE, {"KEY": ""}, "a/default", copies(tmp_path))
    assert result == Result(path, LEFT, "it is not UTF-8 text")
    assert propagate.still_old(places, ONE) == [path]


def test_a_file_without_the_value_or_gone_is_no_trouble(tmp_path: Path) -> None:
    assert in_file(tmp_path, "KEY=another\n")[0].state == WITHOUT
    place = Place("dotenv", str(tmp_path / "gone"), "KEY")
    assert propagate.propagate((place,), ONE, {}, "a/default", copies(tmp_path))[0].state == WITHOUT


def test_a_value_that_needs_quoting_goes_through_the_formats_editor(tmp_path: Path) -> None:
    changes = [Exchange("", "pass word$1", "new word$2")]
    result, now = in_file(tmp_path, "A=1\nKEY='pass word$1'\n", "dotenv", changes)
    assert (result.state, now) == (CHANGED, "A=1\nKEY='new word$2'\n")
    result, now = in_file(tmp_path, "A='pass word$1'\nKEY=other\n", "dotenv", changes)
    assert (result.state, now) == (LEFT, "A='pass word$1'\nKEY=other\n")


def test_what_the_formats_editor_cannot_read_keeps_no_plain_value_from_its_exchange(tmp_path: Path) -> None:
    text = '{{\n  // not quite JSON\n  "other": "{}", "KEY": "{}"\n}}\n'
    changes = [Exchange("", "pass word$1", "new word$2"), Exchange("id", OLD, NEW)]
    result, now = in_file(tmp_path, text.format(OLD, "pass word$1"), "json", changes)
    assert (result.state, now) == (CHANGED, text.format(NEW, "pass word$1"))
    assert "stands there as a part" in result.why


def test_what_is_shown_is_masked(tmp_path: Path) -> None:
    result, _ = in_file(tmp_path, f"SECRET=of-another KEY={OLD}\n")
    assert result.lines == ("1: KEY: …cdef -> …3210",)


def test_links_are_left_and_modes_are_kept(tmp_path: Path) -> None:
    real = write(str(tmp_path / "real"), f"KEY={OLD}\n", 0o644)
    os.symlink(real, tmp_path / "link")
    os.link(real, tmp_path / "second")
    for path in (str(tmp_path / "link"), real):
        assert propagate.propagate((Place("dotenv", path, "KEY"),), ONE, {}, "a/b", copies(tmp_path))[0].state == LEFT
    os.unlink(tmp_path / "second")
    assert propagate.propagate((Place("dotenv", real, "KEY"),), ONE, {}, "a/b", copies(tmp_path))[0].state == CHANGED
    assert os.stat(real).st_mode & 0o777 == 0o644
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".new")]


def test_a_file_that_changed_meanwhile_is_left(tmp_path: Path) -> None:
    path = write(str(tmp_path / "file"), f"KEY={OLD}\n")
    _, was = read_plain(path, 1000)
    write(path, "KEY=mine\n")
    with pytest.raises(ChangedMeanwhile):
        swap(path, was, b"KEY=theirs\n")
    assert text_of(path) == "KEY=mine\n"
    assert swapping.read_plain(path, 1000)[0] == b"KEY=mine\n"


def test_the_original_is_put_away_sealed_and_can_be_had_back(tmp_path: Path) -> None:
    result, now = in_file(tmp_path, f"KEY={OLD}\n")
    _, original = copies(tmp_path).newest(result.path)
    assert (original.data, original.mode) == (f"KEY={OLD}\n".encode(), 0o600)
    assert original.after == digest(now.encode())
    (sealed,) = (tmp_path / "state" / "cleaned").iterdir()
    assert OLD.encode() not in sealed.read_bytes()


def test_still_old_finds_what_holds_the_value_or_cannot_be_read(tmp_path: Path) -> None:
    held = write(str(tmp_path / "held"), f"xx{OLD}xx")
    other = write(str(tmp_path / "other"), "nothing")
    os.symlink(other, tmp_path / "link")
    places = tuple(Place("dotenv", path, "KEY") for path in (held, other, str(tmp_path / "link"), str(tmp_path / "gone")))
    assert propagate.still_old(places, ONE) == [held, str(tmp_path / "link")]


PLAIN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/+=-]{8,40}", fullmatch=True)


@given(old=PLAIN, new=PLAIN, before=st.text(max_size=30), after=st.text(max_size=30))
def test_nothing_but_the_value_ever_changes(
    tmp_path_factory: pytest.TempPathFactory, old: str, new: str, before: str, after: str
) -> None:
    if old in before + after or old in new or new in old:
        return
    text = f"{before}\nKEY='{old}'\n{after}".encode("utf-8", "replace").decode()
    if text.count(old) != 1:
        return
    result, now = in_file(tmp_path_factory.mktemp("any"), text, changes=[Exchange("", old, new)])
    assert result.state == CHANGED
    assert now == text.replace(old, new)
