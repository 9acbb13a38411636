"""docs/reference/json.md against what the program prints: the same keys, and values of the same types."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from agents import agent_home
from checkout import ROOT
from internet import Internet, as_json
from vaults import VaultHome


def documented() -> dict[str, Any]:
    """The example of each section, by its heading."""
    with open(os.path.join(ROOT, "docs", "reference", "json.md"), encoding="utf-8") as file:
        text = file.read()
    sections = re.findall(r"^## `(.+?)`$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return {heading: json.loads(re.findall(r"```json\n(.*?)```", body, re.DOTALL)[0]) for heading, body in sections}


def shape(value: Any, free: frozenset[str] = frozenset({"fields", "tags", "plain_fields", "parts", "facts"})) -> Any:
    """Key names all the way down. What people name themselves (tags, fields) has no fixed keys."""
    if isinstance(value, dict):
        return {name: "any" if name in free else shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "a value"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> VaultHome:
    made = VaultHome(str(tmp_path_factory.mktemp("json")))
    secret = {"PART": "wJalrXUtnFEMI", "NEW_PASSPHRASE": "x"}
    made.run("init", "--no-recovery", "--unlock", "key-file")
    made.run("slots", "add", "passphrase", "--new-passphrase-file", "/dev/stdin", stdin=b"quite unlikely plum weather 41")
    words = ("--field", "region=eu-central-1", "--secret-field", "secret_access_key=env:PART", "--tag", "team=search")
    made.run("add", "aws", "--stdin", *words, stdin=b"AKIAIOSFODNN7EXAMPLE", env=secret)
    made.run("add", "deepseek", "--stdin", stdin=b"sk-0123456789abcdef0123456789abcdef")
    with open(os.path.join(made.folder, "app.env"), "w", encoding="utf-8") as file:
        file.write("DEEPSEEK_API_KEY=sk-0123456789abcdef0123456789abcdef\n")
    made.run("edit", "deepseek", "--place", "app.env")
    return made


@pytest.fixture(scope="module")
def asked(home: VaultHome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What `check` and `balance` print; what they heard is kept with the key."""
    net = Internet(tmp_path_factory.mktemp("internet"))
    account = {"currency": "CNY", "total_balance": "110.00", "granted_balance": "10.00", "topped_up_balance": "100.00"}
    net.hosts["api.deepseek.com"] = lambda _: as_json(200, {"is_available": True, "balance_infos": [account]})
    yield {
        f"{name} --json": json.loads(home.run(name, "--json", "deepseek", env=net.environment()).stdout)
        for name in ("check", "balance")
    }
    net.close()


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("list --json", ["list", "deepseek", "--json"]),
        ("show REF --json", ["show", "aws", "--json"]),
        ("history REF --json", ["history", "aws", "--json"]),
        ("log --json", ["log", "--json"]),
    ],
)
def test_what_is_printed_has_the_documented_keys(
    home: VaultHome, asked: dict[str, Any], heading: str, words: list[str]
) -> None:
    assert asked
    assert shape(json.loads(home.run(*words).stdout)) == shape(documented()[heading])


@pytest.mark.parametrize(
    ("heading", "words"), [("which VAR --json", ["which", "ACME_TOKEN"]), ("project check --json", ["project", "check"])]
)
def test_what_is_told_about_a_project_has_the_documented_keys(home: VaultHome, heading: str, words: list[str]) -> None:
    folder = os.path.join(home.folder, "app")
    os.makedirs(folder, exist_ok=True)
    home.run("add", "deepseek/other", "--stdin", "--env", "ACME_TOKEN", stdin=b"sk-0123", code=None)
    with open(os.path.join(folder, ".keyvault.toml"), "w", encoding="utf-8") as file:
        file.write('[env]\nACME_TOKEN = "deepseek"\nOTHER = "acme/none"\n')
    with open(os.path.join(folder, ".env"), "w", encoding="utf-8") as file:
        file.write("ACME_TOKEN=x\n")
    home.run("allow", folder)
    printed = json.loads(home.run(*words, "--json", cwd=folder, code=None).stdout)
    assert shape(printed) == shape(documented()[heading])
    assert {name: type(value) for name, value in printed.items() if value is not None} == {
        name: type(value) for name, value in documented()[heading].items() if printed[name] is not None
    }
    home.run("rm", "deepseek/other")


