from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaults import VaultHome, add_key
from vectors.second_reader import Refused, check_record, read_vault

from keyvault.core.errors import InvalidInput, NotFound, VaultCorrupt
from keyvault.vault import care, changes
from keyvault.vault.keys import (
    LARGEST_RECORD,
    LARGEST_SEALED,
    LARGEST_VALUE,
    ApiKey,
    Version,
    decode_record,
    decode_values,
    encode_record,
    encode_values,
)
from keyvault.vault.vault import Vault

AT = 1_790_000_000
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.integers(0, 253_402_300_799)
IDS = st.binary(min_size=16, max_size=16).map(bytes.hex)
NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
FURTHER = st.dictionaries(
    st.sampled_from(["later", "shared", "x-team", "owner"]),
    st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3)),
)


@st.composite
def keys(draw: st.DrawFn) -> ApiKey:
    versions = [
        Version(draw(IDS), draw(TIMES), *draw(st.sampled_from([("", ""), ("ab" * 32, "cd" * 8)])))
        for _ in range(draw(st.integers(1, 3)))
    ]
    optional: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "fields": st.dictionaries(NAMES, st.booleans(), max_size=3),
                "created": TIMES,
                "expires": TIMES,
                "deleted": TIMES,
                "rotate_after": st.integers(0, 2**40),
                "tags": st.dictionaries(TEXT, TEXT, max_size=3),
                "note": TEXT,
                "base_url": TEXT,
                "vendor_name": TEXT,
                "vendor_id": TEXT,
                "scopes": TEXT,
                "auto": st.booleans(),
                "confirm": st.booleans(),
                "extra": FURTHER,
            },
        )
    )
    return ApiKey(
        id=draw(IDS),
        ref=f"{draw(NAMES)}/{draw(NAMES)}",
        variables=draw(st.dictionaries(NAMES.map(str.upper), NAMES, max_size=3)),
        versions=tuple(versions),
        current=draw(st.sampled_from(versions)).id,
        added=draw(TIMES),
        changed=draw(TIMES),
        revision=(draw(st.integers(0, 2**40)), draw(TEXT)),
        **optional,
    )


@given(keys())
def test_a_record_comes_back_whole_and_the_second_reader_takes_it(key: ApiKey) -> None:
    data = encode_record(key)
    assert decode_record(data) == key
    assert encode_record(decode_record(data)) == data
    check_record(json.loads(data))


def test_defaults_are_not_written_down() -> None:
    version = Version("00" * 16, 1, "ab" * 32, "cd" * 8)
    plain = ApiKey("11" * 16, "a/b", {"A": ""}, (version,), version.id, 1, 2, (1, "x"))
    names = {"id", "ref", "env", "versions", "current", "added", "changed", "revision"}
    assert set(json.loads(encode_record(plain))) == names
    said = plain._replace(auto=False, confirm=True, created=0)
    assert set(json.loads(encode_record(said))) == names | {"auto", "confirm", "created"}


def test_what_is_left_of_a_purged_key_says_only_when() -> None:
    stub = ApiKey("11" * 16, "a/b", {}, (), "", 1, 2, (1, "x"), note="gone", extra={"later": 1}, purged=5)
    assert json.loads(encode_record(stub)) == {"id": "11" * 16, "purged": 5}
    assert decode_record(encode_record(stub)).purged == 5


# -- limits, through a real vault


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    return VaultHome(str(tmp_path))


@pytest.fixture
def vault(home: VaultHome) -> Vault:
    return home.create()


def second_values(home: VaultHome) -> list[dict[str, str]]:
    with open(home.key_file) as file:
        return list(read_vault(home.path, "key-file", file.read()).values.values())


