from pathlib import Path

import pytest

from keyvault.audit.leaks import kept, rules
from keyvault.audit.leaks.rules import Rules
from keyvault.core.errors import InvalidInput
from keyvault.providers import catalogue

MINE = """id = "mine"
name = "Mine"
variables = ["MINE_KEY"]
patterns = [{ kind = "key", regex = "mine_[a-z]{20}" }]
checks = [{ unsupported = "none" }]
"""


def told(found: Rules) -> tuple[object, ...]:
    each = [(rule.provider, rule.pattern, rule.expression, rule.hidden) for rule in found.rules]
    return list(found.vendors), each, found.triggers, found.named


def test_kept_rules_are_those_that_were_made(tmp_path: Path) -> None:
    mark = catalogue.fingerprint()
    made = rules.compiled(catalogue.everyone())
    assert told(kept.all_rules(str(tmp_path / "new"), mark)) == told(made)
    assert told(kept.all_rules(str(tmp_path / "new"), mark)) == told(made)
    assert told(kept.all_rules("", mark)) == told(made)


def test_nothing_is_parsed_where_they_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = catalogue.fingerprint()
    kept.all_rules(str(tmp_path), mark)
    monkeypatch.delattr(rules, "compiled")
    assert kept.all_rules(str(tmp_path), mark).triggers


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data[:40] + b"x" + data[41:], lambda _: b""])
def test_what_is_torn_is_made_anew(tmp_path: Path, spoil: object) -> None:
    mark = catalogue.fingerprint()
    whole = told(kept.all_rules(str(tmp_path), mark))
    [path] = tmp_path.iterdir()
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    assert told(kept.all_rules(str(tmp_path), mark)) == whole
    assert path.stat().st_size > 1000


def test_an_own_vendor_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "own_folder", lambda: str(tmp_path))
    before = catalogue.fingerprint()
    (tmp_path / "mine.toml").write_text(MINE)
    first = catalogue.fingerprint()
    assert "mine" in {vendor.id for vendor in kept.all_rules(str(tmp_path / "state"), first).vendors}
    (tmp_path / "mine.toml").write_text(MINE.replace("{20}", "{"))
    assert len({before, first, catalogue.fingerprint()}) == 3
    (tmp_path / "mine.toml").write_text("nonsense")
    with pytest.raises(InvalidInput):
        kept.all_rules(str(tmp_path / "state"), catalogue.fingerprint())
