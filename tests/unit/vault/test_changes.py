from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.core.clock import LATEST
from keyvault.core.errors import AlreadyExists, InvalidInput, NotFound, VaultCorrupt
from keyvault.vault import changes, journal
from keyvault.vault.rotating import Rotation
from keyvault.vault.vault import Vault

REF = "openai/default"


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = VaultHome(str(tmp_path)).create()
    add_key(vault, REF, "sk-1")
    yield vault
    vault.store.close()


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("now", [False, True])
def test_a_key_that_asked_goes_on_asking_when_it_comes_back(vault: Vault, before: bool, now: bool) -> None:
    with vault.transaction("edit") as tx:
        changes.edit(tx, REF, {"confirm": before}, 1)
        changes.remove(tx, REF, 2)
        assert changes.add(tx, REF, {"": "sk-2"}, {"confirm": now}, 3).confirm == (before or now)


def test_each_edit_has_a_higher_revision_than_the_one_before(vault: Vault) -> None:
    seen = [vault.get(REF).revision]
    for at in (1, 2):
        with vault.transaction("edit") as tx:
            changes.edit(tx, REF, {"note": f"{at}"}, at)
        seen.append(vault.get(REF).revision)
    with vault.transaction("rm") as tx:
        changes.remove(tx, REF, 3)
        seen.append(changes.add(tx, REF, {"": "sk-2"}, {}, 4).revision)
    counters = [counter for counter, _ in seen]
    assert counters == sorted(set(counters))
    assert counters[0] > 0


def test_a_field_that_comes_back_with_its_value_is_secret_unless_it_is_known_not_to_be(vault: Vault) -> None:
    with vault.transaction("edit") as tx:
        changes.edit(tx, REF, {"fields": {"pin": True, "site": False}}, 1, {"": "sk-2", "pin": "1", "site": "eu"})
        changes.edit(tx, REF, {"fields": {"site": False}}, 2, {"": "sk-3", "site": "us"})
    with vault.transaction("rollback") as tx:
        key, number = changes.roll_back(tx, REF, None, 3)
    assert number == 2
    assert key.fields == {"pin": True, "site": False}


@pytest.mark.parametrize("what", ["created", "expires", "leaked"])
@pytest.mark.parametrize(("at", "refused"), [(0, False), (LATEST, False), (-1, True), (LATEST + 1, True)])
def test_dates_lie_between_1970_and_9999(vault: Vault, what: str, at: int, refused: bool) -> None:
    def edit() -> None:
        with vault.transaction("edit") as tx:
            changes.edit(tx, REF, {what: at}, 1)  # type: ignore[misc]

    if refused:
        with pytest.raises(InvalidInput):
            edit()
    else:
        edit()
        assert getattr(vault.get(REF), what) == at


@pytest.mark.parametrize(("at", "refused"), [(0, False), (LATEST, False), (-1, True), (LATEST + 1, True)])
def test_a_journal_row_has_a_date_between_1970_and_9999(at: int, refused: bool) -> None:
    opened = b"b" * 32 + journal.encode(journal.new_row(9, 8, "add", at, []))
    if refused:
        with pytest.raises(VaultCorrupt):
            journal.decode(opened, 9)
    else:
        assert journal.decode(opened, 9)[1].at == at


