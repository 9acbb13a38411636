from __future__ import annotations

import os
from pathlib import Path

import pytest

from keyvault.audit.policy import Limits, Policy, configured
from keyvault.core.clock import DAY
from keyvault.core.errors import InvalidInput, UnsafeFile


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    os.mkdir(tmp_path / "keyvault")
    return tmp_path / "keyvault" / "config.toml"


def test_without_a_file_or_a_table_nothing_is_said(config: Path) -> None:
    assert configured() == Policy()
    config.write_text("[rotation]\nhooks = []\n")
    assert configured() == Policy()


def test_limits_for_all_keys_and_for_those_of_a_vendor(config: Path) -> None:
    config.write_text(
        '[audit]\nrotate_after = "90d"\nunused_after = "never"\n'
        '[audit.vendors.openai]\nrotate_after = "4w"\n[audit.vendors.acme]\nunchecked_after = "1y"\n'
    )
    assert configured() == Policy(Limits(90 * DAY, 0), {"openai": Limits(28 * DAY), "acme": Limits(unchecked_after=365 * DAY)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("audit = 5", "audit is no table"),
        ("[audit]\nrotate_after = 90", "rotate_after of audit is not a span of time"),
        ('[audit]\nrotate_after = "90"', "rotate_after of audit is not a span of time"),
        ('[audit]\nrotate_after = "0d"', "rotate_after of audit is not a span of time"),
        ("[audit]\nrotate_after = true", "rotate_after of audit is not a span of time"),
        ('[audit]\nrotate-after = "90d"', '"rotate-after", which means nothing'),
        ("[audit]\nvendors = 3", "audit.vendors is no table of vendors"),
        ("[audit.vendors]\nopenai = '30d'", "audit.vendors is no table of vendors"),
        ('[audit.vendors.openai]\nafter = "30d"', 'audit.vendors.openai says "after"'),
        ("not [ toml", "is not TOML"),
    ],
)
def test_what_would_be_ignored_is_an_error_that_says_where(config: Path, text: str, said: str) -> None:
    config.write_text(text)
    with pytest.raises(InvalidInput) as raised:
        configured()
    assert said in raised.value.message
    assert str(config) in raised.value.message
    assert raised.value.hint


def test_a_file_that_others_can_write_is_refused(config: Path) -> None:
    config.write_text('[audit]\nrotate_after = "never"\n')
    os.chmod(config, 0o666)
    with pytest.raises(UnsafeFile):
        configured()
