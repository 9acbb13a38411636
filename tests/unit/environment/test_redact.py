from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keyvault.core.errors import InvalidInput
from keyvault.environment.redact import MASK, Redactor

KEY = "sk-proj/Aa+9 é?~Zz_0123456789*x"
PLAIN_KEY = "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_-0123456789abcdefghij"


def redact(values: list[str], *chunks: bytes) -> bytes:
    redactor = Redactor(values)
    return b"".join(map(redactor.feed, chunks)) + redactor.finish()


# Two letters, so that prefixes, repeats and overlaps are common; no "*", which is what the mask is made of.
letters = st.text(alphabet="ab\n", min_size=4, max_size=12)
free = st.text(alphabet=st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=4, max_size=40)
values_lists = st.lists(letters | free, max_size=5)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], bytes, list[bytes]]:
    values = draw(values_lists)
    needles = Redactor(values)._needles
    parts = [st.binary(max_size=8), st.text(alphabet="ab\n", max_size=20).map(str.encode)]
    if needles:
        whole = st.sampled_from(needles)
        cut = st.builds(lambda needle, size: needle[: size % len(needle)], whole, st.integers(0, 200))
        parts += [whole, cut]
    text = b"".join(draw(st.lists(st.one_of(parts), max_size=8)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=10)))
    return values, text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(deadline=None)
@given(streams())
def test_any_split_gives_what_replacing_in_one_go_gives(case: tuple[list[str], bytes, list[bytes]]) -> None:
    values, text, chunks = case
    needles = sorted(Redactor(values)._needles, key=len, reverse=True)
    expected = re.sub(b"|".join(map(re.escape, needles)), MASK, text) if needles else text
    assert redact(values, *chunks) == expected
    assert redact(values, *(bytes((byte,)) for byte in text)) == expected


@settings(deadline=None)
@given(streams())
def test_nothing_is_left_of_any_form_and_only_forms_are_taken(case: tuple[list[str], bytes, list[bytes]]) -> None:
    values, text, chunks = case
    assume(b"*" not in text)  # one beside a mask could be taken for a part of it
    gaps = redact(values, *chunks).split(MASK)
    needles = Redactor(values)._needles
    assert not [needle for needle in needles for gap in gaps if needle in gap]
    if needles:
        taken = b"(?:" + b"|".join(map(re.escape, needles)) + b")"
        assert re.fullmatch(taken.join(map(re.escape, gaps)), text)


@settings(deadline=None)
@given(streams())
def test_only_the_beginning_of_a_form_is_ever_held_back(case: tuple[list[str], bytes, list[bytes]]) -> None:
    values, _text, chunks = case
    redactor = Redactor(values)
    for chunk in chunks:
        redactor.feed(chunk)
        held = redactor._held
        assert not held or any(len(needle) > len(held) and needle.startswith(held) for needle in redactor._needles)


@settings(deadline=None)
@given(free.filter(lambda text: len(text) >= 8), st.binary(max_size=7), st.binary(max_size=7))
def test_base64_of_a_longer_text_shows_at_most_the_bits_shared_with_its_neighbours(
    value: str, before: bytes, after: bytes
) -> None:
    whole = before + value.encode() + after
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for text in (encode(whole), encode(whole).rstrip(b"=")):
            left, *right = redact([value], text).split(MASK)
            assert right, text
            first, last = len(before), len(before) + len(value.encode())
            # Whole characters of the value alone: none may be left.
            assert len(left) <= -(-first * 8 // 6)
            assert len(right[-1]) <= len(text) - last * 8 // 6


@pytest.mark.parametrize("value", [KEY, PLAIN_KEY, 'with "quotes" \\ and\ttab', "日本語のパスワード", "a/b/c&d=e f#g"])
def test_encoded_forms_are_masked_whole(value: str) -> None:
    raw = value.encode()
    forms = [
        raw,
        base64.b64encode(raw),
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw),
        urllib.parse.quote(value).encode(),
        urllib.parse.quote(value, safe="").encode(),
        urllib.parse.quote_plus(value).encode(),
        re.sub("%..", lambda hexes: hexes[0].lower(), urllib.parse.quote(value, safe="")).encode(),
        json.dumps(value)[1:-1].encode(),
        json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        json.dumps(value).replace("/", "\\/")[1:-1].encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    ]
    for form in forms:
        assert redact([value], b"before " + form + b" after") == b"before *** after", form


