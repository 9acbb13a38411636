"""Taking values out of files where something is in the way: the file is left as it is, or comes back as it was."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from people import text_of, write

from keyvault.core.errors import InvalidInput, NotFound, StoreBusy, StoreFailed, UnsafeFile
from keyvault.discover import clean, sources, text_file
from keyvault.discover.sources.base import CannotEdit, Gone, Source
from keyvault.discover.text_file import TextFile
from keyvault.vault.originals import Originals

KEY, OTHER, AT = "sk-aaaaaaaaaa1111111111", "gsk-bbbbbbbbbb2222222222", 1_790_000_000
TEXT = f"# mine\nOPENAI_API_KEY={KEY}\nGROQ_API_KEY={OTHER}\n"
HELD = {("OPENAI_API_KEY", KEY): "openai/default"}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write(str(tmp_path / ".env"), TEXT, 0o640)


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    return Originals(str(tmp_path / "state"), "ab" * 16, bytes(32))


def test_what_the_vault_holds_goes_and_comes_back_with_its_mode_even_where_the_file_is_gone(
    path: str, originals: Originals
) -> None:
    cleaning = clean.prepare(path, "", HELD)
    assert cleaning
    clean.carry_out(cleaning, originals, AT)
    assert text_of(path) == f"# mine\nGROQ_API_KEY={OTHER}\n"
    assert not clean.changed_since(path, originals)
    os.unlink(path)
    assert clean.changed_since(path, originals)
    clean.undo(path, originals)
    assert text_of(path) == TEXT
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    with pytest.raises(NotFound):
        clean.undo(path, originals)


def test_where_the_vault_holds_nothing_of_a_file_there_is_nothing_to_do(path: str) -> None:
    assert clean.prepare(path, "", {}) is None
    assert clean.prepare(path, "", {("OPENAI_API_KEY", OTHER): "openai/default"}) is None


def test_what_was_written_meanwhile_is_not_lost(path: str, originals: Originals) -> None:
    cleaning = clean.prepare(path, "", HELD)
    assert cleaning
    write(path, TEXT + "NEW=1\n")
    with pytest.raises(StoreBusy, match="was changed meanwhile"):
        clean.carry_out(cleaning, originals, AT)
    assert text_of(path) == TEXT + "NEW=1\n"


def test_a_file_that_goes_away_while_it_is_read_is_told(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = text_file.read

    def read_and_lose(path: str) -> TextFile:
        file = read(path)
        os.unlink(path)
        return file

    monkeypatch.setattr(text_file, "read", read_and_lose)
    with pytest.raises(StoreFailed, match="cannot look at"):
        clean.prepare(path, "dotenv", HELD)


def test_another_users_file_is_left_alone(path: str, originals: Originals, monkeypatch: pytest.MonkeyPatch) -> None:
    cleaning = clean.prepare(path, "", HELD)
    assert cleaning
    clean.carry_out(cleaning, originals, AT)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(path).st_uid + 1)
    write(path, TEXT)
    with pytest.raises(UnsafeFile, match="belongs to another user"):
        clean.prepare(path, "", HELD)
    monkeypatch.undo()
    os.link(path, path + ".too")
    with pytest.raises(UnsafeFile, match="hard links"):
        clean.undo(path, originals)


@pytest.mark.parametrize("left", ["", f"OPENAI_API_KEY={KEY}\nGROQ_API_KEY={OTHER}\n", f"GROQ_API_KEY={OTHER}x\n"])
def test_a_text_that_lost_more_or_less_than_it_should_is_never_written(
    path: str, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clumsy(type(sources.text_source("dotenv"))):  # type: ignore[misc]
        def without(self, text: str, gone: Sequence[Gone]) -> str:
            return left

    def clumsy(kind: str) -> Source:
        made: Source = Clumsy()
        return made

    monkeypatch.setattr(sources, "text_source", clumsy)
    with pytest.raises(CannotEdit, match="cannot be edited safely"):
        clean.prepare(path, "dotenv", HELD)
    assert text_of(path) == TEXT


@given(data=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-16")), st.text().map(str.encode)))
def test_every_text_is_written_back_byte_for_byte(data: bytes) -> None:
    try:
        file = text_file.decode("x", data)
    except InvalidInput:
        return
    assert file.encode(file.text) == data
