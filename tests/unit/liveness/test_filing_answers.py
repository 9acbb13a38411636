"""What was heard about a key is filed with the key and the version that was asked about, and with no other."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.core.errors import NotFound
from keyvault.liveness import keys
from keyvault.liveness.balance import Figure, Standing
from keyvault.liveness.check import Result
from keyvault.vault import changes
from keyvault.vault.answers import Amount, Balance, Checked
from keyvault.vault.vault import Vault

AT = 1_790_000_000


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = VaultHome(str(tmp_path)).create()
    for ref in ("openai/default", "aws/work", "custom/gone"):
        add_key(vault, ref, f"value of {ref}")
    with vault.transaction("edit") as tx:
        values = {"": "AKIA1", "secret_access_key": "half"}
        changes.edit(tx, "aws/work", {"fields": {"secret_access_key": True}, "base_url": "https://own.example"}, AT, values)
        changes.remove(tx, "custom/gone", AT)
    yield vault
    vault.store.close()


def test_every_live_key_is_asked_about_or_those_named_once_in_their_order(vault: Vault) -> None:
    assert [(key.ref, about.ref) for key, about in keys.subjects(vault, [])] == [
        ("aws/work", "aws/work"),
        ("openai/default", "openai/default"),
    ]
    named = keys.subjects(vault, ["openai", "aws/work", "openai/default"])
    assert [about.ref for _, about in named] == ["openai/default", "aws/work"]
    with pytest.raises(NotFound):
        keys.subjects(vault, ["custom/gone"])


def test_the_question_has_the_present_values_the_vendor_and_the_address(vault: Vault) -> None:
    (_, aws), (_, openai) = keys.subjects(vault, [])
    assert aws.provider is not None
    assert (aws.provider.id, aws.value.reveal(), aws.base_url) == ("aws", "AKIA1", "https://own.example")
    assert {name: secret.reveal() for name, secret in aws.fields.items()} == {"secret_access_key": "half"}
    assert (openai.value.reveal(), openai.fields, openai.base_url) == ("value of openai/default", {}, "")


def test_verdicts_are_filed_with_the_version_that_was_asked_about_in_one_commit(vault: Vault) -> None:
    asked = [key for key, _ in keys.subjects(vault, [])]
    aws, openai = asked
    before = vault.root.seq
    answers = [
        Result("openai/default", "valid", 200, "it works", ""),
        Result("aws/work", "unreachable", None, "no answer", "x"),
    ]
    keys.keep_results(vault, asked, answers, AT + 5)
    assert vault.root.seq == before + 1
    assert vault.log(1)[0].what == "check"
    assert vault.get("openai/default").checked == Checked(openai.current, AT + 5, "valid", 200, "it works")
    assert vault.get("aws/work").checked == Checked(aws.current, AT + 5, "unreachable", 0, "no answer")


def test_a_verdict_about_a_value_that_was_replaced_meanwhile_stays_with_the_old_one(vault: Vault) -> None:
    asked = [key for key, _ in keys.subjects(vault, ["openai"])]
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {}, AT + 1, {"": "another"})
    keys.keep_results(vault, asked, [Result("openai/default", "invalid", 401, "no", "")], AT + 5)
    key = vault.get("openai/default")
    assert key.checked is not None
    assert key.checked.version == asked[0].current != key.current


def test_figures_are_filed_as_they_were_told_and_none_takes_no_earlier_ones_away(vault: Vault) -> None:
    asked = [key for key, _ in keys.subjects(vault, [])]
    figures = (
        Figure("account", "left", Decimal("1E+2"), "USD", {}, {}, ""),
        Figure("key", "spent", None, "EUR", {}, {}, "no limit"),
    )
    keys.keep_standings(vault, asked, [Standing("openai/default", figures, "", True)], AT + 5)
    amounts = (Amount("account", "left", "100", "USD"), Amount("key", "spent", "", "EUR"))
    filed = Balance(asked[1].current, AT + 5, amounts)
    assert vault.get("openai/default").balance == filed
    assert vault.get("aws/work").balance is None
    assert vault.log(1)[0].what == "balance"
    keys.keep_standings(vault, asked, [Standing("openai/default", (), "no answer", False)], AT + 9)
    assert vault.get("openai/default").balance == filed
