"""The picture of a terminal in README.md is what the program prints."""

from __future__ import annotations

import os
import subprocess
import sys

from checkout import ROOT


def test_the_picture_is_what_the_program_prints(tmp_path: object) -> None:
    drawn = os.path.join(str(tmp_path), "terminal.svg")
    script = os.path.join(ROOT, "scripts", "screenshot")
    done = subprocess.run([sys.executable, script, drawn], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with open(drawn, encoding="utf-8") as new, open(os.path.join(ROOT, "docs", "terminal.svg"), encoding="utf-8") as kept:
        picture = new.read()
        assert "openrouter/default" in picture
        assert "app.py&#160;has&#160;OPENROUTER_API_KEY</text>" in picture
        assert str(tmp_path) not in picture
        assert picture == kept.read(), (
            "the program prints something else by now: run scripts/screenshot, and look at the picture"
        )
