"""Escapes that stand for bytes or for halves of a character, which only some of the shells' words have."""

from __future__ import annotations

import pytest

from keyvault.discover import sources, text_file

HALF = "gives OPENAI_API_KEY a value that is not UTF-8 text, and was skipped"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".bashrc", r"export OPENAI_API_KEY=$'sk-\ud800aaaaaaaaaa1111111111'"),
        (".bashrc", r"export OPENAI_API_KEY=$'sk-\U0000dfffaaaaaaaaaa1111111111'"),
        ("config.fish", r"set -gx OPENAI_API_KEY 'sk-'\ud800aaaaaaaaaa1111111111"),
        ("fish_variables", r"SETUVAR --export OPENAI_API_KEY:sk\x2d\ud800aaaaaaaaaa1111111111"),
    ],
)
def test_half_of_a_character_is_skipped_and_the_rest_of_the_file_is_read(name: str, line: str) -> None:
    after = {"config.fish": "set -gx GROQ_API_KEY gsk_bbbbbbbbbb2222222222"}.get(name, "GROQ_API_KEY=gsk_bbbbbbbbbb2222222222")
    after = after if name != "fish_variables" else "SETUVAR --export GROQ_API_KEY:gsk_bbbbbbbbbb2222222222"
    file = text_file.decode(name, f"{line}\n{after}\n".encode())
    reading = sources.recognise(file).read(file)
    assert reading.skipped == [f"{name}:1 {HALF}"]
    assert [found.variable for found in reading.found] == ["GROQ_API_KEY"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (".bashrc", r"export OPENAI_API_KEY=$'sk-\xc3\xa9aaaaaaaaaa1111111111'"),
        (".bashrc", r"export OPENAI_API_KEY=$'sk-\303\251aaaaaaaaaa1111111111'"),
        ("config.fish", r"set -gx OPENAI_API_KEY 'sk-'\xc3\xa9aaaaaaaaaa1111111111"),
    ],
)
def test_bytes_are_put_together_to_characters(name: str, line: str) -> None:
    file = text_file.decode(name, f"{line}\n".encode())
    assert [found.value.reveal() for found in sources.recognise(file).read(file).found] == ["sk-éaaaaaaaaaa1111111111"]
