"""scripts/quickstart with the keyvault under test: it passes, and a keyvault that does one thing wrong makes it fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from checkout import ROOT
from vaults import without_terminal

from keyvault.providers.catalogue import load
from keyvault.providers.identify import by_variable

SCRIPT = os.path.join(ROOT, "scripts", "quickstart")
SAMPLE = os.path.join(ROOT, "scripts", "sample.env")


def quickstart(folder: str, keyvault: str, **env: str) -> tuple[int, str, str]:
    """Run it without a terminal, with `keyvault` as the text of a shell script that stands for the command.

    `real` becomes the command, for a shell that stayed between would be taken for the one that asks.
    """
    command = os.path.join(folder, "bin", "keyvault")
    os.makedirs(os.path.dirname(command), exist_ok=True)
    os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
    with open(command, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nreal() {{ exec "{sys.executable}" -m keyvault "$@"; }}\n{keyvault}\n')
    os.chmod(command, 0o755)
    path = os.path.dirname(command) + os.pathsep + os.environ["PATH"]
    environment = {"HOME": folder, "PATH": path, "TMPDIR": os.path.join(folder, "tmp"), **env}
    done = without_terminal(["bash", SCRIPT, "--installed"], environment, folder)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_tour_works_and_leaves_nothing_behind(tmp_path: object) -> None:
    inherited = {"KEYVAULT_PASSPHRASE": "wrong", "KEYVAULT_HOME": "/nonexistent", "OPENROUTER_API_KEY": "somebody's own"}
    code, said, complaints = quickstart(str(tmp_path), 'real "$@"', **inherited)
    assert (code, complaints) == (0, "")
    assert "All of that worked" in said
    assert "EXAMPLE" not in said
    assert sorted(os.listdir(str(tmp_path))) == ["bin", "tmp"]
    assert os.listdir(os.path.join(str(tmp_path), "tmp")) == []


@pytest.mark.parametrize(
    ("keyvault", "said"),
    [
        ('case $1 in env) real "$@" | sed s/EXAMPLE/EXAMPLF/ ;; *) real "$@" ;; esac', "did not arrive in bash"),
        ('case "$1 $2" in "env -o") echo A=b > .env && chmod 600 .env ;; *) real "$@" ;; esac', "does not hold what went in"),
        ('case "$1 $2" in "env -o") (real "$@"); chmod 644 .env ;; *) real "$@" ;; esac', "can be read by others"),
        ('case $1 in run) shift 4; real run -- "$@" ;; *) real "$@" ;; esac', "gave it more"),
        ('case $1 in import) (real "$@"); cp sample.env vault/copy ;; *) real "$@" ;; esac', "holds something readable"),
        ('case $1 in list) exit 3 ;; *) real "$@" ;; esac', "exit code 3"),
        ('case $1 in verify) exit 6 ;; *) real "$@" ;; esac', "exit code 6"),
    ],
)
def test_one_wrong_step_fails_loudly(tmp_path: object, keyvault: str, said: str) -> None:
    code, printed, complaints = quickstart(str(tmp_path), keyvault)
    assert code == 1
    assert said in complaints
    assert "All of that worked" not in printed


def test_without_a_python_it_says_what_to_install(tmp_path: object) -> None:
    folder = os.path.join(str(tmp_path), "bin")
    os.mkdir(folder)
    for name in ("bash", "dirname"):
        os.symlink(f"/usr/bin/{name}", os.path.join(folder, name))
    done = subprocess.run(
        ["/usr/bin/bash", SCRIPT], env={"PATH": folder}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr
    assert "hint" in done.stderr


def test_the_sample_keys_have_the_shape_of_their_vendors() -> None:
    with open(SAMPLE, encoding="utf-8") as file:
        found = dict(re.findall(r"^(?:export )?([A-Z_]+)=['\"]?(.*?)['\"]?$", file.read(), re.MULTILINE))
    owners = {name: owner for name in found if (owner := by_variable(name))}
    assert {owner.id for owner in owners.values()} == {
        *("openrouter", "deepseek", "anthropic", "huggingface", "alibaba-bailian", "zhipu", "aws", "github")
    }
    for name, owner in owners.items():
        assert any(re.fullmatch(pattern.regex, found[name]) for pattern in owner.patterns), name
    assert (aws := load("aws")) and found.keys() >= {field.variable for field in aws.fields.values()} - {"AWS_SESSION_TOKEN"}
