"""scripts/package, for the night: two builds are equal, and what is installed from them works."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from checkout import ROOT

DIST = os.path.join(ROOT, "dist")


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_packages_are_reproducible_and_work() -> None:
    script = os.path.join(ROOT, "scripts", "package")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr
    packages = sorted(name for name in os.listdir(DIST) if name.startswith("keyvault_apikeys-"))
    assert [name.endswith(end) for name, end in zip(packages, (".whl", ".tar.gz"), strict=True)] == [True, True]
    for name in packages:
        assert f"{name}: installed into a clean environment" in done.stdout
    assert "aarch64-macos: no error, no warning" in done.stdout
    with open(os.path.join(DIST, "sbom.cdx.json"), encoding="utf-8") as file:
        bill = json.load(file)
    assert bill["metadata"]["component"]["name"] == "keyvault-apikeys"
    parts = {part["name"] for part in bill["components"]}
    with open(os.path.join(DIST, "licences.md"), encoding="utf-8") as file:
        licences = file.read()
    for library in ("cryptography", "click", "keyring"):
        assert library in parts
        assert f"| {library} " in licences
    assert "UNKNOWN" not in licences
    assert str(ROOT) not in json.dumps(bill)
