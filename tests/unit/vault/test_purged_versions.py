from __future__ import annotations

import pytest
from vaults import VaultHome, add_key

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.vault import care, changes


@pytest.fixture
def home(tmp_path: object) -> VaultHome:
    return VaultHome(str(tmp_path))


def test_a_key_that_is_replaced_and_purged_for_ever_never_fills_up_and_keeps_its_numbers(home: VaultHome) -> None:
    vault = home.create()
    add_key(vault, "openai/default", "sk-1")
    for number in range(2, 400):
        with vault.transaction("edit") as tx:
            changes.edit(tx, "openai/default", {}, number, {"": f"sk-{number}"})
        if number % 50 == 0:
            with vault.transaction("purge") as tx:
                changes.purge(tx, "openai/default", number, versions_only=True)
    key = vault.get("openai/default")
    assert key.number(key.value) == 399
    assert vault.open_key("openai/default", 351)[1] == {"": "sk-351"}
    for gone in (1, 349):
        with pytest.raises(NotFound, match="was purged"):
            key.version(gone)
    with pytest.raises(NotFound, match="has no version 400"):
        key.version(400)
    with vault.transaction("rollback") as tx:
        assert changes.roll_back(tx, "openai/default", None, 1)[1] == 398
    assert vault.values(vault.get("openai/default")) == {"": "sk-398"}
    care.verify(vault)


def test_a_key_with_too_many_values_says_so_and_purge_makes_room(home: VaultHome) -> None:
    vault = home.create()
    add_key(vault, "openai/default", "sk-0")
    with pytest.raises(InvalidInput, match="too many versions") as refused:
        for number in range(1, 300):
            with vault.transaction("edit") as tx:
                changes.edit(tx, "openai/default", {}, number, {"": f"sk-{number}"})
    assert "purge --versions openai/default" in refused.value.hint
    assert len(vault.get("openai/default").versions) > 100
    with vault.transaction("purge") as tx:
        changes.purge(tx, "openai/default", 1, versions_only=True)
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {}, 1, {"": "sk-new"})
    assert vault.values(vault.get("openai/default")) == {"": "sk-new"}
