"""scripts/docs: the real pages build without a warning, and the faults that it looks for are found."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest
from checkout import ROOT

SCRIPT = os.path.join(ROOT, "scripts", "docs")
loader = SourceFileLoader("scripts_docs", SCRIPT)
spec = spec_from_loader(loader.name, loader)
assert spec
docs = module_from_spec(spec)
loader.exec_module(docs)


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: object) -> None:
    site = os.path.join(str(tmp_path), "site")
    done = subprocess.run([sys.executable, SCRIPT, site], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert "https://httr2.r-lib.org" in done.stdout.splitlines()
    with open(os.path.join(site, "tutorial.html"), encoding="utf-8") as file:
        assert "hidden" in file.read()
    again = subprocess.run([sys.executable, SCRIPT, ROOT], capture_output=True, text=True, timeout=60, check=False)
    assert "has something else in it" in again.stderr


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="nowhere.html">', "not there"),
        ('<a href="b.html#nowhere">', "no such anchor"),
        ('<a href="#nowhere">', "no such anchor"),
        ('<img src="https://example.org/a.png">', "fetches"),
        ('<link rel="stylesheet" href="https://example.org/font.css">', "fetches"),
        ('<script src="//example.org/a.js"></script>', "fetches"),
    ],
)
def test_a_fault_in_the_pages_is_found(tmp_path: object, body: str, fault: str) -> None:
    folder = str(tmp_path)
    good = '<h1 id="here"><a href="b.html#here"><a href="#here"><a href="https://example.org"><img src="data:,x">'
    for name, text in (("a.html", good + body), ("b.html", good)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    faults, elsewhere = docs.faults_and_addresses(folder)
    assert len(faults) == 1
    assert fault in faults[0]
    assert "https://example.org" in elsewhere


def test_a_style_that_fetches_is_found(tmp_path: object) -> None:
    for name, text in (
        ("a.css", "@font-face { src: url('https://example.org/f.woff') }"),
        ("b.css", "a { background: url(data:,x) }"),
    ):
        with open(os.path.join(str(tmp_path), name), "w", encoding="utf-8") as file:
            file.write(text)
    assert docs.faults_and_addresses(str(tmp_path)) == (["a.css fetches from elsewhere"], set())