def test_numbers_stay_where_erased_values_are_forgotten(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_PURGED", 2)
    for last in (6, 9):
        with vault.transaction("edit") as tx:
            while (key := tx.get(REF)).number(key.value) < last:
                changes.edit(tx, REF, {}, last, {"": f"sk-{key.number(key.value) + 1}"})
        with vault.transaction("purge") as tx:
            changes.purge(tx, REF, 10, versions_only=True)
        key = vault.get(REF)
        assert (key.number(key.value), len(key.versions), key.forgotten) == (last, 3, last - 3)
        assert key.version(last) == key.value
        for gone in (1, last - 3, last - 1):
            with pytest.raises(NotFound, match="was purged"):
                key.version(gone)
    with vault.transaction("rm") as tx:
        changes.remove(tx, REF, 11)
        key = changes.add(tx, REF, {"": "sk-10"}, {}, 12)
    assert (key.number(key.value), key.forgotten) == (10, 6)


def test_an_edit_is_dated(vault: Vault) -> None:
    with vault.transaction("edit") as tx:
        changes.edit(tx, REF, {"note": "n"}, 77)
    assert vault.get(REF).changed == 77


def test_a_place_is_forgotten_once_and_no_other(vault: Vault) -> None:
    with vault.transaction("places") as tx:
        for path, variable in (("/a", "A"), ("/a", "B"), ("/b", "A")):
            assert changes.register_place(tx, REF, "dotenv", path, variable)
        assert changes.forget_place(tx, REF, "/a")
        assert not changes.forget_place(tx, REF, "/a")
    assert [place.path for place in vault.get(REF).places] == ["/b"]


def test_a_name_that_is_taken_is_refused_and_told_by_whom(vault: Vault) -> None:
    add_key(vault, "openai/live", "sk-2", "LIVE_KEY")
    add_key(vault, "openai/gone", "sk-3", "GONE_KEY")
    with vault.transaction("rm") as tx:
        changes.remove(tx, "openai/gone", 1)
    for name, message, hint in (
        ("openai/live", 'key "openai/live" exists', "choose another label"),
        ("openai/gone", 'a removed key "openai/gone" keeps that name', "keyvault purge openai/gone erases it for good"),
        (REF, f'key "{REF}" has that name already', "choose another label"),
    ):
        with pytest.raises(AlreadyExists) as caught, vault.transaction("rename") as tx:
            changes.rename(tx, REF, name, 2)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_key_that_is_being_replaced_is_left_alone_and_the_way_out_is_told(vault: Vault) -> None:
    key = vault.get(REF)
    changes.not_rotating(key)
    key = key._replace(rotation=Rotation("0a" * 16, "created", 1, 1, "manual", key.current))
    for option in ("--abort", "--rollback"):
        with pytest.raises(AlreadyExists, match=r"is being rotated \(step: created\)") as caught:
            changes.not_rotating(key, *([] if option == "--abort" else [option]))
        assert caught.value.hint == f"keyvault rotate --resume {REF} ends it, keyvault rotate {option} {REF} undoes it"


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"tags": {"t" * 64: "v" * 256}}, ""),
        ({"tags": {"t" * 65: ""}}, "the tag is longer than 64 characters"),
        ({"tags": {"t": "v" * 257}}, "the tag is longer than 256 characters"),
        ({"base_url": "u" * 2049}, "the base url is longer than 2048 characters"),
        ({"variables": {"A": "pin"}}, "A should get field 'pin', which the key does not have"),
        ({"variables": {"A B": ""}}, "A B"),
    ],
)
def test_what_does_not_fit_a_key_is_refused(vault: Vault, details: changes.Details, told: str) -> None:
    if told:
        with pytest.raises(InvalidInput) as caught, vault.transaction("edit") as tx:
            changes.edit(tx, REF, details, 1)
        assert told in caught.value.message
        return
    with vault.transaction("edit") as tx:
        assert changes.edit(tx, REF, details, 1).tags == details["tags"]


def test_a_removed_key_is_told_from_one_that_never_was(vault: Vault) -> None:
    with vault.transaction("rm") as tx:
        changes.remove(tx, REF, 1)
        for get in (tx.get, lambda ref: vault.get(ref)):
            with pytest.raises(NotFound) as caught:
                get("custom/none")
            assert caught.value.message == 'no key "custom/none"'
            assert caught.value.hint == "keyvault list shows the names; keyvault add VENDOR puts a key in"
        with pytest.raises(NotFound) as caught:
            tx.get(REF)
    with pytest.raises(NotFound) as again:
        vault.get(REF)
    for told in (caught.value, again.value):
        assert (told.message, told.hint) == (f'key "{REF}" was removed', f"keyvault restore-key {REF} brings it back")


def test_a_name_that_is_not_there_brings_the_nearest_label_of_its_vendor(vault: Vault) -> None:
    add_key(vault, "openai/work", "sk-2", "WORK_KEY")
    add_key(vault, "custom/worn", "x", "WORN")
    with pytest.raises(NotFound) as caught:
        vault.get("openai/worm")
    assert caught.value.hint == 'did you mean "openai/work"?'
