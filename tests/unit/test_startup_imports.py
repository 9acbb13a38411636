"""What the calls that every new shell makes may import. A module more is a decision: measure it with scripts/bench first."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import native_client
import pytest
from vaults import VaultHome, add_key

import keyvault
from keyvault.agent import client

# All that `--version` loads of ours, and nothing else.
_VERSION = {
    "keyvault",
    *("keyvault.__main__", "keyvault.cli", "keyvault.cli.exits", "keyvault.cli.render", "keyvault.cli.streams"),
    "keyvault.cli.terminal",
    *("keyvault.cli.version", "keyvault.core", "keyvault.core.errors", "keyvault.core.text", "keyvault.core.version"),
}

# All that `env --format bash` loads of ours, with a key file, into a pipe, and nothing else.
_ENV = (_VERSION - {"keyvault.cli.version", "keyvault.core.version"}) | {
    *("keyvault.agent", "keyvault.agent.client"),
    *("keyvault.cli.exporting", "keyvault.cli.guard", "keyvault.cli.quick", "keyvault.cli.session"),
    *("keyvault.core.clock", "keyvault.core.harden", "keyvault.core.refs", "keyvault.core.secret", "keyvault.core.settings"),
    *("keyvault.crypto", "keyvault.crypto.aead", "keyvault.crypto.primitives"),
    *("keyvault.environment", "keyvault.environment.resolve", "keyvault.environment.selection"),
    *("keyvault.formats", "keyvault.formats.base", "keyvault.formats.posix"),
    *("keyvault.store", "keyvault.store.files", "keyvault.store.sqlite"),
    *("keyvault.unlock", "keyvault.unlock.key_file"),
    *("keyvault.unlock.opening", "keyvault.unlock.unlocker"),
    *("keyvault.vault", "keyvault.vault.anchor", "keyvault.vault.codec", "keyvault.vault.keys"),
    *("keyvault.vault.line", "keyvault.vault.slots", "keyvault.vault.state", "keyvault.vault.tree"),
    *("keyvault.vault.usage", "keyvault.vault.vault"),
}

# Top-level packages of others that `env` needs. (datetime comes with sqlite3, enum and typing with cryptography.)
_OTHERS = {"cryptography", "_cffi_backend", "_openssl"}

# Modules of the standard library that cost milliseconds and are not needed.
_TOO_DEAR = set(
    """argparse ast asyncio base64 bisect calendar concurrent configparser copy csv dataclasses decimal difflib email fnmatch
    getpass glob gzip hashlib heapq hmac http importlib.metadata importlib.resources importlib.util inspect locale logging
    multiprocessing optparse pathlib pickle platform pprint queue random secrets select selectors shlex shutil signal socket
    ssl string subprocess tempfile textwrap threading tokenize tomllib traceback unicodedata urllib uuid weakref xml zipfile
    click dotenv jeepney keyring platformdirs pyperclip secretstorage zxcvbn ctypes struct fcntl importlib""".split()
)

_PROGRAM = """
import os, sys
before = set(sys.modules)
from keyvault.__main__ import main
def leave(code):
    raise SystemExit(code)
os._exit = leave  # `env` goes this way
try:
    main()
except SystemExit as exc:
    assert exc.code == 0, exc.code
