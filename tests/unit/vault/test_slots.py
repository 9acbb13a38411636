from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import second_reader

from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound, UnsupportedFormat, VaultCorrupt, WrongSecret
from keyvault.crypto.kdf import STANDARD, STRONG, Argon2Parameters, problem
from keyvault.unlock import recovery
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.slots import KEY_FILE, KEYRING, KINDS, PASSPHRASE, RECOVERY

CHEAP = Argon2Parameters(8192, 1, 1)
EMPTY = Header("0a" * 16, 3, ())
VAULT_KEY = bytes(range(32))
SECRET = {PASSPHRASE: b"correct horse", KEYRING: b"k" * 32, KEY_FILE: b"f" * 32, RECOVERY: b"r" * 20}


def header_of(*kinds: str) -> Header:
    return care.with_slots(EMPTY, [slots.wrap(EMPTY, kind, SECRET[kind], VAULT_KEY, kdf=CHEAP) for kind in kinds])


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_opens_with_its_secret_alone(kind: str) -> None:
    header = header_of(*KINDS)
    decoded = slots.decode_all(header)
    slot, vault_key = slots.unwrap(header, decoded, kind, SECRET[kind])
    assert (slot.kind, vault_key) == (kind, VAULT_KEY)
    with pytest.raises(WrongSecret):
        slots.unwrap(header, decoded, kind, SECRET[kind][:-1] + b"x")
    for other in KINDS:
        if other != kind:
            with pytest.raises(WrongSecret):
                slots.unwrap(header, decoded, other, SECRET[kind])


def test_a_kind_that_is_not_there_is_not_a_wrong_secret() -> None:
    header = header_of(KEY_FILE)
    with pytest.raises(NotFound):
        slots.unwrap(header, slots.decode_all(header), PASSPHRASE, b"x")


@pytest.mark.parametrize("change", [{"epoch": 4}, {"vault_id": "0b" * 16}])
def test_a_slot_belongs_to_its_vault_and_epoch(change: dict[str, object]) -> None:
    header = header_of(KEY_FILE)._replace(**change)  # type: ignore[arg-type]
    with pytest.raises(WrongSecret):
        slots.unwrap(header, slots.decode_all(header), KEY_FILE, SECRET[KEY_FILE])


def test_the_second_of_two_slots_of_a_kind_opens() -> None:
    two = [slots.wrap(EMPTY, KEY_FILE, secret, VAULT_KEY) for secret in (b"a" * 32, b"b" * 32)]
    header = care.with_slots(EMPTY, two)
    assert slots.unwrap(header, slots.decode_all(header), KEY_FILE, b"b" * 32) == (two[1], VAULT_KEY)


def test_no_more_than_eight_passphrases_are_tried() -> None:
    nine = [slots.wrap(EMPTY, PASSPHRASE, b"%d" % n, VAULT_KEY, kdf=CHEAP) for n in range(9)]
    header = care.with_slots(EMPTY, nine)
    decoded = slots.decode_all(header)
    assert slots.unwrap(header, decoded, PASSPHRASE, b"7")[0] == nine[7]
    with pytest.raises(WrongSecret):
        slots.unwrap(header, decoded, PASSPHRASE, b"8")


def test_of_the_slots_that_cost_nothing_every_one_is_tried() -> None:
    ten = [slots.wrap(EMPTY, KEYRING, bytes([n]) * 32, VAULT_KEY) for n in range(10)]
    header = care.with_slots(EMPTY, ten)
    assert slots.unwrap(header, slots.decode_all(header), KEYRING, b"\x09" * 32) == (ten[9], VAULT_KEY)


def test_a_slot_whose_wrapped_key_was_altered_does_not_hide_the_next() -> None:
    altered, good = (slots.wrap(EMPTY, KEYRING, b"k" * 32, VAULT_KEY) for _ in range(2))
    altered = altered._replace(wrapped=altered.wrapped[:-1] + bytes([altered.wrapped[-1] ^ 1]))
    header = care.with_slots(EMPTY, [altered, good])
    assert slots.unwrap(header, slots.decode_all(header), KEYRING, b"k" * 32) == (good, VAULT_KEY)


def test_a_passphrase_costs_the_standard_unless_more_is_asked_and_other_secrets_nothing() -> None:
    assert slots.wrap(EMPTY, PASSPHRASE, b"x", VAULT_KEY).kdf == STANDARD
    assert slots.wrap(EMPTY, PASSPHRASE, b"x", VAULT_KEY, kdf=CHEAP).kdf == CHEAP
    assert slots.wrap(EMPTY, KEYRING, b"k" * 32, VAULT_KEY).kdf is None