def test_an_agent_tells_of_itself_as_documented() -> None:
    with agent_home() as home:
        home.start_agent()
        assert shape(json.loads(home.run("status", "--json").stdout)) == shape(documented()["status --json"])


@pytest.mark.parametrize("heading", ["check --json", "balance --json"])
def test_what_the_vendors_say_has_the_documented_keys(asked: dict[str, Any], heading: str) -> None:
    assert shape(asked[heading]) == shape(documented()[heading])


def test_a_rotation_is_told_as_documented(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = VaultHome(str(tmp_path_factory.mktemp("rotation")))
    home.run("init", "--no-recovery", "--unlock", "key-file")
    home.run("add", "deepseek", "--stdin", stdin=b"sk-0123456789abcdef0123456789abcdef")
    home.run("env", "deepseek", "-o", "app.env")
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    home.run("rotate", "deepseek", "--stdin", stdin=b"sk-" + b"1" * 32, env=nowhere, code=8)
    assert b"pending" in home.run("history", "deepseek").stdout
    home.run("rotate", "--abort", "deepseek")
    home.run("rotate", "deepseek", "--stdin", stdin=b"sk-" + b"2" * 32, env=nowhere, code=8)
    with open(os.path.join(ROOT, "docs", "reference", "json.md"), encoding="utf-8") as file:
        status, plan = re.findall(r"```json\n(.*?)```", file.read().split("## `rotate --json`")[1].split("\n## ")[0], re.DOTALL)
    assert shape(json.loads(home.run("rotate", "--status", "--json").stdout)) == shape(json.loads(status))
    assert shape(json.loads(home.run("rotate", "deepseek", "--dry-run", "--json").stdout)) == shape(json.loads(plan))


def test_identify_prints_the_documented_keys(home: VaultHome) -> None:
    printed = home.run("identify", "--stdin", "--json", stdin=b"sk-0123456789abcdef0123456789abcdef").stdout
    assert shape(json.loads(printed)) == shape(documented()["identify --json"])


def test_a_vendor_of_ones_own_is_printed_as_documented(home: VaultHome) -> None:
    home.run("providers", "new", "my-gateway", "--base-url", "http://localhost:3000/v1")
    (example,) = documented()["providers --json"]["providers"]
    assert json.loads(home.run("providers", "my-gateway", "--json").stdout) == example
    everyone = json.loads(home.run("providers", "--json").stdout)["providers"]
    assert example in everyone
    assert len(everyone) == 81


def test_what_import_and_discover_preview_has_the_documented_keys(home: VaultHome) -> None:
    folder = os.path.join(home.folder, "work")
    os.makedirs(folder)
    with open(os.path.join(folder, ".env"), "w", encoding="utf-8") as file:
        file.write("AWS_ACCESS_KEY_ID=AKIAQQQQQQQQQQQQQQQQ\nAWS_REGION=eu\nEMPTY=\n")
    os.symlink(os.path.join(folder, ".env"), os.path.join(folder, ".env.local"))
    for name, words in (("import", ["work/.env"]), ("discover", ["work"])):
        printed = json.loads(home.run(name, *words, "--json").stdout)
        assert shape(printed) == shape(documented()[f"{name} --json"])
        assert "QQQQQQQQ" not in json.dumps(printed)


def test_what_an_audit_finds_has_the_documented_keys(home: VaultHome) -> None:
    folder = os.path.join(home.folder, "audited")
    os.makedirs(folder)
    with open(os.path.join(folder, "x.py"), "w", encoding="utf-8") as file:
        file.write("secret = 'sk-0123456789abcdef0123456789abcdef'\n")
    with open(os.path.join(folder, "data.bin"), "wb") as binary:
        binary.write(bytes(range(256)) * 9)
    home.run("edit", "aws", "--created", "2020-01-01")
    leaks, stale, both = (
        json.loads(home.run("audit", *words, "--format", "json", cwd=folder, code=7).stdout)
        for words in (("leaks", "."), ("stale",), (".",))
    )
    assert shape(leaks) == shape(documented()["audit leaks --json"])
    assert shape(stale) == shape(documented()["audit stale --json"])
    assert set(both) == set(leaks) | set(stale)
    (overdue,) = [one for one in stale["stale"] if one["reason"] == "overdue"]
    assert (overdue["ref"], overdue["severity"], overdue["next"]) == ("aws/default", "bad", "keyvault rotate aws/default")
    (found,) = leaks["findings"]
    example = documented()["audit leaks --json"]["findings"][0]
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in example.items()}