def test_base64_that_was_broken_into_lines_by_itself_is_masked() -> None:
    wrapped = base64.encodebytes(PLAIN_KEY.encode())
    assert wrapped.count(b"\n") > 1
    assert redact([PLAIN_KEY], b"key: " + wrapped).strip(b"=\n") == b"key: ***"
    with_newline = redact([PLAIN_KEY], base64.encodebytes(PLAIN_KEY.encode() + b"\n"))
    assert with_newline.startswith(MASK)
    assert len(with_newline) <= len(MASK) + 5


def test_the_longest_value_wins_where_two_begin() -> None:
    assert redact(["abcd", "abcdefgh"], b"abcdefgh abcdefg") == b"*** ***efg"
    assert redact(["abcd", "abcdefgh"], b"abcde", b"fgh", b"abcd") == b"******"


def test_values_that_would_garble_everything_are_left() -> None:
    assert redact(["abc", "", "日本", "abcd"], "abc 日本 abcd".encode()) == "abc 日本 ***".encode()


def test_values_under_eight_characters_are_found_only_as_they_are() -> None:
    assert redact(["pa ss12"], b"pa ss12 pa%20ss12") == b"*** pa%20ss12"


def test_each_long_line_of_a_value_is_masked_by_itself_without_its_indentation() -> None:
    value = "-----BEGIN KEY-----\n  MIIEvQIBADANBgkq\nshort\n-----END KEY-----\n"
    assert redact([value], b"|MIIEvQIBADANBgkq|\r\nshort") == b"|***|\r\nshort"
    assert redact([value], b"<" + value.encode() + b">") == b"<***>"
    assert redact(["sk-0123456789\n"], b"key=sk-0123456789;") == b"key=***;"


def test_what_cannot_become_a_match_is_passed_on_at_once() -> None:
    redactor = Redactor([PLAIN_KEY])
    assert redactor.feed(b"Password? ") == b"Password? "
    assert redactor.feed(b"x sk-li") == b"x "
    assert redactor.feed(b"st") == b"sk-list"
    assert redactor.feed(b"again") == b"again"
    assert redactor.feed(b"sk-") == b""
    assert redactor.finish() == b"sk-"
    assert redactor.finish() == b""


def test_without_values_nothing_changes() -> None:
    assert redact([], b"abc", b"") == b"abc"


def test_bytes_that_are_not_utf8_pass_and_are_masked() -> None:
    value = b"key-\xff\xfe-0123456789".decode("utf-8", "surrogateescape")
    assert redact([value], b"\xffkey-\xff\xfe-0123456789\xfe") == b"\xff***\xfe"


def test_text_that_no_environment_can_hold_is_refused_without_showing_it() -> None:
    with pytest.raises(InvalidInput) as caught:
        Redactor(["secret\ud800secret"])
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_values_that_are_beginnings_of_each_other_do_not_exhaust_the_regular_expression() -> None:
    values = ["a" * size for size in range(4, 200)]
    assert redact(values, b"x" + b"a" * 150, b"a" * 49 + b"y") == b"x***y"


@pytest.mark.parametrize("chunk", [1, 4096])
@pytest.mark.parametrize("value", ["a" * 2000 + "b", "ab" * 1000 + "c", PLAIN_KEY])
def test_time_grows_with_the_stream_and_memory_does_not(value: str, chunk: int) -> None:
    def seconds(size: int) -> float:
        redactor = Redactor([value])
        stream = (value[:-1].encode() * (size // len(value) + 1))[:size]
        start = time.process_time()
        for at in range(0, size, chunk):
            redactor.feed(stream[at : at + chunk])
            assert len(redactor._held) < redactor._longest
        return time.process_time() - start

    size = 4000 if chunk == 1 else 10_000
    short = min(seconds(size) for _ in range(3))
    # Quadratic work would take 64 times as long.
    assert seconds(8 * size) < 24 * short + 0.1