def test_a_slot_is_encoded_as_the_second_reader_reads_it() -> None:
    for kind in KINDS:
        for slot in header_of(kind).slots:
            second_reader.check_slot(slot)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("é", "e\u0301"),
        ("\u212b", "\u00e5".upper()),
        ("\uac00", "\u1100\u1161"),
        ("q\u0307\u0323", "q\u0323\u0307"),
    ],
)
def test_a_passphrase_is_the_same_however_it_was_composed(one: str, other: str) -> None:
    assert one != other
    assert slots.passphrase_bytes(one) == slots.passphrase_bytes(other)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_every_form_of_a_text_is_one_passphrase(text: str) -> None:
    wanted = slots.passphrase_bytes(unicodedata.normalize("NFC", text))
    assert slots.passphrase_bytes(unicodedata.normalize("NFD", text)) == wanted
    assert slots.passphrase_bytes(text) == wanted == second_reader.secret_bytes(PASSPHRASE, text)


@pytest.mark.parametrize(("one", "other"), [("\uff21", "A"), ("ﬁ", "fi"), ("a", "A"), ("a ", "a"), ("ß", "ss"), ("²", "2")])
def test_what_only_looks_alike_is_another_passphrase(one: str, other: str) -> None:
    assert slots.passphrase_bytes(one) != slots.passphrase_bytes(other)


@pytest.mark.parametrize("text", ["", "x" * 1025, "\ud800", "a\udfffb"])
def test_what_cannot_be_a_passphrase_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        slots.passphrase_bytes(text)


def test_a_passphrase_may_have_1024_characters() -> None:
    assert slots.passphrase_bytes("é" * 1024) == "é".encode() * 1024


@pytest.mark.parametrize(
    "allowed",
    [STANDARD, STRONG, CHEAP, Argon2Parameters(8192, 16, 16), Argon2Parameters(1048576, 4, 1), Argon2Parameters(262144, 16, 1)],
)
def test_allowed_costs(allowed: Argon2Parameters) -> None:
    assert problem(allowed) == ""


@pytest.mark.parametrize("field", ["id", "kind", "salt", "check", "wrapped", "memory", "passes", "lanes"])
def test_a_slot_without_a_field_is_refused(field: str) -> None:
    header = header_of(PASSPHRASE)
    lacking = {name: value for name, value in header.slots[0].items() if name != field}
    with pytest.raises(VaultCorrupt):
        slots.decode_all(header._replace(slots=(lacking,)))


def test_costs_on_a_slot_that_has_none_are_a_newer_format() -> None:
    header = header_of(KEY_FILE)
    with pytest.raises(UnsupportedFormat):
        slots.decode_all(header._replace(slots=(header.slots[0] | CHEAP._asdict(),)))


def test_a_vault_has_at_most_64_slots() -> None:
    many = [slots.wrap(EMPTY, KEY_FILE, SECRET[KEY_FILE], VAULT_KEY) for _ in range(65)]
    assert len(slots.decode_all(care.with_slots(EMPTY, many[:64]))) == 64
    with pytest.raises(InvalidInput):
        care.with_slots(EMPTY, many)
    with pytest.raises(InvalidInput):
        care.new_vault([])


def test_new_secrets_have_the_sizes_of_their_kinds() -> None:
    assert {kind: len(slots.new_secret(kind)) for kind in (KEYRING, KEY_FILE, RECOVERY)} == {
        KEYRING: 32,
        KEY_FILE: 32,
        RECOVERY: 20,
    }
    assert slots.new_secret(KEY_FILE) != slots.new_secret(KEY_FILE)
    assert SlotSecret(KEY_FILE, b"").kdf == STANDARD


# -- recovery codes


@given(st.binary(min_size=20, max_size=20))
def test_a_recovery_code_comes_back_as_people_type_it(secret: bytes) -> None:
    code = recovery.encode(secret)
    assert len(code) == 44
    plain = code.replace("-", "")
    typed = [
        code,
        code.lower(),
        plain,
        " ".join(code),
        f"  {code}\n",
        code.replace("0", "O").replace("1", "l"),
        code.replace("1", "i"),
    ]
    for text in typed:
        assert recovery.decode(text) == secret
        assert recovery.looks_like(text)
        assert second_reader.secret_bytes("recovery", text.strip()) == secret


def test_every_single_typing_error_and_every_swap_of_neighbours_is_noticed() -> None:
    code = recovery.encode(bytes(range(100, 120))).replace("-", "")
    wrong = {code[:at] + digit + code[at + 1 :] for at in range(36) for digit in second_reader.DIGITS if digit != code[at]}
    wrong |= {code[:at] + code[at + 1] + code[at] + code[at + 2 :] for at in range(35)} - {code}
    assert len(wrong) > 36 * 31
    for text in wrong:
        with pytest.raises(InvalidInput):
            recovery.decode(text)


@pytest.mark.parametrize("text", ["", "0", "0" * 35, "0" * 37, "U" * 36, "é" * 36, "0" * 35 + "\n0", "\uff10" * 36])
def test_what_is_no_recovery_code_is_refused(text: str) -> None:
    assert not recovery.looks_like(text)
    with pytest.raises(KeyvaultError):
        recovery.decode(text)