def test_the_reasons_of_the_page_are_those_of_the_program() -> None:
    from keyvault.audit.stale import REASONS

    with open(os.path.join(ROOT, "docs", "reference", "json.md"), encoding="utf-8") as file:
        sentence = file.read().split("`reason` is one of ")[1].split(". ")[0]
    assert tuple(re.findall(r"`([a-z_]+)`", sentence)) == REASONS


def test_slots_with_and_without_a_kdf_have_the_documented_keys(home: VaultHome) -> None:
    slots = json.loads(home.run("slots", "list", "--json").stdout)["slots"]
    (example,) = documented()["slots list --json"]["slots"]
    assert [set(slot) for slot in slots] == [set(example)] * 2
    assert {slot["kind"]: slot["kdf"] and set(slot["kdf"]) for slot in slots} == {
        "key-file": None,
        "passphrase": set(example["kdf"]),
    }


def test_env_as_json_is_one_object_of_texts(home: VaultHome) -> None:
    printed = json.loads(home.run("env", "--format", "json").stdout)
    assert printed["AWS_ACCESS_KEY_ID"] == "AKIAIOSFODNN7EXAMPLE"
    assert all(isinstance(value, str) for value in printed.values())


def test_nothing_but_env_prints_a_secret(home: VaultHome) -> None:
    for words in (["list"], ["show", "aws"], ["history", "aws"], ["log"], ["slots", "list"]):
        printed = home.run(*words, "--json").stdout
        assert b"EXAMPLE" not in printed
        assert b"wJalr" not in printed


def test_every_json_option_is_documented() -> None:
    import click

    from keyvault.cli.app import COMMANDS, app

    context = click.Context(app)
    having: set[str] = set()
    for name in COMMANDS:
        command = app.get_command(context, name)
        inner = command.commands.items() if isinstance(command, click.Group) else [("", command)]
        for word, leaf in inner:
            if leaf and any("--json" in parameter.opts for parameter in leaf.params):
                having.add(f"{name} {word}".strip())
    assert having == {
        re.sub("(REF|VAR) |(?<=^audit) (leaks|stale)", "", heading).removesuffix(" --json")
        for heading in documented()
        if "--json" in heading
    }


def test_the_words_of_the_log_are_those_of_the_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    with open(os.path.join(ROOT, "docs", "reference", "json.md"), encoding="utf-8") as file:
        sentence = next(part for part in file.read().split("\n\n") if part.startswith("`what` is one of"))
    home = VaultHome(str(tmp_path_factory.mktemp("log")))
    new_passphrase = ("--new-passphrase-file", "/dev/stdin")
    home.run("init", "--no-recovery", "--unlock", "key-file")
    home.run("slots", "add", "passphrase", *new_passphrase, stdin=b"quite unlikely plum weather 41")
    home.run("passwd", *new_passphrase, stdin=b"rather improbable pear season 17")
    home.run("slots", "remove", "passphrase", "--yes")
    home.run("add", "openai", "--stdin", stdin=b"one")
    home.run("edit", "openai", "--value", "--stdin", stdin=b"two")
    home.run("rollback", "openai")
    home.run("rename", "openai", "openai/work")
    home.run("rm", "openai/work")
    home.run("restore-key", "openai/work")
    home.run("purge", "openai/work", "--versions", "--yes")
    with open(os.path.join(home.folder, ".env"), "w", encoding="utf-8") as file:
        file.write("HF_TOKEN=three\n")
    home.run("import", ".env", "--yes")
    net = Internet(tmp_path_factory.mktemp("internet"))
    home.run("check", "--timeout", "1", env=net.environment(), code=8)
    account = {"currency": "CNY", "total_balance": "1", "granted_balance": "0", "topped_up_balance": "1"}
    net.hosts["api.deepseek.com"] = lambda _: as_json(200, {"is_available": True, "balance_infos": [account]})
    home.run("add", "deepseek", "--stdin", stdin=b"four")
    home.run("balance", env=net.environment())
    net.close()
    home.run("rekey", "--no-recovery", "--yes")
    home.run("backup", "copy")
    home.run("restore", "copy", "--yes")
    seen = {entry["what"] for entry in json.loads(home.run("log", "--json").stdout)["log"]}
    assert seen == set(re.findall(r"`([a-z-]+)`", sentence)[1:])
