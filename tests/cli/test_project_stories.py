"""Projects, as a person meets them: a list of names in a folder, allowed once, and only its keys there."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from people import Terminal, text_of, write
from vaults import COMMAND, VaultHome, add_key, without_terminal

from keyvault.core.text import is_unsafe

KEYS = {
    "openai/default": ("OPENAI_API_KEY", "sk-value-of-openai"),
    "openrouter/work": ("OPENROUTER_API_KEY", "sk-value-of-openrouter-work"),
    "openrouter/prod": ("OPENROUTER_API_KEY", "sk-value-of-openrouter-prod"),
    "groq/default": ("GROQ_API_KEY", "value-of-groq"),
}
LISTED = """\
[env]
OPENROUTER_API_KEY = "openrouter/work"
OPENAI_API_KEY = { key = "openai", required = false }
[profile.prod.env]
OPENROUTER_API_KEY = "openrouter/prod"
"""


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    made = VaultHome(str(tmp_path))
    vault = made.create()
    for ref, (variable, value) in KEYS.items():
        add_key(vault, ref, value, variable)
    vault.store.close()
    return made


@pytest.fixture
def app(home: VaultHome) -> str:
    folder = os.path.join(home.folder, "src", "app")
    os.makedirs(folder)
    return folder


def exported(home: VaultHome, folder: str, *words: str, env: dict[str, str] | None = None, code: int = 0) -> dict[str, str]:
    printed = home.run("env", "--format", "json", *words, cwd=folder, env=env, code=code).stdout
    loaded: dict[str, str] = json.loads(printed or b"{}")
    return loaded


DEFAULTS = {"OPENAI_API_KEY": "sk-value-of-openai", "GROQ_API_KEY": "value-of-groq"}
IN_APP = {"OPENROUTER_API_KEY": "sk-value-of-openrouter-work", "OPENAI_API_KEY": "sk-value-of-openai"}


def test_a_project_is_made_from_its_example_and_gives_its_keys_there_and_nowhere_else(home: VaultHome, app: str) -> None:
    write(
        f"{app}/.env.example",
        "# copy me\nOPENAI_API_KEY=\nexport GROQ_API_KEY=gsk_example\nMISTRAL_API_KEY=x\nDEBUG=1\nPATH=/bin\n",
    )
    home.run("project", "init", cwd=app)
    text = text_of(f"{app}/.keyvault.toml")
    assert 'OPENAI_API_KEY = "openai"\nGROQ_API_KEY = "groq"\nMISTRAL_API_KEY = "mistral"\n' in text
    assert "left out: DEBUG, PATH" in text
    assert "gsk_example" not in text
    assert stat.S_IMODE(os.stat(f"{app}/.keyvault.toml").st_mode) == 0o644
    missing = home.run("project", "check", cwd=app, code=3)
    assert (
        missing.stdout
        == b"MISTRAL_API_KEY needs key mistral/default, which is not in the vault: keyvault add mistral/default\n"
    )
    assert home.run("run", "--", "true", cwd=app, code=125).stderr.count(b"MISTRAL_API_KEY needs key") == 1
    home.run("add", "mistral", "--stdin", stdin=b"value-of-mistral")
    assert home.run("project", "check", cwd=app).stdout == b""
    assert exported(home, app) == {**DEFAULTS, "MISTRAL_API_KEY": "value-of-mistral"}
    os.mkdir(f"{app}/src")
    assert list(exported(home, f"{app}/src")) == ["OPENAI_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY"]
    home.run("project", "init", cwd=app, code=1)


def test_a_project_of_somebody_else_is_told_once_and_ignored_until_it_is_allowed(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    before = home.run("env", "--format", "json", cwd=app)
    assert json.loads(before.stdout) == DEFAULTS
    assert before.stderr.count(b"is not allowed yet, so it is ignored; keyvault allow shows it and allows it") == 1
    shown = home.run("allow", cwd=app).stdout.decode()
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["-", "OPENROUTER_API_KEY", "openrouter/work", "new"],
        ["-", "OPENAI_API_KEY", "openai/default", "(optional)", "new"],
        ["prod", "OPENROUTER_API_KEY", "openrouter/prod", "new"],
    ]
    after = home.run("env", "--format", "json", cwd=app)
    assert (json.loads(after.stdout), after.stderr) == (IN_APP, b"")
    assert exported(home, app, "--profile", "prod")["OPENROUTER_API_KEY"] == "sk-value-of-openrouter-prod"
    assert exported(home, app, env={"KEYVAULT_PROFILE": "prod"})["OPENROUTER_API_KEY"] == "sk-value-of-openrouter-prod"
    assert exported(home, app, "--profile", "", env={"KEYVAULT_PROFILE": "prod"}) == IN_APP
    assert exported(home, home.folder) == DEFAULTS
    assert exported(home, app, "groq") == {"GROQ_API_KEY": "value-of-groq"}


def test_run_gives_a_program_the_projects_keys_and_no_others(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", app)
    script = 'printf "%s|%s|%s" "$OPENROUTER_API_KEY" "$OPENAI_API_KEY" "$GROQ_API_KEY"'
    printed = home.run("run", "--", "sh", "-c", script, cwd=app).stdout
    assert printed == b"sk-value-of-openrouter-work|sk-value-of-openai|"
    printed = home.run("run", "--profile", "prod", "--", "sh", "-c", script, cwd=app).stdout
    assert printed == b"sk-value-of-openrouter-prod|sk-value-of-openai|"
    done = home.run("run", "--profile", "pord", "--", "true", cwd=app, code=125)
    assert b'did you mean "prod"?' in done.stderr
    home.run("run", "--profile", "prod", "--only", "groq", "--", "true", cwd=app, code=125)
    home.run("env", "--profile", "prod", code=3)
    home.run("env", "--profile", "prod", "groq", cwd=app, code=2)
    home.run("env", cwd=app, env={"KEYVAULT_PROFILE": "staging"}, code=3)  # another profile's key would be a wrong value
    home.run("env", env={"KEYVAULT_PROFILE": "staging"})


def test_a_changed_project_is_followed_while_it_asks_for_no_more(home: VaultHome, app: str) -> None:
    path = write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)
    less = '# shorter\n[env]\nOPENROUTER_API_KEY = { key = "openrouter/work", required = false }\n'
    write(path, less)
    assert exported(home, app) == {"OPENROUTER_API_KEY": "sk-value-of-openrouter-work"}
    for more in (
        '[env]\nOPENROUTER_API_KEY = "openrouter/prod"\n',  # moved from a profile into what is always given
        '[env]\nOPENROUTER_API_KEY = "groq"\n',
        '[env]\nGROQ_API_KEY = "groq"\n',
        '[env]\nMY_OWN = "openrouter/work"\n',
        '[profile.dev.env]\nOPENROUTER_API_KEY = "openrouter/prod"\n',
        '[env]\nOPENAI_API_KEY = { key = "openai", field = "organization" }\n',
    ):
        write(path, more)
        done = home.run("env", "--format", "json", cwd=app)
        assert json.loads(done.stdout) == DEFAULTS, more
        assert b"refers to more keys than you allowed" in done.stderr or b"is not allowed yet" in done.stderr, more
        home.run("env", "--profile", "prod", cwd=app, code=2)
    write(path, LISTED + 'GROQ_API_KEY = "groq"\n')
    shown = home.run("allow", cwd=app).stdout.decode().splitlines()
    assert [line.split()[1:3] for line in shown if line.endswith("new")] == [["GROQ_API_KEY", "groq/default"]]


def test_a_denied_project_is_ignored_without_a_word_whatever_its_file_becomes(home: VaultHome, app: str) -> None:
    path = write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)
    home.run("deny", cwd=app)
    for change in (LISTED, "not [ toml", LISTED + 'GROQ_API_KEY = "groq"\n'):
        write(path, change)
        done = home.run("env", "--format", "json", cwd=app)
        assert (json.loads(done.stdout), done.stderr.count(b"toml")) == (DEFAULTS, 0), change
    os.unlink(path)
    os.mkfifo(path)
    assert b"toml" not in home.run("env", "--format", "json", cwd=app).stderr
    home.run("env", "--profile", "prod", cwd=app, code=1)
    os.unlink(path)
    write(path, LISTED)
    home.run("allow", app)
    assert exported(home, app) == IN_APP


def test_the_nearest_of_two_projects_counts_and_replaces_the_other(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    inner = f"{app}/inner/deep"
    os.makedirs(inner)
    write(f"{app}/inner/.keyvault.toml", '[env]\nGROQ_API_KEY = "groq"\n')
    home.run("allow", cwd=app)
    assert exported(home, inner) == DEFAULTS  # the inner one is not allowed, and the outer one does not stand in for it
    home.run("allow", cwd=inner)
    assert exported(home, inner) == {"GROQ_API_KEY": "value-of-groq"}
    assert exported(home, app) == IN_APP
    home.run("allow", inner, code=3)  # a path means that very folder
    home.run("allow", f"{app}/inner/.keyvault.toml")


def test_a_project_reached_through_a_link_is_the_same_project(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    os.symlink(app, f"{home.folder}/short")
    home.run("allow", f"{home.folder}/short")
    assert exported(home, app) == IN_APP
    os.rename(app, f"{home.folder}/src/moved")
    assert exported(home, f"{home.folder}/src/moved") == DEFAULTS  # another place has to be allowed anew


def test_what_is_missing_is_told_all_at_once_with_what_to_type(home: VaultHome, app: str) -> None:
    home.run("rm", "groq")
    write(
        f"{app}/.keyvault.toml",
        '[env]\nGROQ_API_KEY = "groq"\nACME_TOKEN = "acme/x"\nOPENAI_ORG_ID = { key = "openai", field = "organization" }\n'
        'A = { key = "acme", required = false }\nB = { key = "openai", field = "no_such", required = false }\n'
        'OPENAI_API_KEY = "openai"\n[profile.prod.env]\nACME_TOKEN = "acme/prod"\n',
    )
    done = home.run("project", "check", cwd=app, code=3)
    assert done.stdout.decode().splitlines() == [
        "GROQ_API_KEY needs key groq/default, which was removed: keyvault restore-key groq/default",
        "ACME_TOKEN needs key acme/x, which is not in the vault: keyvault add acme/x",
        "OPENAI_ORG_ID needs field organization of openai/default: keyvault edit openai/default --secret-field organization",
        "ACME_TOKEN needs key acme/prod, which is not in the vault: keyvault add acme/prod",
    ]
    assert len(home.run("project", "check", "--profile", "prod", cwd=app, code=3).stdout.splitlines()) == 3
    home.run("allow", cwd=app)
    done = home.run("env", "--format", "json", cwd=app, code=3)
    assert json.loads(done.stdout) == {"OPENAI_API_KEY": "sk-value-of-openai"}
    assert done.stderr.count(b"keyvault: warning: ") == 3
    done = home.run("env", "--format", "bash", cwd=app, code=3)
    assert done.stdout.endswith(b"(exit 3);\n")
    home.run("env", "-o", "out.env", cwd=app, code=3)
    assert not os.path.exists(f"{app}/out.env")
    home.run("restore-key", "groq")
    assert "GROQ_API_KEY" in exported(home, app, code=3)


def test_unset_takes_back_what_the_project_gave(home: VaultHome, app: str, programs: dict[str, str]) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)
    script = f'cd {app}; k() {{ {" ".join(COMMAND)} "$@"; }}; eval "$(k env)"; test -n "$OPENROUTER_API_KEY" || exit 9; '
    script += 'eval "$(k env --unset)"; env'
    done = subprocess.run(
        [programs["bash"], "-c", script], env=home.environment, capture_output=True, timeout=60, check=True, text=True
    )
    assert "API_KEY" not in done.stdout


def test_which_tells_the_key_the_reason_and_what_it_shadows(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)

    def which(*words: str, code: int = 0, folder: str = app, **env: str) -> dict[str, str]:
        found = home.run("which", *words, cwd=folder, env=env, code=code).stdout.decode()
        return {line[:12].strip(): line[12:] for line in found.splitlines()}

    rows = which("OPENROUTER_API_KEY", OPENROUTER_API_KEY="sk-value-of-openrouter-prod")
    assert rows["key"] == "openrouter/work, version 1"
    assert rows["because of"] == f"project {app}/.keyvault.toml"
    assert rows["shadows"] == "openrouter/prod: the project does not name it"
    assert rows["this shell"] == "set to another value (…prod)"
    rows = which("OPENROUTER_API_KEY", "--profile", "prod", OPENROUTER_API_KEY="sk-value-of-openrouter-prod")
    assert rows["because of"].endswith("/.keyvault.toml, profile prod")
    assert rows["this shell"] == "set to this key"
    assert which("OPENAI_API_KEY", OPENAI_API_KEY="")["note"].startswith("an empty variable counts as set")
    assert which("GROQ_API_KEY", code=3)["shadows"] == "groq/default: the project does not name it"
    rows = which("OPENROUTER_API_KEY", code=3, folder=home.folder)
    assert rows["key"] == "none: keyvault env gives it no value here"
    assert rows["shadows"] == "openrouter/work: several keys want the variable"
    home.run("which", "LD_PRELOAD", code=2)
    home.run("which", "NOBODY_HAS_IT", code=3)


def test_which_names_files_beside_it_and_values_of_strangers(home: VaultHome, app: str) -> None:
    write(f"{app}/.env", "  export OPENAI_API_KEY = from the file\n")
    write(f"{app}/.Renviron", "OPENAI_API_KEYS=1\n")
    write(f"{home.folder}/.Renviron", "X=1\n")
    groq = "gsk_" + "g" * 52
    shown = home.run("which", "OPENAI_API_KEY", cwd=app, env={"OPENAI_API_KEY": groq}).stdout.decode()
    assert ".env in this folder sets OPENAI_API_KEY too; programs that load .env may take it from there" in shown
    assert "; R may take it" not in shown
    assert ".Renviron in this folder keeps R from reading the one in your home folder" in shown
    assert "the value in this environment looks like a key of Groq" in shown
    assert groq not in shown
    assert "home folder" not in home.run("which", "OPENAI_API_KEY").stdout.decode()
    home.run("edit", "openai", "--value", "--stdin", stdin=groq.encode())
    shown = home.run("which", "OPENAI_API_KEY", cwd=app).stdout.decode()
    assert "the value of openai/default looks like a key of Groq" in shown


def test_which_tells_of_vendors_whose_default_key_comes_first(home: VaultHome) -> None:
    home.run("add", "openai/second", "--stdin", "--env", "SECOND_KEY", stdin=b"two")
    home.run("add", "groq/hidden", "--stdin", "--no-auto", stdin=b"three")
    shown = home.run("which", "SECOND_KEY", code=3).stdout.decode()
    assert "openai/second: its vendor has a default key" in shown
    assert "groq/hidden: it is given out only when named" in home.run("which", "GROQ_API_KEY").stdout.decode()


def test_explain_gives_the_source_of_each_variable_and_no_value(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    assert b" default\n" in home.run("env", "--explain", cwd=app).stdout
    home.run("allow", cwd=app)
    shown = home.run("env", "--explain", "--profile", "prod", cwd=app).stdout.decode()
    assert [line.split() for line in shown.splitlines()[1:]] == [
        ["OPENROUTER_API_KEY", "openrouter/prod", "-", "1", f"{app}/.keyvault.toml", "[profile", "prod]"],
        ["OPENAI_API_KEY", "openai/default", "-", "1", f"{app}/.keyvault.toml", "[profile", "prod]"],
    ]
    assert " named" in home.run("env", "--explain", "groq", cwd=app).stdout.decode()


def test_projects_below_a_trusted_folder_need_no_allow(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    os.makedirs(f"{home.folder}/.config/keyvault")
    config = f"{home.folder}/.config/keyvault/config.toml"
    write(config, '[projects]\ntrusted = ["~/src"]\n')
    assert exported(home, app) == IN_APP
    os.makedirs(f"{home.folder}/src-else")
    write(f"{home.folder}/src-else/.keyvault.toml", LISTED)
    assert exported(home, f"{home.folder}/src-else") == DEFAULTS
    os.symlink(f"{home.folder}/src-else", f"{home.folder}/src/link")
    assert exported(home, f"{home.folder}/src/link") == DEFAULTS  # its real place is not below the trusted folder
    home.run("deny", cwd=app)
    assert exported(home, app) == DEFAULTS


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("not [ toml", 0o600, "is not TOML"),
        ("a = " + "1" * 5000, 0o600, "is not TOML"),
        ("a = " + "[" * 20000, 0o600, "is not TOML"),
        ("projects = 1", 0o600, "projects.trusted is a list of folders"),
        ("[projects]\ntrusted = 'all'", 0o600, "projects.trusted is a list of folders"),
        ("[projects]\ntrusted = ['work']", 0o600, "not a folder from the root on"),
        ("[projects]\ntrusted = ['~no-such-user/work']", 0o600, "not a folder from the root on"),
        ('[projects]\ntrusted = ["/\\u0000"]', 0o600, "projects.trusted is a list of folders"),
        ('[projects]\ntrusted = ["/"]', 0o666, "can be changed by other users"),
        ("#" * 70000, 0o600, "is larger than"),
    ],
)
def test_a_config_that_is_broken_or_open_to_others_trusts_nothing(
    home: VaultHome, app: str, text: str, mode: int, said: str
) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    os.makedirs(f"{home.folder}/.config/keyvault")
    write(f"{home.folder}/.config/keyvault/config.toml", text, mode)
    done = home.run("env", "--format", "json", cwd=app)
    assert json.loads(done.stdout) == DEFAULTS
    assert said in done.stderr.decode()
    assert b"internal error" not in done.stderr
    assert b"the project is ignored" in done.stderr


def test_a_config_that_is_a_link_trusts_nothing(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    os.makedirs(f"{home.folder}/.config/keyvault")
    write(f"{home.folder}/elsewhere", '[projects]\ntrusted = ["/"]\n')
    os.symlink(f"{home.folder}/elsewhere", f"{home.folder}/.config/keyvault/config.toml")
    assert exported(home, app) == DEFAULTS


def test_init_copies_no_piece_of_a_value_into_a_file_made_to_be_committed(home: VaultHome, app: str) -> None:
    secrets = ["ghp_0123456789abcdefghijABCDEFGHIJ012345", "MIIEowIBAAKCAQEAabcdefgh", "AKIAIOSFODNN7EXAMPLE", "sk-live-123"]
    write(
        f"{app}/.env",
        f"OPENAI_API_KEY=x\n{secrets[0]}\nKEY=-----BEGIN\n{secrets[1]}==\n{secrets[2]}=\n{secrets[2]}\n{secrets[3]}\nPLAIN=1\n",
    )
    done = home.run("project", "init", cwd=app)
    text = text_of(f"{app}/.keyvault.toml") + done.stdout.decode() + done.stderr.decode()
    assert [secret for secret in secrets if secret in text] == []
    assert "# Not keys that keyvault knows, so left out: KEY, PLAIN\n" in text


def test_project_without_a_word_says_in_a_line_what_is_missing(home: VaultHome) -> None:
    said = home.run("project", code=2).stderr.decode()
    assert said == "keyvault: error: missing command\nkeyvault: hint: keyvault project --help\n"


def test_init_takes_named_files_and_refuses_links_and_folders_without_any(home: VaultHome, app: str) -> None:
    home.run("project", "init", cwd=app, code=3)
    write(f"{app}/names", "OPENROUTER_API_KEY=\nAWS_SECRET_ACCESS_KEY=\n")
    os.symlink("names", f"{app}/.env")
    home.run("project", "init", cwd=app, code=1)
    assert not os.path.exists(f"{app}/.keyvault.toml")
    home.run("project", "init", "names", cwd=app)
    text = text_of(f"{app}/.keyvault.toml")
    assert 'OPENROUTER_API_KEY = "openrouter"\n' in text  # two labels and no default: nobody can say which
    assert 'AWS_SECRET_ACCESS_KEY = { key = "aws", field = "secret_access_key" }' in text


def test_in_a_folder_that_is_gone_env_gives_the_defaults(home: VaultHome, app: str) -> None:
    script = f'cd {app} && rmdir {app} && exec {" ".join(COMMAND)} "$@"'
    for words, code in (
        (["env", "--format", "json"], 0),
        (["project", "check"], 2),
        (["allow"], 2),
        (["which", "GROQ_API_KEY"], 0),
    ):
        os.makedirs(app, exist_ok=True)
        environment = home.environment | {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.dirname(__file__)))}
        done = subprocess.run(["sh", "-c", script, "sh", *words], env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == code, (words, done.stderr)
        assert b"internal error" not in done.stderr


def test_a_list_of_allowed_projects_that_is_damaged_or_not_ones_own_allows_nothing(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)
    path = f"{home.state}/projects.json"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    good = json.loads(text_of(path))
    (record,) = good.values()
    (name,) = good
    loader = {**record, "sections": {"": [["LD_PRELOAD", "groq/default", "", True]]}}
    for bad in (
        *("", "[]", "{", "null", '{"a": 1}', "[" * 100000, json.dumps({name: []}), json.dumps({name: {"digest": 1}})),
        json.dumps({name: {"digest": record["digest"], "sections": [], "grants": 3}}),
        json.dumps({name: {"digest": record["digest"], "sections": {"": ["abc", 1]}, "grants": [[[], {}, 1, 2]]}}),
        json.dumps({name: {**loader, "grants": []}}),
    ):
        write(path, bad)
        done = home.run("env", "--format", "json", cwd=app)
        assert json.loads(done.stdout) == DEFAULTS, bad
        assert b"internal error" not in done.stderr, bad
    write(path, json.dumps(good), 0o644)
    assert b"is open to other users" in home.run("env", "--format", "json", cwd=app).stderr
    os.unlink(path)
    os.symlink(write(f"{home.folder}/else", json.dumps(good)), path)
    assert exported(home, app) == DEFAULTS
    home.run("allow", cwd=app, code=1)


def test_allows_at_once_are_all_remembered(home: VaultHome, app: str) -> None:
    folders = [f"{app}/{number}" for number in range(12)]
    for folder in folders:
        os.mkdir(folder)
        write(f"{folder}/.keyvault.toml", LISTED)
    running = [
        subprocess.Popen([*COMMAND, "allow", folder], env=home.environment, cwd=home.folder, stdout=subprocess.DEVNULL)
        for folder in folders
    ]
    assert [process.wait(60) for process in running] == [0] * len(folders)
    assert len(json.loads(text_of(f"{home.state}/projects.json"))) == len(folders)


def test_names_and_paths_of_strangers_reach_no_terminal_raw(home: VaultHome) -> None:
    folder = f"{home.folder}/\x1b[2J\u202eevil\n"
    os.mkdir(folder)
    path = f"{folder}/.keyvault.toml"
    words = (("env", "--explain"), ("allow",), ("deny",), ("project", "check"), ("project", "check", "--json"), ("which", "A"))
    for text in (
        '[env]\nA = "acme"\nB = { key = "openai", field = "organization" }\n',
        '[env]\n"\\u001b[2J\\u202e" = "openai"\n',
        '[env]\nA = "\\u001b[2J"\n',
        '[env]\nA = { key = "openai", field = "x\\u001b[2J; rm -rf ~" }\n',
        '[env]\nA = { key = "openai", "\\u001b[2J\\u202e" = 1 }\n',
        '["\\u001b[2J"]\n',
        '[profile."\\u001b[2J".env]\n',
        "\x1b[2J\u202e",
    ):
        write(path, text)
        for command in words:
            person = Terminal(home, program=["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", folder, *COMMAND, *command])
            person.child.expect(person.eof)
            seen = person.seen
            assert sorted({c for c in seen if c != "\n" and is_unsafe(ord(c))}) == [], (text, command, seen)
            assert "internal error" not in seen


def test_a_key_that_was_written_into_the_list_is_not_repeated(home: VaultHome, app: str) -> None:
    secret = "sk-proj-0123456789abcdef0123456789abcdef"
    for text in (
        f'[env]\nA = "{secret}"\n',
        f'[env]\n{secret} = "a"\n',
        f'[env]\nA = {{ key = "openai", {secret} = 1 }}\n',
        secret,
    ):
        write(f"{app}/.keyvault.toml", text)
        for words in (("env",), ("allow",), ("project", "check"), ("which", "OPENAI_API_KEY")):
            done = home.run(*words, cwd=app, code=None)
            assert secret.encode() not in done.stdout + done.stderr, (text, words)
    assert b"0123456789" not in home.run("env", "--profile", "hf0123456789abcdefghijk", code=3).stderr


def test_env_and_which_count_use_as_what_it_was(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    home.run("allow", cwd=app)
    home.run("env", "--explain", cwd=app)
    home.run("which", "OPENAI_API_KEY", cwd=app)
    keys = {key["ref"]: key for key in json.loads(home.run("list", "--json").stdout)["keys"]}
    assert keys["openai/default"]["last_used"] is None
    assert keys["openai/default"]["last_exported"] is None


def test_python_programs_get_what_env_would_give(home: VaultHome, app: str) -> None:
    write(f"{app}/.keyvault.toml", LISTED)
    program = (
        "import os, keyvault\nassert 'keyvault.api' not in __import__('sys').modules\n"
        "env = os.environ\nenv['OPENAI_API_KEY'] = 'mine'\nprint(keyvault.load_env(), env['OPENAI_API_KEY'])\n"
        "print(keyvault.load_env(profile='prod', override=True), env['OPENROUTER_API_KEY'], env['OPENAI_API_KEY'])\n"
        "print(keyvault.get('openrouter/work'), keyvault.load_env('groq'))\n"
        "try:\n    keyvault.get('openrouter/wrok')\n"
        "except keyvault.KeyvaultError as exc:\n    print(type(exc).__name__, exc.hint)\n"
    )
    home.run("allow", cwd=app)
    done = subprocess.run(
        [COMMAND[0], "-c", program], env=home.environment, cwd=app, capture_output=True, timeout=60, check=False, text=True
    )
    assert done.stdout.splitlines() == [
        "['OPENROUTER_API_KEY'] mine",
        "['OPENROUTER_API_KEY', 'OPENAI_API_KEY'] sk-value-of-openrouter-prod sk-value-of-openai",
        "sk-value-of-openrouter-work ['GROQ_API_KEY']",
        'NotFound did you mean "openrouter/work"?',
    ], done.stderr
    assert done.stderr == ""


def test_python_programs_hear_of_locked_vaults_missing_keys_and_projects_not_allowed(home: VaultHome, app: str) -> None:
    def python(program: str, **env: str) -> str:
        command = [COMMAND[0], "-W", "always", "-c", f"import keyvault\n{program}"]
        said = without_terminal(command, home.environment | env, app).stderr.decode()
        assert "sk-value" not in said
        return said

    write(f"{app}/.keyvault.toml", '[env]\nACME_TOKEN = "acme/x"\n')
    assert "UserWarning: keyvault: " in python("keyvault.load_env()")
    home.run("allow", cwd=app)
    assert "NotFound: the project is not ready: ACME_TOKEN needs key acme/x" in python("keyvault.load_env()")
    assert "NotFound: no profile" in python("keyvault.load_env(profile='x')")
    assert "keyvault.core.errors." in python("keyvault.load_env()", KEYVAULT_KEY_FILE="/nonexistent")
    assert "NotFound: openai/default has no field of that name" in python("keyvault.get('openai', 'sk' + '-value')")
    home.run("add", "acme/x", "--stdin", "--env", "ACME_TOKEN", stdin=b"a\0b")
    assert "holds a NUL character" in python("keyvault.load_env()")
    shutil.rmtree(home.home)
    assert "NotFound: " in python("keyvault.get('openai')")
