"""TOML on which the standard library's reader would spend the day, or which it refuses in a way of its own."""

from __future__ import annotations

import time

import pytest

from keyvault.core.errors import InvalidInput
from keyvault.discover import sources, text_file
from keyvault.discover.found import Reading


def read(text: str) -> Reading:
    return sources.text_source("toml").read(text_file.decode("/home/u/x.toml", text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        "a." * 100_000 + "a = 1",
        "[" + "a." * 100_000 + "a]",
        "x = { " + "a . " * 100_000 + "a = 1 }",
        '"a=b".' * 100_000 + "a = 1",
        "a" * 900_000,
        ".a" * 400_000,
        "'" * 300_000,
        "a = " + "9" * 5000,
    ],
)
def test_it_is_refused_in_no_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(InvalidInput):
        read(text)
    assert time.process_time() - began < 3


def test_dots_in_values_and_comments_are_fine() -> None:
    text = f'# {"." * 500}\nabout = "{"a.b" * 500}"\nnumbers = [{"1.5, " * 200}]\nOPENAI_API_KEY = "sk-0123456789abcdefghij"\n'
    assert [one.value.reveal() for one in read(text).found] == ["sk-0123456789abcdefghij"]


def test_a_number_of_thousands_of_digits_beside_a_key_is_no_fault_of_ours() -> None:
    with pytest.raises(InvalidInput):
        read(f'A_API_KEY = "sk-0123456789abcdefghij"\nb = {"9" * 5000}\n')
