from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import ROOT, script
from conftest import Programs

from keyvault.cli.app import COMMANDS

PAGES = sorted(Path(ROOT, "docs", "man").iterdir())


def test_there_is_a_page_for_each_command_and_each_is_what_the_program_says() -> None:
    assert {page.name for page in PAGES} == {"keyvault.1", *(f"keyvault-{name}.1" for name in COMMANDS)}
    done = script("gen_man", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run scripts/gen_reference"


def test_the_pages_are_shown_without_a_warning(programs: Programs) -> None:
    warned = subprocess.run(
        [programs["groff"], "-ww", "-z", "-man", "-Tutf8", "-K", "utf8", *PAGES], capture_output=True, timeout=120, check=True
    )
    assert warned.stderr == b""


def test_man_shows_options_as_they_are_typed_and_shell_code_as_it_is_run(programs: Programs) -> None:
    plain = {"PATH": os.environ["PATH"], "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""}
    command = [programs["man"], "-P", "cat", "-l", os.path.join(ROOT, "docs", "man", "keyvault-env.1")]
    shown = subprocess.run(command, env=plain, capture_output=True, timeout=60, check=True).stdout.decode()
    assert "-o, --output FILE" in shown
    assert 'eval "$(keyvault env)"' in shown
    assert "`" not in shown


@pytest.mark.nightly  # building needs the build backend, which is fetched
def test_the_wheel_brings_the_pages(tmp_path: Path) -> None:
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "tests", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(copy)]
    subprocess.run(pip, check=True, timeout=200)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        installed = {name.rpartition("/")[2] for name in wheel.namelist() if "share/man/man1/" in name}
    assert installed == {page.name for page in PAGES}