sys.stderr.write("\\n".join(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> VaultHome:
    home = VaultHome(str(tmp_path_factory.mktemp("start-up")))
    add_key(home.create(), "openai/default", "sk-the value", "OPENAI_API_KEY")
    return home


def _loaded(home: VaultHome, *words: str, cwd: Path | None = None) -> tuple[bytes, set[str]]:
    """What `keyvault WORDS` prints, and the modules that it loads beyond those of a bare interpreter."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", _PROGRAM, *words],
        env=home.environment,
        capture_output=True,
        timeout=60,
        check=True,
        cwd=cwd,
    )
    return done.stdout, set(done.stderr.decode().split())


def _ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "keyvault"}


def test_version_loads_these_modules_of_ours_and_no_more(home: VaultHome) -> None:
    printed, loaded = _loaded(home, "--version")
    assert printed.startswith(b"keyvault ")
    assert _ours(loaded) == _VERSION


def test_version_loads_no_dear_modules_of_others(home: VaultHome) -> None:
    _, loaded = _loaded(home, "--version")
    assert not loaded & (_TOO_DEAR | _OTHERS | {"ctypes", "datetime", "json", "sqlite3"})


def test_env_loads_these_modules_of_ours_and_no_more(home: VaultHome) -> None:
    printed, loaded = _loaded(home, "env", "--format", "bash")
    assert b"export OPENAI_API_KEY=$'sk\\055the\\040value';\n" in printed
    assert _ours(loaded) == _ENV


def test_env_in_an_allowed_project_loads_two_modules_more(home: VaultHome, tmp_path: Path) -> None:
    (tmp_path / ".keyvault.toml").write_text('[env]\nMY_KEY = "openai"\n')
    home.run("allow", str(tmp_path))
    printed, loaded = _loaded(home, "env", "--format", "bash", cwd=tmp_path)
    assert b"export MY_KEY=$'sk\\055the\\040value';\n" in printed
    assert b"OPENAI_API_KEY" not in printed
    assert _ours(loaded) == _ENV | {"keyvault.environment.project", "keyvault.environment.trust"}
    assert not loaded & _TOO_DEAR


def test_env_loads_no_dear_modules_of_others(home: VaultHome) -> None:
    _, loaded = _loaded(home, "env", "--format", "bash")
    assert not loaded & _TOO_DEAR
    foreign = {name.split(".")[0] for name in loaded} - sys.stdlib_module_names - {"keyvault"}
    assert foreign <= _OTHERS


def test_detecting_the_shell_loads_one_module_more(home: VaultHome) -> None:
    _, named = _loaded(home, "env", "--format", "bash")
    _, detected = _loaded(home, "env")
    assert detected - named <= {"keyvault.environment.shell"}


def test_hook_loads_these_modules_of_ours_and_no_more(home: VaultHome) -> None:
    printed, loaded = _loaded(home, "hook", "zsh")
    assert b"_keyvault_hook" in printed
    assert _ours(loaded) <= _ENV | {"keyvault.cli.hooking", "keyvault.environment.hook", "keyvault.environment.installed"}
    assert not loaded & _TOO_DEAR


def test_a_plan_loads_what_env_loads_and_the_project(home: VaultHome) -> None:
    printed, loaded = _loaded(home, "hook", "zsh", "--plan")
    assert printed == b"_kv_names=();\n_kv_values=();\n_kv_notes=();\n"
    assert _ours(loaded) <= _ENV | {"keyvault.cli.hooking", "keyvault.environment.hook", "keyvault.environment.installed"}
    assert not loaded & _TOO_DEAR


def test_the_lists_would_notice_click(home: VaultHome) -> None:
    _, loaded = _loaded(home, "list")
    assert "click" in loaded & _TOO_DEAR
    assert "keyvault.cli.app" in _ours(loaded) - _ENV


# All that the two ways to ask an agent in Python load, beyond what a bare interpreter has.
_WARM = {"keyvault", "keyvault.agent", "keyvault.agent.client", "time", "_socket"}


@pytest.mark.skipif(sys.platform == "win32", reason="there commands ask it for keys alone")
def test_a_call_that_the_agent_answers_loads_these_modules_and_no_more() -> None:
    call = os.path.join(os.path.dirname(keyvault.__file__), "call.py")
    with tempfile.TemporaryDirectory(prefix="kv-") as folder:
        place = native_client.Place(folder)
        with native_client.agent(place, native_client.answer((client.OUT, b"x"))):
            bare = _imported(place, "-c", "pass")
            assert _imported(place, call, "env") - bare == _WARM - bare


def _imported(place: native_client.Place, *words: str) -> set[str]:
    command = [sys.executable, "-I", "-S", "-E", "-X", "importtime", *words]
    done = subprocess.run(command, env=place.environment, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"x" * (words[-1] == "env")
    return {line.rpartition("|")[2].strip() for line in done.stderr.decode().splitlines()[1:]}
