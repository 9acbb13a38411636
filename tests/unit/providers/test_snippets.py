"""Every vendor's usage text, in every language, is read by that language's own program, and holds no address it should not."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from internet import Internet, as_json

from keyvault.core.errors import InvalidInput
from keyvault.providers import catalogue
from keyvault.providers.schema import Check, Field, Provider
from keyvault.providers.snippets import LANGS, Use, openai_base, snippet

if TYPE_CHECKING:
    from conftest import Programs

VENDORS = catalogue.our_own()
# A vendor's file may hold any printable character in a header or a body.
AWKWARD = 'it\'s "50%" of $HOME `id` \\n {}'
OWN = Provider(
    id="own",
    name="Our\x1b[2J\nown",
    variables=("OWN_API_KEY",),
    base_url="https://own.example/v1",
    docs_url="https://own.example/\ndocs",
    fields={
        "tenant": Field(variable="OWN_TENANT", secret=False, default="main"),
        "user": Field(variable="OWN_USER", secret=True),
    },
    checks=(
        Check(
            method="POST",
            urls=("https://own.example/v1/{tenant}/me?as={user}",),
            headers={"X-Key": "Key {key}!", "X-Awkward": AWKWARD},
            basic=("{user}", "{key}"),
            body='{"a": "' + AWKWARD.replace('"', "'").replace("\\", "") + '"}',
        ),
    ),
)


def use_of(provider: Provider | None, base_url: str = "", ref: str = "") -> Use:
    variable = provider.variables[0] if provider else "ACME_TOKEN"
    return Use(ref or f"{provider.id if provider else 'acme'}/work", provider, variable, {}, base_url)


def every(lang: str) -> Iterator[tuple[str, str]]:
    """All texts of a language that there are."""
    for provider in (*VENDORS, OWN, None):
        for base_url in ("", "https://relay.example:8443/a/v1/", "http://localhost:3000/v1"):
            try:
                yield f"{provider.id if provider else 'none'}-{len(base_url)}", snippet(use_of(provider, base_url), lang)
            except InvalidInput as exc:
                assert exc.hint


def test_python_compiles_it() -> None:
    texts = dict(every("python"))
    assert len(texts) == 3 * (len(VENDORS) + 2)
    for name, text in texts.items():
        tree = ast.parse(text)
        compile(text, name, "exec")
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert "os" in imported
        assert all(line in ("", *text.splitlines()) for line in text.splitlines())


def test_node_checks_it(programs: Programs, tmp_path: Path) -> None:
    seen: set[str] = set()
    for name, text in every("node"):
        shape = re.sub(r'"https?://[^"]*"|process\.env\.\w+|^//.*$|// what to do.*', "X", text, flags=re.MULTILINE)
        if shape in seen:
            continue  # the same but for addresses and names
        seen.add(shape)
        path = tmp_path / f"{name}.mjs"
        path.write_text(text)
        subprocess.run([programs["node"], "--check", str(path)], check=True, timeout=60, capture_output=True)
    assert len(seen) >= 10


def test_r_parses_it(programs: Programs, tmp_path: Path) -> None:
    count = 0
    for name, text in every("r"):
        (tmp_path / f"{name}.R").write_text(text)
        count += 1
    program = f'files <- list.files("{tmp_path}", full.names = TRUE); for (f in files) parse(f); cat(length(files))'
    done = subprocess.run([programs["R"], "-s", "-e", program], check=True, timeout=120, capture_output=True)
    assert int(done.stdout) == count >= 200


@pytest.mark.parametrize("lang", ["curl", "shell", "env"])
@pytest.mark.parametrize("program", ["sh", "bash", "zsh"])
def test_shells_parse_it(programs: Programs, lang: str, program: str) -> None:
    text = "\n".join(text for _, text in every(lang))
    subprocess.run([programs[program], "-n"], input=text.encode(), check=True, timeout=60)


@pytest.mark.parametrize("lang", LANGS)
def test_texts_are_printable_and_name_the_variable_or_the_ref(lang: str) -> None:
    for name, text in every(lang):
        assert all(line.isprintable() for line in text.splitlines()), name
        assert "/work" in text, name
        assert text.endswith("\n")
        assert "\\x1b" not in text or lang == "chatbox"


def test_the_places_where_openais_api_is_spoken() -> None:
    spoken = {provider.id: openai_base(use_of(provider)) for provider in VENDORS}
    assert spoken["openai"] == "https://api.openai.com/v1"
    assert spoken["openrouter"] == "https://openrouter.ai/api/v1"
    assert spoken["google-gemini"] == "https://generativelanguage.googleapis.com/v1beta/openai"
    assert spoken["wandb"] == "https://api.inference.wandb.ai/v1"
    gemini, wandb = catalogue.get("google-gemini"), catalogue.get("wandb")
    assert openai_base(use_of(gemini, gemini.base_url + "/")) == spoken["google-gemini"]
    alone = Provider(id="wandb", name="mine", variables=("X",), base_url="https://mine.example/v1", openai_compatible=True)
    assert openai_base(use_of(alone)) == "https://mine.example/v1"  # a person's own file in the place of ours
    assert openai_base(use_of(wandb, "https://relay.example/v1")) == "https://relay.example/v1"
    assert spoken["azure-openai"] == spoken["anthropic"] == spoken["github"] == ""
    assert {provider.id for provider in VENDORS if provider.openai_compatible and not spoken[provider.id]} == {"azure-openai"}


def test_vendors_with_libraries_of_their_own_are_used_through_them() -> None:
    anthropic, gemini = catalogue.get("anthropic"), catalogue.get("google-gemini")
    assert 'anthropic.Anthropic(api_key=os.environ["ANTHROPIC_API_KEY"])' in snippet(use_of(anthropic), "python")
    relayed = snippet(use_of(anthropic, "https://relay.example"), "python")
    assert 'Anthropic(api_key=os.environ["ANTHROPIC_API_KEY"], base_url="https://relay.example")' in relayed
    assert 'baseURL: "https://relay.example"' in snippet(use_of(anthropic, "https://relay.example"), "node")
    assert "https://relay.example/v1/models" in snippet(use_of(anthropic, "https://relay.example"), "curl")
    token = use_of(anthropic)._replace(variable="ANTHROPIC_AUTH_TOKEN")
    assert 'auth_token=os.environ["ANTHROPIC_AUTH_TOKEN"]' in snippet(token, "python")
    assert "authToken: process.env.ANTHROPIC_AUTH_TOKEN" in snippet(token, "node")
    assert "genai.Client(api_key=" in snippet(use_of(gemini), "python")
    assert "Provider      Claude\n" in snippet(use_of(anthropic), "chatbox")
    assert "ANTHROPIC_BASE_URL=https://relay.example\n" in snippet(use_of(anthropic, "https://relay.example"), "env")


BASES = [
    "http://example.com/v1",
    "https://user:pw@example.com",
    "ftp://example.com",
    "not a url",
    'https://example.com/"; import os #',
    "https://example.com/$(id)",
    "https://example.com/`id`",
    "https://example.com/'; id '",
    "https://example.com/\\",
    "https://example.com/a b",
    "https://example.com/\x1b[2J",
    "https://example.com/\u202e",
    "https://{host}/v1",
    "https://exa mple.com",
    "{endpoint}",
    "{endpoint}'; id",
]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("base", BASES)
def test_a_base_url_that_no_key_may_go_to_is_in_no_text(lang: str, base: str) -> None:
    for provider in (catalogue.get("openai"), catalogue.get("anthropic"), None):
        with pytest.raises(InvalidInput, match="is not one that a key may be sent to"):
            snippet(use_of(provider, base), lang)


KEY = "sk-or-v1-0123456789abcdef+/=%"


@pytest.mark.parametrize("program", ["sh", "bash", "zsh", "fish"])
def test_curl_sends_the_key_to_the_vendor_and_shows_it_to_no_other_process(
    programs: Programs, net: Internet, tmp_path: Path, program: str
) -> None:
    net.hosts["openrouter.ai"] = lambda _: as_json(200, {"data": "it works"})
    spy = tmp_path / "bin" / "curl"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/argv\nexec {programs["curl"]} "$@"\n')
    spy.chmod(0o755)
    (tmp_path / "text").write_text(snippet(use_of(catalogue.get("openrouter")), "curl"))
    environment = {
        **net.environment(),
        "PATH": f"{spy.parent}:{os.environ['PATH']}",
        "OPENROUTER_API_KEY": KEY,
        "HOME": str(tmp_path),
        "CURL_CA_BUNDLE": str(net.ca_file),
    }
    done = subprocess.run(
        [programs[program], str(tmp_path / "text")], env=environment, capture_output=True, timeout=60, check=True, text=True
    )
    assert "it works" in done.stdout
    (asked,) = net.of("openrouter.ai")
    assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/api/v1/key", f"Bearer {KEY}")
    assert KEY not in (tmp_path / "argv").read_text()


def test_awkward_headers_bodies_and_fields_arrive_as_the_vendors_file_says(
    programs: Programs, net: Internet, tmp_path: Path
) -> None:
    net.hosts["own.example"] = lambda _: as_json(200, {})
    environment = {
        **net.environment(),
        "PATH": os.environ["PATH"],
        "OWN_API_KEY": KEY,
        "OWN_USER": "somebody",
        "HOME": str(tmp_path),
        "CURL_CA_BUNDLE": str(net.ca_file),
    }
    use = use_of(OWN)._replace(fields={"user": "OWN_USER"})
    for lang, command in (("curl", [programs["sh"]]), ("python", [sys.executable])):
        (tmp_path / "text").write_text(snippet(use, lang))
        subprocess.run([*command, str(tmp_path / "text")], env=environment, capture_output=True, timeout=60, check=True)
    curl, python = net.of("own.example")
    basic = httpx.BasicAuth("somebody", KEY)._auth_header
    for asked in (curl, python):
        assert (asked.method, asked.path) == ("POST", "/v1/main/me?as=somebody")
        assert asked.headers["x-key"] == f"Key {KEY}!"
        assert asked.headers["x-awkward"] == AWKWARD
        assert asked.headers["authorization"] == basic
        assert asked.body == OWN.checks[0].body
