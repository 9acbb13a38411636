"""What `env` and `run` export, how, and what a caller hears when they cannot."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from people import PASSPHRASE, AskingHome, Terminal, bytes_of, text_of, write
from vaults import COMMAND, VaultHome, add_key, without_terminal

from keyvault.core.clock import now, rfc3339

KV = " ".join(COMMAND)
TODAY = rfc3339(now() - now() % 86_400)


def put(home: VaultHome, *keys: tuple[str, str, str]) -> None:
    vault = home.open()
    for ref, variable, value in keys:
        add_key(vault, ref, value, variable)
    vault.store.close()


def exported(home: VaultHome, *words: str, code: int = 0) -> dict[str, str]:
    got: dict[str, str] = json.loads(home.run("env", "--format", "json", *words, code=code).stdout)
    return got


def shell(home: VaultHome, program: list[str], script: str) -> str:
    return without_terminal([*program, script], home.environment, home.folder).stdout.decode()


# -- which keys


def test_bare_env_takes_each_vendors_default_or_what_there_is_and_never_guesses(home: VaultHome) -> None:
    put(
        home,
        ("openai/default", "OPENAI_API_KEY", "main"),
        ("openai/work", "OPENAI_API_KEY", "work"),
        ("groq/only", "GROQ_API_KEY", "only"),
        ("xai/one", "XAI_API_KEY", "1"),
        ("xai/two", "XAI_API_KEY", "2"),
        ("acme/eu", "ACME_EU", "eu"),
        ("acme/us", "ACME_US", "us"),
        ("mistral/default", "MISTRAL_API_KEY", "quiet"),
    )
    home.run("edit", "mistral", "--no-auto")
    home.run("rm", "acme/us")
    done = home.run("env", "--format", "json")
    assert json.loads(done.stdout) == {"OPENAI_API_KEY": "main", "GROQ_API_KEY": "only", "ACME_EU": "eu"}
    said = done.stderr.decode()
    assert said.count("keyvault: warning: ") == 1
    assert "XAI_API_KEY is wanted by xai/one, xai/two, so none of them sets it" in said
    assert exported(home, "xai/two", "mistral") == {"XAI_API_KEY": "2", "MISTRAL_API_KEY": "quiet"}
    assert exported(home, "openai", "openai") == {"OPENAI_API_KEY": "main"}
    refused = home.run("env", "--format", "json", "xai/one", "xai/two", code=2)
    assert (refused.stdout, b"name only one of them" in refused.stderr) == (b"", True)


def test_the_parts_of_a_credential_are_variables_of_their_own(home: VaultHome) -> None:
    home.run(
        *("add", "aws", "--stdin", "--secret-field", "secret_access_key=env:S", "--field", "region=eu-1"),
        stdin=b"i",
        env={"S": "s"},
    )
    assert exported(home) == {"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-1"}
    home.run("edit", "aws", "--env", "OTHER=region")
    assert exported(home) == {"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s", "OTHER": "eu-1"}


# -- failures reach the caller


@pytest.mark.parametrize("name", ["bash", "zsh", "dash", "ksh93"])
def test_every_failure_reaches_a_shell_that_evaluates_unquoted(home: VaultHome, programs: Any, name: str) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "x"))
    script = "; ".join(
        f"eval $({words} 2>err); echo $?"
        for words in (
            f"{KV} env",
            f"{KV} env nope",
            f"{KV} env --no-such-option",
            f"{KV} env --format cobol",
            f"{KV} env {'sk-proj-' + 'a' * 40}",
            f"KEYVAULT_KEY_FILE= {KV} env",
            f"KEYVAULT_KEY_FILE=err {KV} env",
            f"KEYVAULT_HOME=/nonexistent {KV} env",
            f"KEYVAULT_PASSPHRASE_FD=x {KV} env",
        )
    )
    assert shell(home, [programs[name], "-c"], script).split() == "0 3 2 2 2 4 1 3 2".split()


def test_every_failure_reaches_fish_and_quoted_evals(home: VaultHome, programs: Any) -> None:
    for words, code in (("env nope", "3"), ("env --no-such-option", "2")):
        assert shell(home, [programs["bash"], "-c"], f'eval "$({KV} {words} 2>err)"; echo $?').strip() == code
        assert shell(home, [programs["fish"], "-c"], f"eval ({KV} {words} 2>err); echo $status").strip() == "1"
        assert shell(home, [programs["fish"], "-c"], f"{KV} {words} 2>err | source; echo $status").strip() == "1"


@pytest.mark.parametrize(("key", "code"), [("d", 130), ("c", 130)])
def test_a_dismissed_prompt_inside_eval_is_a_failure_too(tmp_path: os.PathLike[str], key: str, code: int) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    # The shell is told to outlive Ctrl-C, as an interactive one does.
    person = Terminal(home, program=["bash", "-c", f'trap : INT; eval $({KV} env); echo "status $?"'])
    person.press("keyvault passphrase: ", key)
    assert f"status {code}" in person.end()


def test_formats_that_no_shell_reads_are_empty_after_a_failure(home: VaultHome) -> None:
    for form in ("json", "dotenv", "docker", "systemd", "renviron"):
        assert home.run("env", "--format", form, "nope", code=3).stdout == b""
        assert home.run("env", f"--format={form}", "--no-such-option", code=2).stdout == b""


def test_what_a_format_cannot_carry_is_left_out_said_and_1(home: VaultHome) -> None:
    put(home, ("groq/default", "GROQ_API_KEY", "fine"), ("openai/default", "OPENAI_API_KEY", "it's `odd` \\ ${X}\n"))
    done = home.run("env", "--format", "dotenv", code=1)
    assert done.stdout == b"GROQ_API_KEY=fine\n"
    assert b"OPENAI_API_KEY is left out: readers of .env files do not agree on such a value" in done.stderr
    assert b"--dialect" in done.stderr
    path = home.folder + "/.env"
    refused = home.run("env", "-o", path, code=1)
    assert b"nothing was written" in refused.stderr
    assert not os.path.exists(path)
    csh = home.run("env", "--format", "csh", code=1).stdout.decode()
    assert csh.splitlines() == ["setenv GROQ_API_KEY 'fine';", "( exit 1 );"]
    assert exported(home)["OPENAI_API_KEY"] == "it's `odd` \\ ${X}\n"


# -- quick path and click path


@pytest.mark.parametrize(
    ("quick", "slow"),
    [
        (("--format", "sh"), ("--dialect", "portable", "--format", "sh")),
        (("--format=sh", "groq"), ("groq", "--debug", "--format", "sh")),
        (("--unset", "--format", "fish"), ("--dialect", "portable", "--format", "fish", "--unset")),
        (("--format", "zsh", "nope"), ("--dialect", "portable", "--format", "zsh", "nope")),
        (("--format", "sh", "xai/one", "xai/two"), ("--reveal", "--format", "sh", "xai/one", "xai/two")),
        (("--format", "cobol"), ("--reveal", "--format", "cobol")),
        (("--format", "csh"), ("--reveal", "--format", "csh")),
        (("--no-input", "--format", "json"), ("--dialect", "node", "--no-input", "--format", "json")),
        (("--format", "sh", ""), ("--reveal", "--format", "sh", "")),
        ((), ("--reveal",)),
    ],
)
def test_the_quick_path_and_clicks_say_and_do_the_same(home: VaultHome, quick: tuple[str, ...], slow: tuple[str, ...]) -> None:
    put(home, ("groq/default", "GROQ_API_KEY", "a b"), ("xai/one", "XAI_API_KEY", "1"), ("xai/two", "XAI_API_KEY", "2"))
    one, other = home.run("env", *quick, code=None), home.run("env", *slow, code=None)
    told = [line for line in other.stderr.splitlines() if line.startswith(b"keyvault: ")]
    assert (one.returncode, one.stdout, one.stderr.splitlines()) == (other.returncode, other.stdout, told)


# -- -o FILE


def test_output_goes_into_a_private_file_and_leaves_other_lines_alone(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "new"), ("groq/default", "GROQ_API_KEY", "g"))
    path = write(home.folder + "/.env", "# mine\nOPENAI_API_KEY=old # keep me\n\nOTHER='x y'\n", 0o644)
    before = os.stat(path).st_ino
    assert home.run("env", "-o", path).stdout == b""
    assert text_of(path) == "# mine\nOPENAI_API_KEY=new # keep me\n\nOTHER='x y'\nGROQ_API_KEY=g\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.stat(path).st_ino != before  # another file in its place: nobody ever reads half of it
    assert [name for name in os.listdir(home.folder) if name.endswith(".new")] == []
    home.run("env", "-o", path)
    assert text_of(path).count("OPENAI_API_KEY") == 1
    made = home.folder + "/x.Renviron"
    home.run("env", "groq", "-o", made)
    assert "GROQ_API_KEY" in text_of(made)


@pytest.mark.parametrize("form", ["r", "bash", "dotenv", "json"])
def test_what_r_would_not_understand_goes_into_no_renviron(home: VaultHome, form: str) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    path = home.folder + "/.Renviron"
    told = home.run("env", "--format", form, "-o", path, code=2)
    assert f"R would not understand format {form} in a .Renviron".encode() in told.stderr
    assert not os.path.exists(path)
    home.run("env", "--format", "renviron", "-o", path)
    assert text_of(path) == 'OPENAI_API_KEY="v"\n'


def test_output_follows_no_links_and_touches_no_devices(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    target = write(home.folder + "/target", "A=1\n")
    link, pipe, folder = home.folder + "/link", home.folder + "/pipe", home.folder + "/folder"
    os.symlink(target, link)
    os.mkfifo(pipe)
    os.mkdir(folder)
    for path in (link, pipe, folder):
        assert b"keyvault writes through no links or devices" in home.run("env", "-o", path, code=1).stderr
    assert text_of(target) == "A=1\n"
    home.run("env", "-o", "/dev/stdout", code=1)


def test_output_into_a_git_worktree_that_does_not_ignore_it_is_warned_of(home: VaultHome, programs: Any) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    project = home.folder + "/project"
    os.makedirs(project + "/sub")
    subprocess.run([programs["git"], "init", "--quiet", project], check=True, env=home.environment)
    for path in (project + "/.env", project + "/sub/.env"):
        said = home.run("env", "-o", path).stderr.decode()
        assert f"git does not ignore {path}; add it to .gitignore" in said
    write(project + "/.gitignore", ".env\n")
    assert home.run("env", "-o", project + "/sub/.env").stderr == b""
    assert home.run("env", "-o", home.folder + "/outside.env").stderr == b""


def test_where_git_is_asked_the_users_own_list_counts_and_nothing_of_the_repository_runs(
    home: VaultHome, programs: Any
) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    project, ran = home.folder + "/project", home.folder + "/ran"
    trap = write(home.folder + "/trap", f"#!/bin/sh\ntouch {ran}\n", 0o755)
    subprocess.run([programs["git"], "init", "--quiet", project], check=True, env=home.environment)
    for name in ("core.fsmonitor", "core.sshCommand", "core.pager"):
        subprocess.run([programs["git"], "-C", project, "config", name, trap], check=True, env=home.environment)
    assert b"git does not ignore" in home.run("env", "-o", project + "/.env").stderr
    write(home.folder + "/.gitconfig", f"[core]\nexcludesFile = {home.folder}/ignored\n")
    write(home.folder + "/ignored", ".env\n")
    assert home.run("env", "-o", project + "/.env").stderr == b""
    assert not os.path.exists(ran)
    write(project + "/.git/config", "[core\n")
    assert b"make sure that git ignores it" in home.run("env", "-o", project + "/.env").stderr


def test_output_refuses_what_it_cannot_merge_and_changes_nothing(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    for content in (b"A='open\nOPENAI_API_KEY=1\n", b"\xff\xfe", b"OPENAI_API_KEY=`x\n"):
        path = write(home.folder + "/.env", content)
        home.run("env", "-o", path, code=2)
        assert bytes_of(path) == content


# -- --unset, masks, clocks


@pytest.mark.parametrize("name", ["bash", "zsh", "dash", "fish"])
def test_unset_takes_back_what_env_gave(home: VaultHome, programs: Any, name: str) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "a  *b"), ("groq/default", "GROQ_API_KEY", "g"))
    take = "({})" if name == "fish" else "$({})"
    give, back = take.format(f"{KV} env"), take.format(f"{KV} env --unset openai")
    script = f"eval {give}; eval {back}; env | grep -E '^(OPENAI|GROQ)_API_KEY='"
    assert shell(home, [programs[name], "-c"], script) == "GROQ_API_KEY=g\n"


def test_unset_says_where_a_format_has_no_word_for_it(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    done = home.run("env", "--unset", "--format", "dotenv", code=1)
    assert (done.stdout, b"OPENAI_API_KEY is left out" in done.stderr) == (b"", True)


@pytest.mark.parametrize("form", ["json", "sh", "fish", "csh", "dotenv", "github-actions", "nu"])
def test_a_terminal_sees_masks_in_every_format_and_a_way_on(home: VaultHome, form: str) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "sk-0123456789abcdef-tail"), ("groq/default", "GROQ_API_KEY", "short"))
    seen = Terminal(home, "env", "--format", form).end()
    assert "0123456789" not in seen
    assert "short" not in seen
    assert "OPENAI_API_KEY" in seen
    assert "…tail" in seen
    assert "tip: values are masked" in seen
    if form == "json":
        assert json.loads(seen.split("keyvault: ")[0]) == {"OPENAI_API_KEY": "…tail", "GROQ_API_KEY": "…"}


def test_the_lines_that_mask_values_in_a_runner_are_not_shown_on_a_terminal(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "sk-0123456789abcdef-tail"))
    words = ("env", "--format", "github-actions", "-o", home.folder + "/runner")
    assert "0123456789" not in Terminal(home, *words).end()
    assert "0123456789" in text_of(home.folder + "/runner")
    assert "::add-mask::sk-0123456789abcdef-tail" in Terminal(home, *words, "--reveal").end()
    assert home.run(*words).stdout == b"::add-mask::sk-0123456789abcdef-tail\n"


def test_the_two_clocks_of_use_tell_bulk_exports_from_named_use(home: VaultHome) -> None:
    put(home, *((f"{name}/default", f"{name.upper()}_API_KEY", "v") for name in ("bulk", "named", "got", "ran", "kept")))
    home.run("edit", "kept", "--no-auto")

    def clocks() -> dict[str, tuple[bool, bool]]:
        keys = json.loads(home.run("list", "--json").stdout)["keys"]
        assert {key[clock] for key in keys for clock in ("last_used", "last_exported")} <= {None, TODAY}
        return {key["provider"]: (key["last_used"] is not None, key["last_exported"] is not None) for key in keys}

    Terminal(home, "env").end()
    home.run("env", "--unset")
    home.run("show", "got")
    home.run("env", "nope", code=3)
    assert set(clocks().values()) == {(False, False)}
    home.run("env", "named", "-o", home.folder + "/x")
    home.run("get", "got", "--reveal")
    home.run("run", "--only", "ran", "--", "true")
    expected = {
        "bulk": (False, False),
        "named": (True, False),
        "got": (True, False),
        "ran": (True, False),
        "kept": (False, False),
    }
    assert clocks() == expected
    home.run("env")
    assert clocks() == {name: (used, name != "kept") for name, (used, _) in expected.items()}


# -- run


def test_run_has_envs_exit_codes(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    script = write(home.folder + "/script", "#!/bin/sh\nexit 7\n", 0o644)
    cases: tuple[tuple[tuple[str, ...], int, str], ...] = (
        (("sh", "-c", "exit 0"), 0, ""),
        (("sh", "-c", "exit 3"), 3, ""),
        (("sh", "-c", "exit 125"), 125, ""),
        (("/nonexistent/program",), 127, 'cannot run "/nonexistent/program"'),
        (("no-such-program-here",), 127, "no such file or directory"),
        ((script,), 126, "permission denied"),
        (("/",), 126, "cannot run"),
    )
    for words, code, says in cases:
        done = home.run("run", "--", *words, code=code)
        assert says in done.stderr.decode()
        assert bool(done.stderr) is bool(says)
        home.run("run", *words, code=code)
    home.run("run", "--redact", "--", "sh", "-c", "kill -TERM $$", code=128 + 15)
    home.run("run", "--", "sh", "-c", "kill -TERM $$", code=-15)
    home.run("run", "--only", "nope", "--", "true", code=125)
    home.run("run", "--no-such-option", "true", code=125)
    home.run("run", code=125)
    home.run("run", "--", "true", code=125, env={"KEYVAULT_KEY_FILE": "/nonexistent"})


def test_run_hands_on_the_keys_and_no_way_to_unlock(tmp_path: os.PathLike[str]) -> None:
    home = AskingHome(str(tmp_path))
    home.create_asking()
    opened = {"KEYVAULT_PASSPHRASE": PASSPHRASE, "MINE": "m"}
    home.run("add", "openai", "--stdin", stdin=b"line 1\nline 2", env=opened)
    home.run("add", "groq", "--stdin", stdin=b"g", env=opened)
    home.run("slots", "add", "key-file", "--key-file", home.folder + "/k", env=opened)
    every = opened | {"KEYVAULT_KEY_FILE": home.folder + "/k", "KEYVAULT_PASSPHRASE_FILE": "f", "KEYVAULT_PASSPHRASE_FD": "9"}
    lines = home.run("run", "--only", "openai", "--", "env", "-0", env=every).stdout.decode().split("\0")
    child = dict(line.split("=", 1) for line in lines if line)
    assert child["OPENAI_API_KEY"] == "line 1\nline 2"
    assert child["MINE"] == "m"
    assert "GROQ_API_KEY" not in child
    assert {name for name in child if name.startswith("KEYVAULT_")} == {"KEYVAULT_HOME", "KEYVAULT_STATE", "KEYVAULT_NO_AGENT"}


def test_run_leaves_the_limit_on_core_files_as_it_was(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "v"))
    for flags in ("", "--redact "):
        script = f"ulimit -S -c unlimited; {KV} run {flags}-- sh -c 'ulimit -S -c'; ulimit -S -c"
        lines = shell(home, ["bash", "-c"], script).split()
        assert lines[0] == lines[1]


def test_redact_masks_values_in_pipes_and_leaves_everything_else(home: VaultHome) -> None:
    put(home, ("openai/default", "OPENAI_API_KEY", "sk-0123456789abcdef"))
    script = 'printf "a\\033[1m%s\\033[0m b" "$OPENAI_API_KEY"; printf "err %s" "$OPENAI_API_KEY" >&2; exit 5'
    done = home.run("run", "--redact", "--", "sh", "-c", script, code=5)
    assert b"sk-0123456789abcdef" not in done.stdout + done.stderr
    assert done.stdout.startswith(b"a\033[1m")
    assert done.stdout.endswith(b"\033[0m b")
    assert done.stderr.startswith(b"err ")
    plain = home.run("run", "--", "sh", "-c", script, code=5)
    assert plain.stdout == b"a\033[1msk-0123456789abcdef\033[0m b"


def test_eval_without_quotes_carries_every_value_in_a_folder_full_of_files(home: VaultHome, programs: Any) -> None:
    nasty = "a  b * c\n#x'\"`$(touch pwned)\\ ~ !! \t?[a-z] é\u202e -n"
    put(home, ("openai/default", "OPENAI_API_KEY", nasty))
    for name in ("a", "b", "export", "OPENAI_API_KEY=x", "-n"):
        write(os.path.join(home.folder, name), "")
    for name in ("bash", "zsh", "dash", "ksh93", "fish"):
        take = f"eval ({KV} env)" if name == "fish" else f"eval $({KV} env)"
        script = f"{take}; printenv OPENAI_API_KEY"
        assert shell(home, [programs[name], "-c"], script) == nasty + "\n", name
    assert not os.path.exists(home.folder + "/pwned")


def test_github_actions_masks_every_line_first_and_then_fills_the_runners_file(home: VaultHome, tmp_path: Path) -> None:
    pem = "-----BEGIN KEY-----\nabcdef012345\n-----END KEY-----"
    put(home, ("openai/default", "OPENAI_API_KEY", "sk-0123456789"), ("custom/pem", "MY_PEM", pem))
    runner_file = tmp_path / "runner_env"
    runner_file.write_text("BEFORE=1\n")
    done = home.run("env", "--format", "github-actions", env={"GITHUB_ENV": str(runner_file)})
    masks = [f"::add-mask::{line}" for line in [*pem.split("\n"), "sk-0123456789"]]
    assert done.stdout.decode().splitlines() == masks
    lines = runner_file.read_text().splitlines()
    assert lines[0] == "BEFORE=1"
    name, _, delimiter = lines[1].partition("<<")
    assert (name, lines[2:5], lines[5]) == ("MY_PEM", pem.split("\n"), delimiter)
    assert len(delimiter) > 30
    apart = home.run("env", "--format", "github-actions").stdout.decode().splitlines()
    assert apart[:4] == masks
    assert apart[4].startswith("MY_PEM<<")
    to_file = home.run("env", "--format", "github-actions", "-o", str(tmp_path / "other"))
    assert to_file.stdout.decode().splitlines() == masks
    home.run("env", "--format", "github-actions", env={"GITHUB_ENV": str(tmp_path / "missing")}, code=1)
