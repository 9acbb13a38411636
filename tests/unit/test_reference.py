from __future__ import annotations

import os

from checkout import copy_to, script


def test_the_reference_pages_are_what_the_program_says() -> None:
    done = script("gen_reference", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), "run scripts/gen_reference"


def test_a_stale_page_is_noticed_and_written_anew(tmp_path: object) -> None:
    copy = copy_to(str(tmp_path), "scripts", "keyvault", "docs/reference", "docs/man")
    page = os.path.join(copy, "docs", "reference", "commands.md")
    with open(page, encoding="utf-8") as file:
        right = file.read()
    with open(page, "w", encoding="utf-8") as file:
        file.write(right.replace("Make a new vault", "Make a new volt"))

    done = script("gen_reference", "--check", of=copy)
    assert done.returncode == 1
    assert "commands.md" in done.stdout
    assert script("gen_reference", of=copy).returncode == 0
    with open(page, encoding="utf-8") as file:
        assert file.read() == right
    assert script("gen_reference", "--check", of=copy).returncode == 0
