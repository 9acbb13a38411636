"""Which commands a wheel installs, with a C compiler and without one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from conftest import ROOT

needs_compiler = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("cc") is None, reason="there is no C compiler, so there is no native client"
)


def build(folder: Path, **env: str) -> Path:
    kept = {name: value for name, value in os.environ.items() if name not in ("CC", "CFLAGS", "KEYVAULT_NO_NATIVE")}
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(words, cwd=ROOT, env=kept | env, check=True, capture_output=True, timeout=120)
    [wheel] = folder.glob("*.whl")
    return wheel


def commands(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as files:
        parser = ConfigParser()
        parser.read_string(files.read(next(name for name in files.namelist() if name.endswith("entry_points.txt"))).decode())
        assert set(parser["console_scripts"].values()) == {"keyvault.__main__:main"}
        return set(parser["console_scripts"])


def native(wheel: Path) -> zipfile.ZipInfo | None:
    with zipfile.ZipFile(wheel) as files:
        return next((info for info in files.infolist() if info.filename.endswith(".data/scripts/keyvault")), None)


@needs_compiler
def test_with_a_compiler_the_command_is_native_and_python_beside_it(tmp_path: Path) -> None:
    wheel = build(tmp_path)
    assert commands(wheel) == {"keyvault-python"}
    found = native(wheel)
    assert found is not None
    assert found.external_attr >> 16 & 0o111 == 0o111
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")


@needs_compiler
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("readelf") is None, reason="looks into an ELF file")
def test_the_native_command_is_loaded_anywhere_and_its_tables_are_closed_before_it_starts(tmp_path: Path) -> None:
    wheel = build(tmp_path)
    found = native(wheel)
    assert found is not None
    with zipfile.ZipFile(wheel) as files:
        program = files.extract(found, tmp_path)
    told = subprocess.run(["readelf", "-hlWd", program], capture_output=True, text=True, check=True).stdout
    [stack] = [line.split() for line in told.splitlines() if "GNU_STACK" in line]
    assert "DYN (" in told
    assert "GNU_RELRO" in told
    assert "BIND_NOW" in told
    assert stack[-2] == "RW"


@pytest.mark.parametrize("change", [{"KEYVAULT_NO_NATIVE": "1"}, {"CC": "no-such-compiler"}, {"CC": "false"}], ids=str)
def test_without_a_compiler_both_commands_are_python_on_any_platform(tmp_path: Path, change: dict[str, str]) -> None:
    wheel = build(tmp_path, **change)
    assert commands(wheel) == {"keyvault", "keyvault-python"}
    assert native(wheel) is None
    assert wheel.name.endswith("-py3-none-any.whl")


@needs_compiler
def test_two_builds_are_equal_byte_for_byte(tmp_path: Path) -> None:
    one, other = (build(tmp_path / name) for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


@needs_compiler
@pytest.mark.parametrize("unknown", ["FORTIFY", "relro", "-fcf-protection"])
def test_flags_that_a_compiler_does_not_know_are_done_without(tmp_path: Path, unknown: str) -> None:
    simple = tmp_path / "cc"
    simple.write_text(f'#!/bin/sh\ncase " $* " in *{unknown}*) exit 1 ;; esac\nexec cc "$@"\n')
    simple.chmod(0o700)
    assert commands(build(tmp_path / "made", CC=str(simple))) == {"keyvault-python"}
