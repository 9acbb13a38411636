"""What the how-to pages tell people to type does what they say. Programs that this machine cannot run have stand-ins."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from checkout import ROOT
from people import AskingHome
from vaults import VaultHome, without_terminal

OPENAI = "sk-proj-" + "a" * 40
OPENROUTER = "sk-or-v1-" + "0" * 60 + "face"


def read(page: str) -> str:
    with open(os.path.join(ROOT, "docs", "how-to", page), encoding="utf-8") as file:
        return file.read()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL)


def block(page: str, holding: str, language: str = "sh") -> str:
    found = [text for text in blocks(page, language) if holding in text]
    assert len(found) == 1, f"{page}: {len(found)} blocks hold {holding}"
    return found[0]


class Place:
    """A folder with a vault, where the blocks of a page are run, with stand-ins before the real programs on PATH."""

    def __init__(self, home: VaultHome) -> None:
        self.home = home
        self.environment = home.environment
        self.bin = os.path.join(home.folder, ".local", "bin")
        os.makedirs(self.bin)
        self.program(os.path.join(self.bin, "keyvault"), f'exec "{sys.executable}" -m keyvault "$@"')
        home.run("add", "openai", "--stdin", "--field", "org=acme", stdin=OPENAI.encode())
        home.run("add", "openrouter", "--stdin", stdin=OPENROUTER.encode())

    def program(self, path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def stand_in(self, name: str, text: str) -> None:
        self.program(os.path.join(self.bin, name), text)

    def file(self, name: str) -> str:
        with open(os.path.join(self.home.folder, name), encoding="utf-8") as file:
            return file.read()

    def type(self, text: str, env: dict[str, str] | None = None, code: int = 0) -> str:
        """What a bash without a terminal prints that runs `text`."""
        environment = self.environment | (env or {})
        environment["PATH"] = self.bin + os.pathsep + environment["PATH"]
        done = without_terminal(["bash", "-euo", "pipefail", "-c", text], environment, self.home.folder)
        assert done.returncode == code, done.stderr
        return done.stdout.decode()


@pytest.fixture
def place(tmp_path: object) -> Place:
    home = VaultHome(str(tmp_path))
    home.create()
    return Place(home)


def test_ci_restores_a_backup_and_runs_with_one_key(place: Place, tmp_path: object) -> None:
    ours = AskingHome(os.path.join(str(tmp_path), "ours"))
    os.mkdir(ours.folder)
    ours.create_asking()
    passphrase = {"KEYVAULT_PASSPHRASE": ours.passphrase}
    ours.run("add", "openai", "--stdin", stdin=OPENAI.encode(), env=passphrase)
    ours.run("backup", os.path.join(place.home.folder, "ci.backup"), env=passphrase)
    place.stand_in("pytest", 'echo "${#OPENAI_API_KEY} ${KEYVAULT_PASSPHRASE-gone}"')
    del place.environment["KEYVAULT_KEY_FILE"]
    install, rest = block("ci.md", "keyvault restore").split("\n", 1)
    assert install.startswith("pip install ")
    assert place.type(rest, passphrase) == f"{len(OPENAI)} gone\n"
    there = {"KEYVAULT_HOME": f"{place.home.folder}/.ci/vault", "KEYVAULT_STATE": f"{place.home.folder}/.ci/state"}
    assert place.type("keyvault list", there, 4) == ""
    assert place.type("keyvault list", there | {"KEYVAULT_PASSPHRASE": "another"}, 5) == ""
    assert place.type("keyvault run -- true", there, 125) == ""

    step = block("ci.md", "github-actions", "yaml")
    commands = re.sub(r"^    ", "", step.partition("run: |\n")[2], flags=re.MULTILINE)
    runner = {"KEYVAULT_HOME": "gh-vault", "KEYVAULT_STATE": "gh-state", "GITHUB_ENV": "gh-env", "GITHUB_ACTIONS": "true"}
    names = set(re.findall(r"^    (KEYVAULT_\w+): ", step, re.MULTILINE))
    assert names == {"KEYVAULT_PASSPHRASE", "KEYVAULT_HOME", "KEYVAULT_STATE"}
    for name in ("gh-vault", "gh-state"):
        runner |= {key: os.path.join(place.home.folder, name) for key, value in runner.items() if value == name}
    assert f"::add-mask::{OPENAI}" in place.type("touch gh-env; " + commands, runner | passphrase)
    assert "OPENAI_API_KEY" in place.file("gh-env")


def test_docker_gets_one_key_through_the_environment_or_a_file(place: Place) -> None:
    place.stand_in("docker", 'echo "${OPENROUTER_API_KEY-no} ${OPENAI_API_KEY-no} $*"; [ ! -e docker.env ] || cat docker.env')
    assert place.type(block("docker.md", "docker run --rm -e")).startswith(f"{OPENROUTER} no run --rm -e OPENROUTER_API_KEY ")
    assert place.type(block("docker.md", "docker compose up")) == f"{OPENROUTER} no compose up\n"
    printed = place.type(block("docker.md", "--env-file"))
    assert printed == f"no no run --rm --env-file docker.env my-image\nOPENROUTER_API_KEY={OPENROUTER}\n"


def test_a_vault_gets_a_key_file_and_opens_with_it(place: Place) -> None:
    line = re.search(r"`(keyvault slots add key-file [^`]+)`", read("headless.md"))
    assert line
    place.type(line[1])
    exported = block("headless.md", "keyvault init --unlock key-file").splitlines()[1]
    assert place.type(exported + "; keyvault env openai --format dotenv").startswith(f"OPENAI_API_KEY={OPENAI}\n")


def test_the_lines_for_cron_and_systemd_run_with_next_to_no_environment(place: Place) -> None:
    place.type("keyvault slots add key-file --key-file ~/.config/keyvault/key")
    # where a vault lies by default, for a timer has no variables that say otherwise
    share = os.path.join(place.home.folder, ".local", "share", "keyvault")
    os.makedirs(os.path.dirname(share), exist_ok=True)
    os.makedirs(os.path.join(place.home.folder, ".local", "state"))
    os.rename(place.home.home, share)
    os.rename(place.home.state, os.path.join(place.home.folder, ".local", "state", "keyvault"))
    place.program(os.path.join(place.home.folder, "bin", "nightly"), 'echo "${#OPENAI_API_KEY} ${OPENROUTER_API_KEY-no}"')
    bare = {"HOME": place.home.folder, "LOGNAME": "you", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}

    minute_to_weekday, command = block("scheduled-jobs.md", "nightly", "text").split("  ", 1)
    assert len(minute_to_weekday.split()) == 5
    assert "%" not in command
    done = subprocess.run(["/bin/sh", "-c", command], env=bare, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{len(OPENAI)} no\n"

    service = block("scheduled-jobs.md", "ExecStart", "ini").replace("%h", place.home.folder)
    variable = re.search(r"^Environment=(.+)=(.+)$", service, re.MULTILINE)
    program = re.search(r"^ExecStart=(.+)$", service, re.MULTILINE)
    assert variable
    assert program
    words, env = program[1].split(), bare | {variable[1]: variable[2]}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{len(OPENAI)} no\n"

    quiet = "PATH=~/.local/bin:$PATH KEYVAULT_KEY_FILE=~/.config/keyvault/key\nexport PATH KEYVAULT_KEY_FILE\n"
    quiet += block("scheduled-jobs.md", "audit stale")
    done = subprocess.run(["/bin/sh", "-c", quiet], env=bare, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_jupyter_kernel_is_started_with_its_key_and_no_other(place: Place) -> None:
    kernel = json.loads(block("jupyter.md", "argv", "json"))
    words = [word.replace("/home/you", place.home.folder) for word in kernel["argv"]]
    assert words[-4:] == ["-m", "ipykernel_launcher", "-f", "{connection_file}"]
    place.program(words[-5], 'echo "${#OPENAI_API_KEY} ${OPENROUTER_API_KEY-no} $*"')
    done = subprocess.run(words, env=place.home.environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{len(OPENAI)} no -m ipykernel_launcher -f {{connection_file}}\n"
    place.stand_in("jupyter", 'echo "${#OPENAI_API_KEY} ${OPENROUTER_API_KEY-no} $*"')
    assert place.type(block("jupyter.md", "jupyter lab")) == f"{len(OPENAI)} no lab\n"


def test_vs_code_and_what_it_starts_get_their_keys(place: Place) -> None:
    place.stand_in("code", 'echo "${#OPENAI_API_KEY} ${OPENROUTER_API_KEY-no} $*"')
    assert place.type(block("vscode.md", "code --wait")) == f"{len(OPENAI)} no --wait .\n"
    place.type(block("vscode.md", "-o .env"))
    assert place.file(".env") == f"OPENAI_API_KEY={OPENAI}\nOPENAI_ORG=acme\n"
    assert json.loads(block("vscode.md", "debugpy", "json"))["envFile"].endswith("/.env")
    task = json.loads(block("vscode.md", "train", "json"))
    place.stand_in("python", 'echo "${#OPENAI_API_KEY} $*"')
    assert place.type(" ".join([task["command"], *task["args"]])) == f"{len(OPENAI)} train.py\n"


def test_a_windows_program_is_given_its_key_by_name(place: Place) -> None:
    place.stand_in("program.exe", 'echo "$WSLENV ${#OPENAI_API_KEY} ${OPENROUTER_API_KEY-no}"')
    assert place.type(block("wsl.md", "WSLENV="), {"WSLENV": "HOME/p"}) == f"OPENAI_API_KEY/w:HOME/p {len(OPENAI)} no\n"


def test_who_leaves_takes_everything_along(place: Place) -> None:
    pem = "-----BEGIN X-----\n$'\"`\n\\-----END X-----\n"
    place.home.run("add", "custom/pem", "--stdin", "--env", "MY_PEM", "--note", "two\nlines", stdin=pem.encode())
    place.home.run("add", "openai/work", "--stdin", stdin=(OPENAI + "b").encode())
    place.type(block("leaving-keyvault.md", "all-keys/list.json"))
    taken = {name: json.loads(place.file(f"all-keys/{name}")) for name in os.listdir(f"{place.home.folder}/all-keys")}
    keys = {key["ref"]: key for key in taken.pop("list.json")["keys"]}
    assert taken == {
        "custom=pem.json": {"MY_PEM": pem},
        "openai=default.json": {"OPENAI_API_KEY": OPENAI, "OPENAI_ORG": "acme"},
        "openai=work.json": {"OPENAI_API_KEY": OPENAI + "b"},
        "openrouter=default.json": {"OPENROUTER_API_KEY": OPENROUTER},
    }
    assert {ref.replace("/", "=") + ".json" for ref in keys} == set(taken)
    assert keys["custom/pem"]["note"] == "two\nlines"
    assert os.stat(f"{place.home.folder}/all-keys").st_mode & 0o077 == 0

    place.home.run("rm", "custom/pem")
    place.type(block("leaving-keyvault.md", "all-keys.env"))
    assert place.file("all-keys.env") == (
        f"# openai/default\nOPENAI_API_KEY={OPENAI}\nOPENAI_ORG=acme\n# openai/work\nOPENAI_API_KEY={OPENAI}b\n"
        f"# openrouter/default\nOPENROUTER_API_KEY={OPENROUTER}\n"
    )
    assert os.stat(f"{place.home.folder}/all-keys.env").st_mode & 0o077 == 0
