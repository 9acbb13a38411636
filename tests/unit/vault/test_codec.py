from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import second_reader

from keyvault.core.errors import UnsupportedFormat, VaultCorrupt
from keyvault.vault import codec
from keyvault.vault.codec import JOURNAL, PAGE, ROOT, VALUE, Header, Kind

HEADER = Header("00" * 16, 1, ())
KEY = bytes(range(32))
KINDS = (ROOT, PAGE, VALUE, JOURNAL)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, JSON, max_size=5))
def test_canonical_json_comes_back_and_has_one_spelling(value: dict[str, Any]) -> None:
    data = codec.dump_json(value)
    assert codec.load_canonical(data, "x") == codec.load_json(data, "x") == value
    assert data == second_reader.canonical(value)
    other = json.dumps(value, sort_keys=True).encode()
    if other != data:
        with pytest.raises(VaultCorrupt):
            codec.load_canonical(other, "x")


def test_canonical_json_is_what_the_page_says() -> None:
    value = {"b": 1, "a": [True, None], "é\U0001f511": '"\\\b\f\n\r\t\x00\x1f\x7f/'}
    expected = '{"a":[true,null],"b":1,"é\U0001f511":"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/"}'
    assert codec.dump_json(value) == expected.encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"{}x",
        b"{} ",
        b' {"a":1}',
        b'{"a":1 }',
        b'{"a":1,}',
        b'{"b":1,"a":1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1.50}',
        b'{"a":-0}',
        b'{"a":01}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\u000A"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b"{'a':1}",
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_another_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(VaultCorrupt):
        codec.load_canonical(data, "x")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.decode())
@given(data=st.binary(max_size=3000), position=st.binary(max_size=40))
def test_what_is_sealed_opens_in_both_readers_and_nowhere_else(kind: Kind, data: bytes, position: bytes) -> None:
    message = codec.seal(kind, KEY, HEADER, position, data)
    name = kind.name.decode()
    assert codec.unseal(kind, KEY, HEADER, position, message) == data
    assert len(message) - 40 == second_reader.padded_size(name, len(data) + 4)
    keys = second_reader.Keys(KEY, bytes(16), 1)
    keys.key[name] = KEY
    assert keys.open(name, position, message) == data
    others = [(other, HEADER, position, KEY) for other in KINDS if other is not kind]
    others += [(kind, HEADER, position + b"\0", KEY), (kind, HEADER._replace(epoch=2), position, KEY)]
    others += [(kind, HEADER._replace(vault_id="11" * 16), position, KEY), (kind, HEADER, position, KEY[::-1])]
    for other, header, place, key in others:
        with pytest.raises(VaultCorrupt):
            codec.unseal(other, key, header, place, message)


@given(data=st.binary(max_size=600), where=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(data: bytes, where: int, bit: int) -> None:
    message = bytearray(codec.seal(VALUE, KEY, HEADER, b"here", data))
    message[where % len(message)] ^= 1 << bit
    with pytest.raises(VaultCorrupt):
        codec.unseal(VALUE, KEY, HEADER, b"here", bytes(message))


@pytest.mark.parametrize("size", [0, 1, 39, 40, 43])
def test_a_message_cut_short_is_refused(size: int) -> None:
    message = codec.seal(VALUE, KEY, HEADER, b"", b"data")
    with pytest.raises(VaultCorrupt):
        codec.unseal(VALUE, KEY, HEADER, b"", message[:size])


def test_sizes_tell_only_the_step() -> None:
    def sizes(kind: Kind, lengths: range) -> set[int]:
        return {len(codec.seal(kind, KEY, HEADER, b"", bytes(length))) - 40 for length in lengths}

    assert sizes(ROOT, range(509)) == {512}
    assert sizes(PAGE, range(1021, 2045)) == {2048}
    assert sizes(JOURNAL, range(253, 509)) == {512}
    assert sizes(VALUE, range(253)) == {256}
    assert sizes(VALUE, range(253, 509)) == {512}
    assert sizes(VALUE, range(65_533, 65_536)) == {131_072}


def test_two_messages_of_one_text_have_nothing_in_common() -> None:
    one, other = (codec.seal(VALUE, KEY, HEADER, b"", b"data") for _ in range(2))
    assert one[:24] != other[:24]
    assert one[24:] != other[24:]


@given(epoch=st.integers(1, 2**32 - 1), slots=st.lists(st.dictionaries(TEXT, TEXT, max_size=3), max_size=3))
def test_a_header_comes_back(epoch: int, slots: list[dict[str, Any]]) -> None:
    header = Header("ab" * 16, epoch, tuple(slots))
    clear = codec.encode_header(header)
    assert codec.split_head(clear + b"sealed") == (clear, b"sealed")
    assert codec.decode_header(clear) == header


def test_a_newer_format_is_told_from_damage() -> None:
    clear = codec.encode_header(HEADER)
    with pytest.raises(UnsupportedFormat):
        codec.split_head(b"keyvault/2\n" + clear[11:])
    with pytest.raises(VaultCorrupt):
        codec.split_head(b"keyvaulx/1\n" + clear[11:])
    for size in range(len(clear)):
        with pytest.raises((VaultCorrupt, UnsupportedFormat)):
            codec.split_head(clear[:size])


def test_purpose_keys_are_the_second_readers() -> None:
    keys = codec.derive_keys(KEY, "0f" * 16, 7)
    assert second_reader.Keys(KEY, bytes.fromhex("0f" * 16), 7).key == {
        "root": keys.root,
        "page": keys.page,
        "value": keys.value,
        "journal": keys.journal,
        "tag": keys.tag,
    }
    assert len({*keys}) == 6


def test_damage_is_told_with_the_way_back() -> None:
    told = codec.altered("a page")
    assert told.message == "the vault is damaged or was altered: a page"
    assert told.hint == "run keyvault doctor; a backup is put back with keyvault restore FILE"


def test_what_is_no_number_of_json_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.dump_json({"a": float("nan")})


def test_a_header_may_be_as_large_as_the_limit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    head = codec.encode_header(HEADER)
    monkeypatch.setattr(codec, "LARGEST_HEADER", len(head) - len(codec.MAGIC) - 4)
    assert codec.split_head(head) == (head, b"")
    monkeypatch.setattr(codec, "LARGEST_HEADER", len(head) - len(codec.MAGIC) - 5)
    with pytest.raises(VaultCorrupt):
        codec.split_head(head)
