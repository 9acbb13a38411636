from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.core.clock import LATEST
from keyvault.core.errors import InvalidInput, NotFound, VaultCorrupt
from keyvault.vault import changes, journal
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


def test_a_name_that_is_not_there_brings_the_nearest_label_of_its_vendor(vault: Vault) -> None:
    add_key(vault, "openai/work", "sk-2", "WORK_KEY")
    add_key(vault, "custom/worn", "x", "WORN")
    with pytest.raises(NotFound) as caught:
        vault.get("openai/worm")
    assert caught.value.hint == 'did you mean "openai/work"?'
