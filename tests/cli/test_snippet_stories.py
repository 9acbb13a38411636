"""`snippet`, as a person meets it: the text of one's own key, with its variable and its address, and never its value."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from vaults import COMMAND, VaultHome

from keyvault.providers.snippets import LANGS
from keyvault.vault import changes

VALUE = "sk-or-v1-" + "0123456789abcdef" * 4


@pytest.fixture
def home(home: VaultHome) -> VaultHome:
    home.run("add", "openrouter/work", "--stdin", stdin=VALUE.encode())
    return home


def test_a_text_for_every_language_and_never_the_key(home: VaultHome) -> None:
    before = home.run("list", "--json").stdout
    for lang in LANGS:
        printed = home.run("snippet", "openrouter/work", "--lang", lang)
        assert b"openrouter/work" in printed.stdout
        assert VALUE.encode()[9:] not in printed.stdout + printed.stderr
    assert home.run("list", "--json").stdout == before  # nothing was used
    assert b"keyvault run --only openrouter/work -- PROGRAM" in home.run("snippet", "openrouter/work").stdout
    assert b"chatbox" in home.run("snippet", "openrouter/work", "--lang", "perl", code=2).stderr


def test_the_keys_own_variable_and_address_are_used(home: VaultHome) -> None:
    home.run("add", "acme/main", "--stdin", "--env", "ACME_TOKEN", "--base-url", "https://acme.example/v1", stdin=b"one")
    text = home.run("snippet", "acme/main", "--lang", "python").stdout.decode()
    assert 'OpenAI(api_key=os.environ["ACME_TOKEN"], base_url="https://acme.example/v1")' in text
    assert home.run("snippet", "acme/main", "--lang", "env").stdout.decode().splitlines()[1:] == [
        "export OPENAI_BASE_URL=https://acme.example/v1",
        'export OPENAI_API_KEY="$ACME_TOKEN"',
    ]
    host = home.run("snippet", "acme/main", "--lang", "chatbox").stdout.decode()
    assert "API Host      https://acme.example\n" in host
    assert "API Path      /v1/chat/completions\n" in host
    assert "keyvault get acme/main --copy" in host


def test_a_field_is_read_from_the_variable_that_the_key_gives_it(home: VaultHome) -> None:
    home.run("add", "gitlab", "--stdin", "--field", "host=https://git.example", stdin=b"glpat-0")
    text = home.run("snippet", "gitlab", "--lang", "python").stdout.decode()
    assert 'os.environ["GITLAB_HOST"] + "/api/v4/personal_access_tokens/self"' in text


def test_the_env_text_sends_programs_made_for_openai_to_the_vendor(home: VaultHome, programs: dict[str, str]) -> None:
    text = home.run("snippet", "openrouter/work", "--lang", "env").stdout.decode()
    first, rest = text.split("\n", 1)
    call = first.removeprefix("# first, for this shell: ").replace("keyvault", " ".join(COMMAND), 1)
    show = f'{sys.executable} -c \'import os; print(os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"])\''
    done = subprocess.run(
        [programs["bash"], "-c", f"{call}\n{rest}\n{show}"],
        env=home.environment,
        cwd=home.folder,
        capture_output=True,
        timeout=60,
        check=True,
        text=True,
    )
    assert done.stdout == f"https://openrouter.ai/api/v1 {VALUE}\n"


def page() -> str:
    path = Path(__file__).parents[2] / "docs" / "how-to" / "use-a-key.md"
    return path.read_text(encoding="utf-8")


def test_the_texts_on_the_page_are_those_that_are_printed(home: VaultHome) -> None:
    home.run("rename", "openrouter/work", "openrouter")
    for lang in ("curl", "env"):
        first, rest = home.run("snippet", "openrouter", "--lang", lang).stdout.decode().split("\n", 1)
        call = first.removeprefix("# first, for this shell: ").replace("openrouter/default", "openrouter")
        assert f"```sh\n{call}\n{rest}```\n" in page()


def test_an_mcp_server_gets_the_key_that_its_entry_names_and_no_other(home: VaultHome) -> None:
    (text,) = re.findall(r"```json\n(.*?)```", page(), re.DOTALL)
    words = json.loads(text)["mcpServers"]["github"]["args"]
    home.run("add", "github", "--stdin", stdin=b"the value of github")
    home.run("edit", "github", "--env", "GITHUB_TOKEN", "--env", "GITHUB_PERSONAL_ACCESS_TOKEN")
    server = ["sh", "-c", 'cat; echo "$GITHUB_TOKEN|$GITHUB_PERSONAL_ACCESS_TOKEN|$OPENROUTER_API_KEY"']
    done = home.run(*words[: words.index("--") + 1], *server, stdin=b'{"jsonrpc": "2.0"}\n')
    assert done.stdout == b'{"jsonrpc": "2.0"}\nthe value of github|the value of github|\n'


def test_what_cannot_be_told_is_refused_with_what_to_do(home: VaultHome) -> None:
    home.run("add", "acme/bare", "--stdin", "--env", "ACME_TOKEN", stdin=b"one")
    assert b"keyvault edit acme/bare --base-url URL" in home.run("snippet", "acme/bare", "--lang", "curl", code=2).stderr
    home.run("snippet", "acme/bare", "--lang", "chatbox", code=2)
    home.run("snippet", "nothing", code=3)
    home.run("rm", "acme/bare")
    home.run("snippet", "acme/bare", code=3)
    vault = home.open()
    with vault.transaction("add") as tx:
        evil = {"variables": {"EVIL": ""}, "base_url": "https://x.example/\x1b[2J';id;'"}
        changes.add(tx, "acme/evil", {"": "v"}, evil, 1_790_000_000)
        changes.add(
            tx, "acme/silent", {"": "v", "part": "p"}, {"variables": {"PART": "part"}, "fields": {"part": True}}, 1_790_000_000
        )
    vault.store.close()
    for lang in LANGS:
        done = home.run("snippet", "acme/evil", "--lang", lang, code=2)
        assert done.stdout == b""
        assert b"id;" not in done.stderr
    assert b"is exported under no variable" in home.run("snippet", "acme/silent", code=2).stderr
