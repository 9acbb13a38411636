"""One answer: what a command prints, and its exit code, are the same with an agent and without one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from agents import AgentHome, agent_home
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vaults import add_key

from keyvault.environment.hook import SHELLS
from keyvault.formats import FORMATS

_SERVED = [
    *(("env", "--format", name) for name in FORMATS if name != "github-actions"),
    *(("env", "--unset", "--format", name) for name in ("bash", "sh", "fish", "zsh", "powershell", "csh", "nu", "json")),
    *(("env", "--format", "dotenv", "--dialect", name) for name in ("portable", "python", "node", "compose", "sh")),
    *(("hook", shell, "--plan") for shell in SHELLS),
    ("env",),
    ("env", "openai/work", "groq"),
    ("env", "--reveal"),
    ("env", "--explain"),
    ("env", "--no-input", "groq"),
    ("env", "nobody/there"),
    ("env", "opnai/work"),
    ("env", "--format", "nonsense"),
    ("env", "--profile", "nobody"),
    ("env", "--unknown-option"),
    ("env", "UPPER CASE"),
    ("env", "sk-" + "a" * 30),
    ("env", "acme/a", "zeta/a"),
    ("get", "openai/work", "--reveal"),
    ("get", "custom/two-lines", "--reveal"),
    ("get", "openai", "--reveal", "--field", "none"),
    ("get", "openai", "--reveal", "--version", "9"),
    ("get", "openai"),
    ("get",),
    ("get", "nobody/there", "--reveal"),
    ("which", "OPENAI_API_KEY"),
    ("which", "OPENAI_API_KEY", "--json"),
    ("which", "ACME"),
    ("which", "PATH"),
    ("which", "NOBODY"),
    ("list",),
    ("list", "openai/*"),
    ("list", "--json"),
    ("list", "--removed"),
    ("list", "nothing like it"),
    ("list", "--nonsense"),
    ("run",),
    ("run", "--only", "nobody/there", "--", "true"),
]
_BY_THE_CLIENT = [
    ("env", "-o", "made.env"),
    ("env", "--debug"),
    ("env", "--help"),
    ("list", "-h"),
    ("hook", "bash"),
    ("env", "--format", "github-actions"),
    ("run", "--redact", "--", "printenv", "GROQ_API_KEY"),
    ("run", "--", "no-such-program-anywhere"),
    ("run", "--", "./text-without-a-first-line"),
    ("no-such-command",),
    (),
]


@pytest.fixture(scope="module")
def home() -> Iterator[AgentHome]:
    with agent_home() as home:
        os.mkdir(home.folder + "/project")
        with open(home.folder + "/project/.keyvault.toml", "w") as file:
            file.write('[env]\nMINE = "openai/work"\nNOT_THERE = "nobody/x"\n[profile.prod.env]\nMINE = "groq"\n')
        os.mkdir(home.folder + "/stranger")
        with open(home.folder + "/stranger/.keyvault.toml", "w") as file:
            file.write('[env]\nMINE = "openai/work"\n')
        with open(home.folder + "/text-without-a-first-line", "w") as file:
            file.write("echo ${GROQ_API_KEY:+it-ran}\n")
        os.chmod(home.folder + "/text-without-a-first-line", 0o700)
        home.cold("allow", home.folder + "/project")
        home.start_agent()
        yield home


def same(home: AgentHome, *words: str, cwd: str = "", is_served: bool = True, **env: str) -> bytes:
    """The output of both ways, after comparing it."""
    cold = home.cold(*words, code=None, cwd=cwd, **env)
    before = home.served
    warm = home.run(*words, code=None, cwd=cwd, env=env)
    assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
    assert home.served == before + is_served
    return warm.stdout


@pytest.mark.parametrize("words", _SERVED, ids=" ".join)
def test_what_the_agent_serves_is_the_same(home: AgentHome, words: tuple[str, ...]) -> None:
    same(home, *words)


@pytest.mark.parametrize("words", _BY_THE_CLIENT, ids=" ".join)
def test_what_the_agent_leaves_to_its_client_is_the_same(home: AgentHome, words: tuple[str, ...]) -> None:
    env = {"GITHUB_ENV": home.folder + "/runner"} if "github-actions" in words else {}
    if env:
        open(env["GITHUB_ENV"], "w").close()
    cold = home.cold(*words, code=None, **env)
    before = home.served
    warm = home.run(*words, code=None, env=env)
    assert home.served == before
    assert warm.returncode == cold.returncode
    if "github-actions" not in words:  # it has a random mark
        assert (warm.stdout, warm.stderr) == (cold.stdout, cold.stderr)


@pytest.mark.parametrize("folder", ["project", "stranger"])
@pytest.mark.parametrize(
    "words",
    [("env",), ("env", "--explain"), ("env", "--profile", "prod"), ("which", "MINE"), ("hook", "zsh", "--plan"), ("list",)],
    ids=" ".join,
)
def test_a_project_counts_as_ever(home: AgentHome, folder: str, words: tuple[str, ...]) -> None:
    printed = same(home, *words, cwd=f"{home.folder}/{folder}")
    if (folder, words) == ("project", ("env",)):
        assert b"MINE" in printed


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LANG": "", "LC_ALL": ""},
        {"LC_CTYPE": "POSIX", "LC_ALL": ""},
        {"NO_COLOR": "1", "COLUMNS": "20"},
        {"KEYVAULT_PROFILE": "prod"},
        {"OPENAI_API_KEY": "another", "PYTHONIOENCODING": "latin-1"},
        {"GROQ_API_KEY": ""},
        {"HOME": "/"},
    ],
    ids=str,
)
@pytest.mark.parametrize("words", [("env",), ("which", "OPENAI_API_KEY"), ("list",), ("run", "--", "env", "-0")], ids=" ".join)
def test_the_environment_counts_as_ever(home: AgentHome, words: tuple[str, ...], env: dict[str, str]) -> None:
    if words[0] == "run":
        cold = home.cold(*words, **env).stdout.split(b"\0")
        warm = home.run(*words, env=env).stdout.split(b"\0")
        assert {v for v in cold if b"KEYVAULT_NO_AGENT" not in v} == set(warm)
    else:
        same(home, *words, cwd=home.folder + "/project", **env)


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "de_DE.ISO-8859-1"},
        {"PYTHONUTF8": "0"},
        {"PYTHONCOERCECLOCALE": "0"},
        {"KEYVAULT_PASSPHRASE": "wrong"},
        {"KEYVAULT_KEY_FILE": "/nowhere"},
        {"KEYVAULT_HOME": "/nowhere/at/all"},
        {"KEYVAULT_STATE": "/nowhere/at/all"},
        {"HOME": "", "KEYVAULT_HOME": "vault"},
    ],
    ids=str,
)
def test_what_would_mean_something_else_is_not_served(home: AgentHome, env: dict[str, str]) -> None:
    before = home.served
    home.run("env", env=env, code=None)
    assert home.served == before


@pytest.mark.parametrize(
    "words",
    [("env",), ("env", "--format", "json"), ("env", "--reveal"), ("get", "openai", "--reveal"), ("list",), ("which", "ACME")],
    ids=" ".join,
)
@pytest.mark.parametrize("stdout_too", [True, False])
def test_a_terminal_sees_the_same(home: AgentHome, words: tuple[str, ...], stdout_too: bool) -> None:
    cold = home.on_terminal(*words, stdout_too=stdout_too, **home.by_hand)
    before = home.served
    assert home.on_terminal(*words, stdout_too=stdout_too) == cold
    assert home.served == before + 1


def test_run_becomes_the_program_with_its_exit_code_signals_and_environment(home: AgentHome) -> None:
    before = home.served
    done = home.run("run", "--only", "groq", "--", "sh", "-c", 'echo "$GROQ_API_KEY"; kill -s USR1 $$', code=None)
    assert done.stdout == b"gsk_" + b"a" * 40 + b"\n"
    assert home.run("run", "--", "sh", "-c", "exit 77", code=77).stdout == b""
    assert done.returncode == -10
    assert home.served == before + 2
    traps = home.run("run", "--", "sh", "-c", "grep SigIgn /proc/self/status; ulimit -c; exec pwd")
    assert traps.stdout == home.cold("run", "--", "sh", "-c", "grep SigIgn /proc/self/status; ulimit -c; exec pwd").stdout


def test_the_nearest_shell_is_the_clients(home: AgentHome, programs: dict[str, str]) -> None:
    import subprocess

    for shell in ("bash", "dash", "zsh"):
        from vaults import COMMAND

        line = " ".join([*COMMAND, "env", "groq; :"])
        shown = [
            subprocess.run([programs[shell], "-c", line], env=home.environment | more, capture_output=True, check=True).stdout
            for more in (home.by_hand, {})
        ]
        assert shown[0] == shown[1] != b""


def test_a_write_of_another_process_is_seen_at_once(home: AgentHome) -> None:
    for number in range(3):
        vault = home.open()
        add_key(vault, f"fresh/k{number}", f"new{number}", f"FRESH_{number}")
        vault.store.close()
        before = home.served
        for form in ("json", "bash"):
            assert f"new{number}".encode() in home.run("env", "--format", form).stdout
        assert home.served == before + 2
    same(home, "list", "--json")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            "env get which list -- --format json bash --reveal --json --removed openai groq nobody/x ACME --profile p "
            "--unset --explain --no-input --field x --version 1 é".split()
        )
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        max_size=6,
    ),
    st.sampled_from(["env", "get", "which", "list"]),
)
def test_any_words_give_the_same(home: AgentHome, words: list[str], command: str) -> None:
    if not any(word.startswith(("-o", "--o", "--c", "--d")) for word in words):  # they write files or say where in the program
        cold = home.cold(command, *words, code=None)
        warm = home.run(command, *words, code=None)
        assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)
