"""The catalogues of what is said to people: whole, current, and unambiguous."""

from __future__ import annotations

import re
from pathlib import Path

from babel.messages.pofile import read_po
from checkout import copy_to, script
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyvault.cli import render, translating
from keyvault.cli.language import CHINESE
from keyvault.cli.translating import Catalogue, catalogue_path

FIELD = re.compile(r"\{(\w+)\}")


def translations(path: str) -> dict[str, str]:
    with open(path, "rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


CHINESE_TEXTS = translations(catalogue_path(CHINESE).removesuffix(".mo") + ".po")


def test_every_text_is_in_the_catalogue_and_translated_and_the_compiled_form_is_current() -> None:
    done = script("gen_messages", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run scripts/gen_messages, and translate what is new"


def test_a_text_that_is_new_or_gone_is_noticed(tmp_path: Path) -> None:
    copy = Path(copy_to(str(tmp_path), "scripts", "keyvault"))
    source = copy / "keyvault" / "cli" / "commands" / "check.py"
    source.write_text(source.read_text().replace("no keys yet", "not a single key of {session}"))
    done = script("gen_messages", "--check", of=str(copy))
    assert done.returncode == 1
    assert "zh_CN lacks: not a single key of {session}" in done.stdout
    assert "keyvault.pot" in done.stdout
    assert script("gen_messages", of=str(copy)).returncode == 0
    known = translations(str(copy / "keyvault" / "locale" / "zh_CN" / "LC_MESSAGES" / "keyvault.po"))
    assert known["not a single key of {session}"] == ""
    assert "no keys yet" not in known
    assert known["not set"] == "未设置"


def test_the_fields_and_words_that_the_program_lists_are_those_of_its_texts() -> None:
    """Fields are called after names in the code: one that was renamed there would silently be treated otherwise."""
    fields = {field.rstrip("0123456789") for english in CHINESE_TEXTS for field in FIELD.findall(english)}
    assert (translating._NAMES | translating._WORDS) - fields == set()
    assert set() == translating._NAMES & translating._WORDS
    assert render._OURS - CHINESE_TEXTS.keys() == set()


def test_nothing_is_half_translated() -> None:
    with open(catalogue_path(CHINESE).removesuffix(".mo") + ".po", "rb") as file:
        assert [message.id for message in read_po(file) if message.id and message.fuzzy] == []


def test_a_translation_has_the_fields_and_the_options_of_its_text() -> None:
    option = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
    for english, chinese in CHINESE_TEXTS.items():
        assert set(FIELD.findall(english)) == set(FIELD.findall(chinese)), english
        assert set(option.findall(english)) <= set(option.findall(chinese)), english


def test_a_sentence_has_chinese_punctuation() -> None:
    half = re.compile(r"[\u4e00-\u9fff][,;:?!]|[,;?!][\u4e00-\u9fff]")
    assert [chinese for chinese in CHINESE_TEXTS.values() if half.search(chinese)] == []


# Words that no text has; what a text puts around a value cannot be in the value. What has blanks is paths.
_WORD = st.from_regex(r"[qxzj0-9/_-]{1,4}(\.[qxzj0-9/_-]{1,4})?", fullmatch=True)
_VALUES = _WORD | st.tuples(_WORD, _WORD, _WORD).map(lambda words: f"/{' /'.join(words)}")
_LISTS = st.lists(_WORD, min_size=2, max_size=4).map(", ".join)
_TEMPLATES = sorted(english for english in CHINESE_TEXTS if FIELD.search(english))
_CATALOGUE = Catalogue(CHINESE)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_text_with_any_values_finds_its_own_translation(data: st.DataObject) -> None:
    english = data.draw(st.sampled_from(_TEMPLATES))
    # A number is no list, nor is the first of two fields with but a blank or a comma between: nobody could tell where it ends.
    single = {"number", *re.findall(r"\{(\w+)\}(?=,? \{)", english)}
    values = {name: data.draw(_VALUES if name in single else _VALUES | _LISTS) for name in FIELD.findall(english)}

    def filled(text: str) -> str:
        return FIELD.sub(lambda field: values[field[1]], text)

    assert _CATALOGUE.said(filled(english)) == filled(CHINESE_TEXTS[english])