EDGES = {
    "one": "x",
    "line end": "\n",
    "line ends": "\r\n\n\r a\n",
    "nul": "\0a\0",
    "blank": " \t ",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "emoji": "\U0001f511\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "combining": "e\u0301q\u0307\u0323",
    "composed": "é\u212b",
    "bidi": "\u202eabc\u202c\u2066x\u2069",
    "separators": "\u2028\u2029\ufeff\ufffe\uffff",
    "last": "\U0010ffff",
    "json": '{"":"\\u0000"}\\',
    "64 KiB": "x" * LARGEST_VALUE,
    "64 KiB of two bytes": "é" * (LARGEST_VALUE // 2),
    "64 KiB of four bytes": "\U0001f511" * (LARGEST_VALUE // 4),
    "64 KiB of NUL": "\0" * LARGEST_VALUE,
    "64 KiB of line ends": "\r\n" * (LARGEST_VALUE // 2),
}


@pytest.mark.parametrize("value", EDGES.values(), ids=EDGES.keys())
def test_a_value_comes_back_byte_for_byte(home: VaultHome, vault: Vault, value: str) -> None:
    add_key(vault, "custom/x", value, "X")
    assert vault.open_key("custom/x")[1][""].encode() == value.encode()
    assert home.open().open_key("custom/x")[1] == {"": value}
    assert second_values(home) == [{"": value}]


def test_nothing_is_normalised(home: VaultHome, vault: Vault) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        add_key(vault, f"custom/{form.lower()}", unicodedata.normalize(form, "é\u212b\uac00ﬁ"), form)
    found = {vault.open_key(key.ref)[1][""] for key in vault.all_keys()}
    assert len(found) == 4
    assert {value[""] for value in second_values(home)} == found


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_text_is_sealed_and_opened_as_it_is(value: str) -> None:
    assert decode_values(encode_values({"": value, "f": value})) == {"": value, "f": value}


REFUSED = {
    "empty": {"": ""},
    "no main value": {"f": "x"},
    "one byte too many": {"": "x" * (LARGEST_VALUE + 1)},
    "one character of two bytes too many": {"": "é" * (LARGEST_VALUE // 2) + "x"},
    "a field too large": {"": "x", "f": "x" * (LARGEST_VALUE + 1)},
    "a lone surrogate": {"": "a\ud800"},
    "a pair of surrogates": {"": "\ud83d\udd11"},
    "a surrogate in a field": {"": "x", "f": "\udcff"},
    "seventeen fields": {"": "x"} | {f"f{n}": "x" for n in range(17)},
}


@pytest.mark.parametrize("values", REFUSED.values(), ids=REFUSED.keys())
def test_a_value_that_cannot_be_kept_is_refused_and_nothing_changes(vault: Vault, values: dict[str, str]) -> None:
    before = (vault.store.head(), vault.store.ids())
    with pytest.raises(InvalidInput) as refused, vault.transaction("add") as tx:
        changes.add(tx, "custom/x", values, {"variables": {"X": ""}, "fields": dict.fromkeys(set(values) - {""}, True)}, AT)
    assert "\ud800" not in str(refused.value)
    assert (vault.store.head(), vault.store.ids()) == before


@pytest.mark.parametrize("what", ["note", "base_url", "vendor_name", "vendor_id", "scopes"])
def test_free_text_has_a_limit_wherever_it_stands(vault: Vault, what: str) -> None:
    add_key(vault, "openai/default", "sk-1")
    for text, refused in (("n" * 2048, False), ("n" * 2049, True), ("\ud800", True)):
        before = vault.store.head()
        try:
            with vault.transaction("edit") as tx:
                changes.edit(tx, "openai/default", {what: text}, 1)  # type: ignore[misc]
        except InvalidInput:
            assert refused
            assert vault.store.head() == before
        else:
            assert not refused
            assert getattr(vault.get("openai/default"), what) == text


def test_purging_says_how_many_values_it_erased(vault: Vault) -> None:
    add_key(vault, "openai/default", "sk-1")
    for number in (2, 3, 4):
        with vault.transaction("edit") as tx:
            changes.edit(tx, "openai/default", {}, number, {"": f"sk-{number}"})
    with vault.transaction("purge") as tx:
        assert changes.purge(tx, "openai/default", 5, versions_only=True) == 3
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {}, 6, {"": "sk-5"})
    with vault.transaction("purge") as tx:
        changes.remove(tx, "openai/default", 7)
        assert changes.purge(tx, "openai/default", 7) == 2


def test_sixteen_large_fields_are_kept(home: VaultHome, vault: Vault) -> None:
    values = {"": "x" * LARGEST_VALUE} | {f"f{n}": chr(97 + n) * LARGEST_VALUE for n in range(16)}
    with vault.transaction("add") as tx:
        changes.add(tx, "custom/x", values, {"variables": {"X": ""}, "fields": {f"f{n}": True for n in range(16)}}, AT)
    assert vault.open_key("custom/x")[1] == values
    assert second_values(home) == [values]


def test_values_that_grow_when_they_are_written_down_are_kept_up_to_what_a_row_holds(home: VaultHome, vault: Vault) -> None:
    grown = {"": "x", **{f"f{n}": "\x01" * LARGEST_VALUE for n in range(5)}}  # a control character takes six bytes
    room = LARGEST_SEALED - len(encode_values({**grown, "f5": ""}))
    full = {**grown, "f5": "\x01" * (room // 6) + "x" * (room % 6)}
    secrecy = dict.fromkeys(set(full) - {""}, True)
    with vault.transaction("add") as tx:
        changes.add(tx, "custom/x", full, {"variables": {"X": ""}, "fields": secrecy}, AT)
    assert len(encode_values(full)) == LARGEST_SEALED
    assert home.open().open_key("custom/x")[1] == full
    assert second_values(home) == [full]
    with pytest.raises(InvalidInput, match="too large together"), vault.transaction("edit") as tx:
        changes.edit(tx, "custom/x", {}, AT, {**full, "": "xx"})
    care.verify(home.open())


def test_a_record_is_kept_up_to_16_kib_and_not_beyond(home: VaultHome, vault: Vault) -> None:
    add_key(vault, "custom/x", "v", "X")
    key = vault.get("custom/x")
    room = LARGEST_RECORD - len(encode_record(key._replace(scopes="s")))
    full = key._replace(scopes="s" * (room + 1))
    assert len(encode_record(full)) == LARGEST_RECORD
    with vault.transaction("edit") as tx:
        tx.put(full)
    assert home.open().get("custom/x") == full
    care.verify(vault)
    head = vault.store.head()
    with pytest.raises(InvalidInput), vault.transaction("edit") as tx:
        tx.put(full._replace(scopes=full.scopes + "s"))
    assert vault.store.head() == head


def test_versions_pile_up_to_the_limit_with_advice_and_can_be_purged(vault: Vault) -> None:
    add_key(vault, "custom/x", "v0", "X")
    with vault.transaction("edit") as tx:
        with pytest.raises(InvalidInput) as refused:
            for n in range(1, 400):
                changes.edit(tx, "custom/x", {}, AT + n, {"": f"v{n}"})
        raise_after = len(tx.get("custom/x").versions)
    assert raise_after > 80
    assert "purge --versions custom/x" in refused.value.hint


def test_fields_that_this_version_does_not_know_survive_every_change(home: VaultHome, vault: Vault) -> None:
    add_key(vault, "custom/x", "v", "X")
    later = {"shared": True, "owners": [{"a": None}, 2**70], "é": ""}
    with vault.transaction("edit") as tx:
        tx.put(tx.get("custom/x")._replace(extra=later))
    steps: list[tuple[str, Any]] = [
        ("edit", lambda tx: changes.edit(tx, "custom/x", {"note": "n"}, AT)),
        ("edit", lambda tx: changes.edit(tx, "custom/x", {}, AT, {"": "w"})),
        ("rollback", lambda tx: changes.roll_back(tx, "custom/x", 1, AT)),
        ("rename", lambda tx: changes.rename(tx, "custom/x", "custom/y", AT)),
        ("rename", lambda tx: changes.rename(tx, "custom/y", "custom/x", AT)),
        ("purge", lambda tx: changes.purge(tx, "custom/x", AT, versions_only=True)),
        ("rm", lambda tx: changes.remove(tx, "custom/x", AT)),
        ("restore-key", lambda tx: changes.bring_back(tx, "custom/x", AT)),
    ]
    for what, step in steps:
        with vault.transaction(what) as tx:
            step(tx)
    care.rekey(vault, lambda _: [care.SlotSecret("key-file", bytes.fromhex(key_line(home)[20:84]))])
    assert home.open().get("custom/x").extra == later
    record = read_vault(home.path, "key-file", key_line(home)).records["custom/x"]
    assert {name: record[name] for name in later} == later


def key_line(home: VaultHome) -> str:
    with open(home.key_file) as file:
        return file.read()


def test_a_purged_version_is_told_from_one_that_never_was(vault: Vault) -> None:
    add_key(vault, "custom/x", "v1", "X")
    with vault.transaction("edit") as tx:
        changes.edit(tx, "custom/x", {}, AT, {"": "v2"})
    with vault.transaction("purge") as tx:
        assert changes.purge(tx, "custom/x", AT, versions_only=True) == 1
    key = vault.get("custom/x")
    assert key.version(2) == key.value
    with pytest.raises(NotFound, match="was purged"):
        key.version(1)
    for number in (0, -1, 3):
        with pytest.raises(NotFound, match="has no version"):
            key.version(number)


@given(
    st.binary(max_size=60)
    | keys().map(encode_record).flatmap(lambda data: st.integers(0, len(data) - 1).map(lambda at: data[:at]))
)
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(VaultCorrupt):
        decode_record(data)


@pytest.mark.parametrize(
    ("record", "read"),
    [
        ({"id": "0a" * 16, "purged": 0}, True),
        ({"id": "0a" * 16, "purged": 253_402_300_800}, False),
        ({"id": "0a" * 16, "purged": True}, False),
        ({"id": "0A" * 16, "purged": 0}, False),
        ({"id": "0a" * 15, "purged": 0}, False),
        ({"purged": 0}, False),
    ],
)
def test_what_is_left_of_a_purged_key_is_an_id_and_a_date_or_refused(record: dict[str, Any], read: bool) -> None:
    data = json.dumps(record).encode()
    if read:
        assert decode_record(data) == ApiKey("0a" * 16, "", {}, (), "", 0, 0, (0, ""), purged=0)
    else:
        with pytest.raises(VaultCorrupt):
            decode_record(data)


@pytest.mark.parametrize(
    ("parts", "read"),
    [
        (["0a" * 16, 1, "ab" * 32, "cd" * 8], True),
        (["0a" * 16, 1, "", ""], True),
        (["0a" * 16, 1, "ab" * 32, ""], False),
        (["0a" * 16, 1, "AB" * 32, "cd" * 8], False),
        (["0a" * 16, -1, "", ""], False),
        (["0a" * 15, 1, "", ""], False),
        (["0a" * 16, 1, ""], False),
        (["0a" * 16, "1", "", ""], False),
        ("0a", False),
    ],
)
def test_a_version_is_whole_or_the_record_is_refused(parts: Any, read: bool) -> None:
    version = Version("0a" * 16, 1, "ab" * 32, "cd" * 8)
    record = json.loads(encode_record(ApiKey("11" * 16, "a/b", {"A": ""}, (version,), version.id, 1, 2, (1, "x"))))
    data = json.dumps(record | {"versions": [parts]}).encode()
    if read:
        assert decode_record(data).versions == (Version(*parts),)
    else:
        with pytest.raises(VaultCorrupt):
            decode_record(data)


def test_a_value_has_sixteen_fields_and_the_one_that_does_not_fit_is_named() -> None:
    sixteen = {"": "x"} | {f"f{n}": "x" for n in range(16)}
    assert decode_values(encode_values(sixteen)) == sixteen
    for values, told in (
        (sixteen | {"f16": "x"}, "a key has at most 16 further fields"),
        ({"": "x" * (LARGEST_VALUE + 1)}, "the value is larger than 64 KiB"),
        ({"": "x", "pin": "x" * (LARGEST_VALUE + 1)}, "the value of pin is larger than 64 KiB"),
        ({"": "x", "pin": "\ud800"}, "the value of pin is not valid UTF-8"),
    ):
        with pytest.raises(InvalidInput) as refused:
            encode_values(values)
        assert refused.value.message == told


WRONG = st.none() | st.booleans() | st.integers(-3, 3) | st.just("") | st.lists(st.none() | st.integers() | TEXT, max_size=4)


@given(key=keys(), data=st.data())
def test_a_record_of_other_types_is_refused_by_both_readers_or_by_neither(key: ApiKey, data: st.DataObject) -> None:
    record = json.loads(encode_record(key))
    name = data.draw(st.sampled_from(sorted(set(record) - set(key.extra) - {"id", "auto", "confirm"})))
    wrong = record | {name: data.draw(WRONG)}
    try:
        check_record(wrong)
        agreed = True
    except Refused:
        agreed = False
    try:
        decode_record(json.dumps(wrong).encode())
    except VaultCorrupt:
        assert not agreed, wrong
    else:
        assert agreed, wrong
