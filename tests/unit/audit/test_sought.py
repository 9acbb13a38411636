from __future__ import annotations

import base64
from pathlib import Path

import pytest
from vaults import VaultHome, add_key

from keyvault.audit import verifying
from keyvault.audit.findings import BASE64, OWN, PLAIN, TREE, UNKNOWN, Leak
from keyvault.audit.leaks.pieces import OwnKey, Plan
from keyvault.audit.sought import fingerprint_key, own_keys
from keyvault.audit.verifying import Values
from keyvault.core.secret import Secret
from keyvault.crypto.primitives import hmac_sha256
from keyvault.liveness.requests import Subject
from keyvault.rotation import journal
from keyvault.vault import changes
from keyvault.vault.vault import Vault

AT = 1_790_000_000
KEY = b"k" * 32
GROQ = "gsk_" + "kT7vR2xW9mQ4zL8bN3cJ" * 2 + "H6fD1sP5yG0a"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return VaultHome(str(tmp_path)).create()


def sought(vault: Vault) -> dict[tuple[str, str], bool]:
    return {(key.ref, key.value.reveal()): key.current for key in own_keys(vault).own}


def test_every_value_that_a_key_has_or_had_is_sought_also_of_removed_ones(vault: Vault) -> None:
    add_key(vault, "acme/a", "the first value")
    add_key(vault, "acme/b", "of a removed key")
    with vault.transaction("edit") as tx:
        changes.edit(tx, "acme/a", {}, AT, {"": "the second value"})
        changes.remove(tx, "acme/b", AT)
    assert sought(vault) == {
        ("acme/a", "the first value"): False,
        ("acme/a", "the second value"): True,
        ("acme/b", "of a removed key"): False,
    }


def test_secret_parts_are_sought_and_plain_ones_are_not(vault: Vault) -> None:
    with vault.transaction("add") as tx:
        values = {"": "the value itself", "secret_part": "the other half", "region": "eu-central-1"}
        fields = {"secret_part": True, "region": False}
        changes.add(tx, "acme/a", values, {"variables": {"A": ""}, "fields": fields}, AT)
    assert {value for _, value in sought(vault)} == {"the value itself", "the other half"}


def test_a_value_that_came_back_is_in_use(vault: Vault) -> None:
    add_key(vault, "acme/a", "the first value")
    for value in ("the second value", "the first value"):
        with vault.transaction("edit") as tx:
            changes.edit(tx, "acme/a", {}, AT, {"": value})
    assert sought(vault) == {("acme/a", "the first value"): True, ("acme/a", "the second value"): False}


def test_while_a_key_is_rotated_both_values_are_in_use(vault: Vault) -> None:
    add_key(vault, "acme/a", "the first value")
    journal.begin(vault, "acme/a", "manual", AT)
    assert sought(vault) == {("acme/a", "the first value"): True}
    with vault.transaction("rotate") as tx:
        key = tx.get("acme/a")
        assert key.rotation
        version = tx.add_value(key.id, {"": "the pending value"}, AT)
        rotation = key.rotation._replace(step="pending", new=version.id)
        tx.put(key._replace(versions=(*key.versions, version), rotation=rotation))
    assert sought(vault) == {("acme/a", "the first value"): True, ("acme/a", "the pending value"): True}


def test_what_is_too_short_is_said_and_not_sought(vault: Vault) -> None:
    add_key(vault, "acme/a", "1234567")
    add_key(vault, "acme/b", "12345678")
    found = own_keys(vault)
    assert [key.ref for key in found.own] == ["acme/b"]
    assert [(one.path, "fewer than 8 characters" in one.why) for one in found.skipped] == [("acme/a", True)]


def test_what_was_purged_is_not_sought(vault: Vault) -> None:
    add_key(vault, "acme/a", "the first value")
    with vault.transaction("edit") as tx:
        changes.edit(tx, "acme/a", {}, AT, {"": "the second value"})
        changes.purge(tx, "acme/a", AT, versions_only=True)
    assert sought(vault) == {("acme/a", "the second value"): True}


def test_the_key_of_fingerprints_is_the_vaults_own_and_outlives_a_rekey(vault: Vault, tmp_path: Path) -> None:
    other = VaultHome(str(tmp_path / "other")).create()
    assert fingerprint_key(vault) == fingerprint_key(vault) != fingerprint_key(other)
    assert fingerprint_key(vault) != vault.root.fingerprint_key


def found(path: Path | str, line: int, value: str, **said: object) -> Leak:
    mark = hmac_sha256(KEY, value.encode())[:8].hex()
    return Leak(str(path), line, 1, "groq", "key", UNKNOWN, PLAIN, "", mark, TREE)._replace(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{}", "x\n\nk = '{}' # é", 'a="{}",b="gsk_other"', "\xff {}\r\n"])
def test_a_value_is_read_again_from_its_line_and_only_if_it_is_the_one_that_was_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(text.format(GROQ).encode("latin-1"))
    line = text.split("{}")[0].count("\n") + 1
    values = Values(Plan(fingerprint_key=KEY))
    again = values.of(found(path, line, GROQ))
    assert again
    assert again.reveal() == GROQ
    assert values.of(found(path, line, GROQ[:-1] + "b")) is None
    assert values.of(found(path, 9, GROQ)) is None
    assert values.of(found(path, 0, GROQ)) is None
    assert values.of(found(path, line, GROQ, form=BASE64)) is None
    assert values.of(found(path, line, GROQ, provider="")) is None
    assert values.of(found(tmp_path / "gone", line, GROQ)) is None
    assert values.of(found(tmp_path, line, GROQ)) is None


def test_the_value_of_an_own_key_comes_from_the_plan_whatever_wraps_it(tmp_path: Path) -> None:
    plan = Plan((OwnKey("groq/a", "groq", Secret(GROQ), True),), KEY)
    (tmp_path / "a").write_bytes(base64.b64encode(GROQ.encode()))
    leak = found(tmp_path / "a", 1, GROQ, kind=OWN, ref="groq/a", form=BASE64)
    again = Values(plan).of(leak)
    assert again
    assert again.reveal() == GROQ
    assert Values(plan).of(leak._replace(ref="groq/b")) is None


def test_nobody_is_asked_about_a_shape_that_several_vendors_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Subject] = []

    def nobody(subjects: list[Subject], **_: object) -> list[object]:
        asked.extend(subjects)
        return []

    monkeypatch.setattr(verifying, "check", nobody)
    shared = "sk-7f3a9c1e5b8d2046e7a1f9035cbd4826"
    (tmp_path / "a").write_text(f"{shared}\n{GROQ}\n")
    leaks = [
        found(tmp_path / "a", 1, shared, provider="deepseek"),
        found(tmp_path / "a", 2, GROQ, provider="openai"),  # what surrounds it says another vendor than its shape
    ]
    told = verifying.verify(leaks, Values(Plan(fingerprint_key=KEY)), lambda *_: None)
    assert asked == []
    assert [leak.verdict for leak in told] == ["not_asked", "not_asked"]
