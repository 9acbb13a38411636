"""scripts/new_provider, in a copy of the checkout: what it writes holds to the contract of all vendor files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, copy_to, script

GOOD = ("acme.ai", "--name", "Acme 极限", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example/v1/")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    copy = Path(copy_to(str(tmp_path), "keyvault"))
    for name in (
        "scripts/new_provider",
        "tests/contract/test_vendor_files.py",
        "tests/conftest.py",
        "tests/checkout.py",
        "tests/internet.py",
        "pyproject.toml",
    ):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(os.path.join(ROOT, name), copy / name)
    return copy


def run(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return script("new_provider", *words, of=str(checkout))


def vendors(checkout: Path) -> set[str]:
    return set(os.listdir(checkout / "keyvault" / "providers" / "vendors"))


def test_the_stub_holds_to_the_contract(checkout: Path) -> None:
    before = vendors(checkout)
    done = run(checkout, *GOOD)
    assert done.returncode == 0, done.stderr
    assert vendors(checkout) - before == {"acme.ai.toml"}
    assert done.stdout.splitlines()[0] == str(checkout / "keyvault" / "providers" / "vendors" / "acme.ai.toml")
    contract = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "tests/contract/test_vendor_files.py"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert contract.returncode == 0, contract.stdout[-3000:]
    assert "[acme.ai]" in contract.stdout


def test_the_program_knows_the_new_vendor(checkout: Path) -> None:
    run(checkout, *GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "keyvault", "providers", "acme 极限"],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "https://api.acme.example/v1/models" in done.stdout


def test_a_file_that_is_there_is_not_written_over(checkout: Path) -> None:
    assert run(checkout, *GOOD).returncode == 0
    path = checkout / "keyvault" / "providers" / "vendors" / "acme.ai.toml"
    path.write_text(path.read_text().replace("Acme 极限", "Acme").replace("ACME_API_KEY", "ACME_KEY"))
    text = path.read_text()
    done = run(checkout, "acme.ai", "--name", "New", "--variable", "NEW_KEY", "--url", "https://new.example")
    assert done.returncode == 2
    assert "acme.ai" in done.stderr
    assert path.read_text() == text


@pytest.mark.parametrize(
    "words",
    [
        ("../acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("Acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("openai", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("acme", "--name", "OpenAI", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("acme", "--name", "智谱", "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("acme", "--name", "Acme", "--variable", "OPENAI_API_KEY", "--url", "https://api.acme.example"),
        ("acme", "--name", "Acme", "--variable", "PATH", "--url", "https://api.acme.example"),
        ("acme", "--name", 'Ac"me', "--variable", "ACME_API_KEY", "--url", "https://api.acme.example"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "http://api.acme.example"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "http://localhost:8000"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "https://u:p@api.acme.example"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "https://{key}.example/v1"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY", "--url", "nonsense"),
        ("acme", "--name", "Acme", "--variable", "ACME_API_KEY"),
    ],
)
def test_what_cannot_be_a_vendor_is_refused_and_nothing_written(words: tuple[str, ...]) -> None:
    """In the checkout itself: nothing may appear there."""
    before = vendors(Path(ROOT))
    done = script("new_provider", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr != ""
    assert vendors(Path(ROOT)) == before
