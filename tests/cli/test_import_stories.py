"""A home folder full of keys in plain text becomes one without, and every program still gets its variable."""

# ruff: noqa: E501 - samples are lines as they are

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
from typing import Any

import pytest
from people import Terminal, bytes_of, text_of, write
from vaults import VaultHome

from keyvault.discover import places
from keyvault.store.files import replace_own

A, B, C = "sk-aaaaaaaaaa1111111111", "gsk_bbbbbbbbbb2222222222", "mmmmmmmmmmmm33333333"
AWS_ID, AWS_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def put(home: VaultHome, name: str, text: str, mode: int = 0o600) -> str:
    path = os.path.join(home.folder, *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return write(path, text, mode)


def exported(home: VaultHome) -> dict[str, str]:
    values: dict[str, str] = json.loads(home.run("env", "--format", "json").stdout)
    return values


def preview(home: VaultHome, *words: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(home.run(*words, "--json").stdout)
    return made


# twelve places, twenty keys
SCATTERED = {
    ".bashrc": f"HISTSIZE=1\nexport OPENAI_API_KEY={A} # work\nexport GROQ_API_KEY='{B}'\nif true; then\n  export MISTRAL_API_KEY={C}\nfi\n",
    ".zshrc": f"export OPENAI_API_KEY={A}\nexport TOGETHER_API_KEY=together-{C}\n",
    ".config/fish/config.fish": f"set -gx COHERE_API_KEY cohere-{C}\n",
    ".Renviron": f"DEEPSEEK_API_KEY='deepseek-{C}'\nR_LIBS_USER=~/R\n",
    ".netrc": f"machine api.github.com login me password ghp-{C}\n",
    ".npmrc": f"//registry.npmjs.org/:_authToken=npm-{C}\nfund=false\n",
    ".pypirc": f"[pypi]\nusername = __token__\npassword = pypi-{C}\n",
    ".aws/credentials": f"[default]\naws_access_key_id = {AWS_ID}\naws_secret_access_key = {AWS_SECRET}\n",
    ".cache/huggingface/token": "hf_" + "a" * 34,
    ".config/io.datasette.llm/keys.json": f'{{\n  "// Note": "x",\n  "gemini": "gemini-{C}",\n  "openrouter": "openrouter-{C}"\n}}\n',
    ".cursor/mcp.json": f'{{"mcpServers": {{"brave": {{"command": "x", "env": {{"BRAVE_API_KEY": "brave-{C}", "LOG": "1"}}}}}}}}\n',
    "project/.env": (
        f"# mine\nTAVILY_API_KEY=tavily-{C}\nPORT=3000\nREPLICATE_API_TOKEN='replicate-{C}' # old\nPINECONE_API_KEY=pinecone-{C}\n"
        f"VOYAGE_API_KEY=voyage-{C}\nEXA_API_KEY=exa-{C}\nSERPER_API_KEY=serper-{C}\nACME_TOKEN=acme-{C}\n"
    ),
}


def test_twenty_keys_in_twelve_places_become_none_and_reach_a_shell(home: VaultHome) -> None:
    paths = {name: put(home, name, text, 0o644) for name, text in SCATTERED.items()}
    done = home.run("discover", "project", "--yes", "--clean")
    values = exported(home)
    secrets = {value for name, value in values.items() if name not in ("AWS_REGION", "PORT")}
    assert len(secrets) == 22  # one-and-twenty keys, and the second half of that of AWS
    for path in paths.values():
        text = text_of(path)
        assert not any(secret in text for secret in secrets), path
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o644
    assert text_of(paths["project/.env"]) == "# mine\nPORT=3000\n# old\n"
    assert text_of(paths[".Renviron"]) == "# DEEPSEEK_API_KEY: keyvault deepseek/default\nR_LIBS_USER=~/R\n"
    assert "PORT" not in values
    script = 'eval "$(keyvault env)"; printf %s "$OPENAI_API_KEY|$AWS_SECRET_ACCESS_KEY|$GITHUB_TOKEN|$ACME_TOKEN|$HF_TOKEN"'
    shell = subprocess.run(
        ["bash", "-c", f"keyvault() {{ {home_command()} \"$@\"; }}; . ~/.bashrc; {script}"],
        env=home.environment, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert shell.stdout.decode() == f"{A}|{AWS_SECRET}|ghp-{C}|acme-{C}|hf_{'a' * 34}"
    for text in (done.stdout.decode(), done.stderr.decode()):
        assert not any(secret in text for secret in secrets)
    assert home.run("discover", "project").stdout == b""
    for name, path in paths.items():
        home.run("import", "--undo", path)
        assert text_of(path) == SCATTERED[name]


def home_command() -> str:
    from vaults import COMMAND

    return " ".join(COMMAND)


def test_discover_tells_age_mode_and_what_is_there_already_and_takes_in_after_one_question(home: VaultHome) -> None:
    put(home, ".bashrc", f"export OPENAI_API_KEY={A}\n", 0o644)
    put(home, ".env", f"OPENAI_API_KEY={A}\nGROQ_API_KEY={B}\n")
    os.utime(home.folder + "/.bashrc", (1_000_000_000, 1_000_000_000))
    home.run("add", "groq", "--stdin", stdin=B.encode())
    found = preview(home, "discover")
    assert [
        (k["ref"], k["action"], [(os.path.basename(p["path"]), p["mode"], p["open_to_others"]) for p in k["places"]])
        for k in found["keys"]
    ] == [
        ("openai/default", "add", [(".bashrc", "0644", True), (".env", "0600", False)]),
        ("groq/default", "already there", [(".env", "0600", False)]),
    ]
    assert found["keys"][0]["places"][0]["changed"] == "2001-09-09T01:46:40Z"
    person = Terminal(home, "discover")
    person.answer("take 1 key in? [y/N] ", "y")
    person.answer("out of ", "y")
    person.answer("out of ", "n")
    seen = person.end()
    assert "others can read it" in seen
    assert A not in seen
    assert text_of(home.folder + "/.bashrc") == "# OPENAI_API_KEY: keyvault openai/default\n"
    assert A in text_of(home.folder + "/.env")


def test_discover_walks_projects_within_bounds_and_follows_no_links(home: VaultHome, tmp_path: os.PathLike[str]) -> None:
    put(home, "src/a/.env.local", f"GROQ_API_KEY={B}\n")
    put(home, "src/a/.env.example", "OPENAI_API_KEY=sk-example-example-example\n")
    put(home, "src/node_modules/x/.env", f"MISTRAL_API_KEY={C}\n")
    put(home, "src/v/pyvenv.cfg", "")
    put(home, "src/v/.env", f"MISTRAL_API_KEY={C}\n")
    put(home, "src/" + "d/" * 9 + ".env", f"MISTRAL_API_KEY={C}\n")
    put(home, "src/n.ipynb", json.dumps({"cells": [{"source": ["key = 'hf_" + "a" * 34 + "'"]}]}))
    outside = put(home, "outside/.env", f"MISTRAL_API_KEY={C}\n")
    os.symlink(outside, home.folder + "/src/.env")
    os.symlink(home.folder + "/outside", home.folder + "/src/linked")
    os.mkfifo(home.folder + "/src/a/.env")
    found = preview(home, "discover", "src")
    assert [k["ref"] for k in found["keys"]] == ["groq/default"]
    told = "\n".join(found["skipped"])
    assert "n.ipynb:1 seems to hold a key of Hugging Face" in told
    assert "src/.env is a link" in told
    assert "deeper than 6" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_discover_tells_of_a_folder_that_it_may_not_read(home: VaultHome) -> None:
    put(home, "src/mine/.env", f"GROQ_API_KEY={B}\n")
    os.chmod(home.folder + "/src/mine", 0)
    try:
        assert "src/mine cannot be read" in "\n".join(preview(home, "discover", "src")["skipped"])
    finally:
        os.chmod(home.folder + "/src/mine", 0o700)


def test_a_folder_that_the_system_refuses_to_list_is_told(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: str) -> object:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "scandir", refused)
    skipped = places.discover(*places.files([str(tmp_path)])).skipped
    assert f"{tmp_path} cannot be read, so nothing was looked for in it" in skipped


def test_clean_asks_for_each_file_shows_no_value_and_undo_refuses_a_file_that_changed(home: VaultHome) -> None:
    path = put(home, ".bashrc", f"# mine\nexport OPENAI_API_KEY={A} # work\n", 0o640)
    person = Terminal(home, "import", "--clean", path)
    person.answer("take 1 key in? [y/N] ", "y")
    person.answer("take 1 value out of ", "y")
    seen = person.end()
    assert "-2: export OPENAI_API_KEY=…1111" in seen
    assert "+2: # OPENAI_API_KEY: keyvault openai/default" in seen
    assert A not in seen
    assert text_of(path) == "# mine\n# OPENAI_API_KEY: keyvault openai/default # work\n"
    sealed = [os.path.join(home.state, "cleaned", name) for name in os.listdir(os.path.join(home.state, "cleaned"))]
    assert all(A.encode() not in bytes_of(one) and b"bashrc" not in bytes_of(one) for one in sealed)
    write(path, text_of(path) + "alias x=y\n", 0o640)
    assert b"was changed after it was cleaned" in home.run("import", "--undo", path, code=1).stderr
    home.run("rekey", "--no-recovery", "--yes")
    home.run("import", "--undo", path, "--yes")
    assert text_of(path) == f"# mine\nexport OPENAI_API_KEY={A} # work\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    assert b"nothing was put away of" in home.run("import", "--undo", path, code=3).stderr


def test_clean_leaves_what_the_vault_does_not_hold(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"sk-another-value-entirely")
    path = put(home, ".env", f"OPENAI_API_KEY={A}\nGROQ_API_KEY={B}\n")
    home.run("import", "--clean", "--yes", path)
    assert text_of(path) == f"OPENAI_API_KEY={A}\n"


@pytest.mark.parametrize("kind", ["link", "hard link", "folder of another mode"])
def test_clean_writes_through_no_links(home: VaultHome, kind: str) -> None:
    text = f"OPENAI_API_KEY={A}\n"
    path, other = put(home, "real/.env", text), home.folder + "/.env"
    if kind == "link":
        os.symlink(path, other)
    elif kind == "hard link":
        os.link(path, other)
    else:
        put(home, ".env", text)
        os.chmod(home.folder + "/.env", 0o400)
    done = home.run("import", "--clean", "--yes", ".env")
    if kind == "folder of another mode":
        assert (text_of(other), stat.S_IMODE(os.stat(other).st_mode)) == ("", 0o400)
    else:
        assert b"it was left as it is" in done.stderr
        assert text_of(path) == text
    assert exported(home)["OPENAI_API_KEY"] == A


def test_a_value_that_cannot_be_taken_out_safely_is_told_and_stays(home: VaultHome) -> None:
    text = f"export OPENAI_API_KEY={A}\necho \"it's\necho 'never closed\n"
    path = put(home, ".bashrc", text)
    done = home.run("import", "--clean", "--yes", path)
    assert b"cannot be edited safely, and still holds openai/default" in done.stderr
    assert text_of(path) == text


def test_equal_values_are_one_key_with_all_their_variables(home: VaultHome) -> None:
    one = put(home, "a.env", f"HF_TOKEN=hf_{'a' * 34}\n")
    two = put(home, "b.env", f"HUGGINGFACE_API_KEY=hf_{'a' * 34}\nMY_THING=hf_{'a' * 34}\n")
    (key,) = preview(home, "import", one, two)["keys"]
    assert (key["ref"], key["vendor_is"], key["env"]) == (
        "huggingface/default",
        "certain",
        ["HF_TOKEN", "HUGGINGFACE_API_KEY", "MY_THING"],
    )
    assert [(os.path.basename(p["path"]), p["line"]) for p in key["places"]] == [("a.env", 1), ("b.env", 1), ("b.env", 2)]
    home.run("import", "--yes", one)
    assert [k["action"] for k in preview(home, "import", two)["keys"]] == ["add variable"]
    home.run("import", "--yes", two)
    assert exported(home)["MY_THING"] == "hf_" + "a" * 34
    assert json.loads(home.run("list", "--json").stdout)["keys"][0]["versions"] == 1


def test_import_says_what_it_cannot_read(home: VaultHome) -> None:
    path = put(home, "x.json", "{]")
    assert b"x.json: line 1 is not JSON" in home.run("import", path, code=2).stderr
    assert b"import needs a source" in home.run("import", code=2).stderr
    assert b"--undo takes no source" in home.run("import", "--undo", "x", path, code=2).stderr
    assert b"is not text" in home.run("import", put(home, "x.bin", "a\0b"), code=2).stderr
    assert b"name a file, not a folder" in home.run("import", home.folder, code=1).stderr


def test_another_kind_can_be_said(home: VaultHome) -> None:
    path = put(home, "notes", f"export GROQ_API_KEY={B}; # x\n")
    (key,) = preview(home, "import", "--from", "shell", path)["keys"]
    assert key["masked"] == "…2222"
    assert re.search(rb"no such option|invalid value", home.run("import", "--from", "nothing", path, code=2).stderr)


def test_a_replaced_file_keeps_its_mode(tmp_path: os.PathLike[str]) -> None:
    path = write(f"{tmp_path}/x", "a", 0o604)
    replace_own(path, b"b", 0o604)
    assert (text_of(path), stat.S_IMODE(os.stat(path).st_mode)) == ("b", 0o604)


def test_import_notes_which_files_hold_a_key_until_they_are_cleaned(home: VaultHome) -> None:
    first = put(home, "app/.env", f"OPENAI_API_KEY={A}\n")
    second = put(home, ".zshrc", f"export OPENAI_API_KEY={A}\n")
    home.run("import", "--yes", "app/.env", ".zshrc")
    held = json.loads(home.run("show", "openai", "--json").stdout)["places"]
    assert sorted((place["kind"], place["path"]) for place in held) == [("dotenv", first), ("zsh", second)]
    home.run("import", "--yes", "--clean", ".zshrc")
    assert [place["path"] for place in json.loads(home.run("show", "openai", "--json").stdout)["places"]] == [first]


def test_import_notes_no_file_that_holds_another_value(home: VaultHome) -> None:
    home.run("add", "openai", "--stdin", stdin=b"quite another value")
    put(home, ".env", f"OPENAI_API_KEY={A}\n")
    home.run("import", "--yes", ".env")
    assert json.loads(home.run("show", "openai", "--json").stdout)["places"] == []


SETTINGS = f"""
OPENAI_API_KEY={A}
OPENAI_BASE_URL=https://gateway.example.com/v1
DEBUG=true
PORT=8080
MAX_TOKENS=4096
MODEL=claude-3-5-sonnet-20241022
DATABASE_URL=postgres://me:pa55word@db.example.com/app
SMTP_PASS=1234
SIGNING_KEY=your-key-here
SESSION=9f8e7d6c5b4a39281706f5e4d3c2b1a0
"""
LEFT_OUT = ["OPENAI_BASE_URL", "DEBUG", "PORT", "MAX_TOKENS", "MODEL", "SIGNING_KEY"]


def test_settings_in_a_env_file_are_left_out_and_told_unless_all_is_wanted(home: VaultHome) -> None:
    path = put(home, ".env", SETTINGS)
    seen = preview(home, "import", path)
    assert [key["env"][0] for key in seen["keys"]] == ["OPENAI_API_KEY", "DATABASE_URL", "SMTP_PASS", "SESSION"]
    told = f"{path} has settings that look like no keys, and were left out: {', '.join(LEFT_OUT)}; --all takes them in"
    assert seen["skipped"] == [told]
    assert told.encode() in home.run("import", path, "--yes").stderr
    assert not exported(home).keys() & set(LEFT_OUT)
    found = preview(home, "discover", home.folder)
    assert {key["action"] for key in found["keys"]} == {"already there"}  # both mean the same by a key
    home.run("import", path, "--all", "--yes", "--clean")
    assert exported(home).keys() >= set(LEFT_OUT)
    kept = [line.partition("=")[0] for line in text_of(path).split()]
    assert kept == LEFT_OUT  # what was taken in though it is no key stays in its file


def test_a_env_file_of_settings_alone_gives_nothing_and_asks_nothing(home: VaultHome) -> None:
    done = home.run("import", put(home, ".env", "".join(f"NAME_{n}={n}\n" for n in range(20))))
    assert b"NAME_11, ...; --all takes them in" in done.stderr
    assert done.stdout == b""


def test_the_count_of_places_ends_where_it_says(home: VaultHome) -> None:
    for n in range(5):
        put(home, f"p{n}/.env", "PORT=1\n")
    seen = Terminal(home, "discover", columns=100).end()
    counts = re.findall(r"(\d+)/(\d+)", seen)
    assert counts[-1][0] == counts[-1][1]
    assert all(int(done) <= int(of_all) for done, of_all in counts)
