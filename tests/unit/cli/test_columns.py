from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyvault.cli.columns import painted, table, width

WORDS = st.text(st.sampled_from("ab 中文字éo\u0301-./한"), max_size=60).map(str.strip)
HEADINGS = ("KEY", "FOUND IN", "VERDICT", "WHY")
REF = st.from_regex(r"[a-z]{1,8}/[a-z]{1,8}", fullmatch=True)
ROWS = st.lists(st.tuples(REF, WORDS, WORDS, WORDS), min_size=1, max_size=5)


@pytest.mark.parametrize(("text", "cells"), [("", 0), ("abc", 3), ("中文", 4), ("é", 1), ("e\u0301", 1), ("ﾊ", 1), ("한글", 4)])
def test_wide_characters_count_twice_and_combining_ones_not_at_all(text: str, cells: int) -> None:
    assert width(text) == cells


def test_columns_stand_under_each_other_where_characters_are_wide() -> None:
    shown = table(("KEY", "NOTE", "WHY"), [("a/b", "中文", "x"), ("c/d", "plain", "y")])
    assert shown == "KEY  NOTE   WHY\na/b  中文   x\nc/d  plain  y\n"


@given(ROWS)
def test_without_a_terminal_nothing_is_left_out(rows: list[tuple[str, ...]]) -> None:
    lines = table(HEADINGS, rows).splitlines()
    assert len(lines) == len(rows) + 1
    for row, line in zip(rows, lines[1:], strict=True):
        assert all(cell in line for cell in row)


@given(ROWS, st.integers(60, 120))
def test_on_a_terminal_a_table_fits_and_keys_stay_whole(rows: list[tuple[str, ...]], columns: int) -> None:
    lines = table(HEADINGS, rows, fit=columns).splitlines()
    assert max(map(width, lines)) <= columns
    assert [row[0] for row in rows] == [line.split()[0] for line in lines[1:] if not line.startswith(" ")]


def test_paths_lose_their_beginning_other_text_its_end_and_the_last_column_goes_on_below() -> None:
    cells = ("a/b", "/home/me/some/long/way/down/to/project/.env:3", "invalid", "the vendor does not know this key any more")
    assert table(HEADINGS, [cells], fit=60) == (
        "KEY  FOUND IN                VERDICT  WHY\n"
        "a/b  …own/to/project/.env:3  invalid  the vendor does not\n"
        "                                      know this key any more\n"
    )


def test_what_cannot_stand_side_by_side_stands_one_under_the_other() -> None:
    shown = table(
        ("KEY", "AGE", "VARIABLE", "WHY"), [("a" * 30, "-", "B" * 26, "x"), ("", "2d", "C", "some words and more")], fit=40
    )
    assert shown == (
        f"{'a' * 30}\n  VARIABLE  {'B' * 26}\n  WHY       x\n  AGE       2d\n  VARIABLE  C\n  WHY       some words and more\n"
    )


def test_a_column_without_a_name_begins_a_row_with_its_cell() -> None:
    assert table(("", "KEY", "DETAIL"), [("note", "a/b", "x" * 30)], fit=30) == f"note\n  KEY     a/b\n  DETAIL  {'x' * 30}\n"


@given(ROWS, st.integers(20, 59))
def test_a_narrow_terminal_is_shown_all_there_is(rows: list[tuple[str, ...]], columns: int) -> None:
    for headings in (HEADINGS, ("KEY", "VERDICT", "WHY", "WHERE")):  # the last of these is wrapped, or shortened
        shown = "".join(table(headings, rows, fit=columns).split())
        assert all("".join(cell.split()) in shown for row in rows for cell in row if cell != "-")


def test_only_verdicts_and_severities_are_coloured() -> None:
    rows = [("a/b", "valid", "invalid (3d ago)", "valid")]
    plain, coloured = table(HEADINGS, rows), table(HEADINGS, rows, colour=True)
    assert coloured.count("\x1b[31m") == 1
    assert coloured.count("\x1b[") == 2
    assert re.sub(r"\x1b\[\d*m", "", coloured) == plain
    assert painted("a note of mine") == "a note of mine"
