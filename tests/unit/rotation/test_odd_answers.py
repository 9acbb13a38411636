"""Answers of vendors that could not be kept: a record that holds them would not be read again."""

from __future__ import annotations

import json
import time

import pytest

from keyvault.core import clock
from keyvault.core.secret import Secret
from keyvault.net.client import Answer
from keyvault.providers import catalogue
from keyvault.rotation.schemes import asking, aws, by_data
from keyvault.rotation.schemes.base import Credential, Job, Unclear


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (1893456000, 1893456000),
        (1893456000123, 1893456000),
        ("2030-01-01T00:00:00Z", 1893456000),
        (-1, None),
        (10**30, None),
        ((clock.LATEST + 1) * 1000, None),
        (True, None),
        (1.5, None),
        ("soon", None),
    ],
)
def test_a_time_that_cannot_be_is_none(told: object, at: int | None) -> None:
    assert by_data._time(told) == at


@pytest.mark.parametrize("told", [True, False, None, [], {}, 1.5, ""])
def test_what_is_no_text_and_no_number_is_no_value(told: object) -> None:
    assert by_data._first({"key": told}, ("key",)) == ""


@pytest.mark.parametrize("body", ['{"id": "\\ud800"}', '{"\\udfff": 1}', '["a", "\\ud83d"]', "{", "[" * 100_000])
def test_an_answer_that_cannot_be_written_down_is_unclear(body: str) -> None:
    with pytest.raises(Unclear):
        asking.document(Answer(200, body, False, True, None))


def test_whole_characters_written_as_escapes_are_fine() -> None:
    told = {"id": "\U0001f600 ü"}
    assert asking.document(Answer(200, json.dumps(told), False, True, None)) == told


def test_a_list_of_access_keys_that_does_not_end_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    body = "<member>" * 32_000 + "<AccessKeyId>AKIA1</AccessKeyId></member>"
    monkeypatch.setattr(aws, "ask", lambda *_, **__: Answer(200, body, False, True, None))
    pair = Credential("aws/a", Secret("AKIA0"), {"secret_access_key": Secret("s")}, "")
    vendor = catalogue.load("aws")
    assert vendor
    began = time.process_time()
    present = aws.Aws().present(Job(vendor, pair, pair, "", "n"))
    assert "AKIA1" in present
    assert time.process_time() - began < 2
