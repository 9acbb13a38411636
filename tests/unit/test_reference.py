from __future__ import annotations

import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def generate(folder: str, *words: str) -> subprocess.CompletedProcess[str]:
    script = os.path.join(folder, "scripts", "gen_reference")
    return subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=60, check=False)


def test_the_reference_pages_are_what_the_program_says() -> None:
    done = generate(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run scripts/gen_reference"


def test_a_stale_page_is_noticed_and_written_anew(tmp_path: object) -> None:
    copy = os.path.join(str(tmp_path), "checkout")
    for folder in ("scripts", "keyvault", os.path.join("docs", "reference"), os.path.join("docs", "man")):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(copy, folder), ignore=ignored)
    page = os.path.join(copy, "docs", "reference", "commands.md")
    with open(page, encoding="utf-8") as file:
        right = file.read()
    with open(page, "w", encoding="utf-8") as file:
        file.write(right.replace("Make a new vault", "Make a new volt"))

    done = generate(copy, "--check")
    assert done.returncode == 1
    assert "commands.md" in done.stdout
    assert generate(copy).returncode == 0
    with open(page, encoding="utf-8") as file:
        assert file.read() == right
    assert generate(copy, "--check").returncode == 0
