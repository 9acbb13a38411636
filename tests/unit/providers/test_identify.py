"""Whose key is this: `identify`, and what `add` makes of it. Nothing is sent to find out."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from internet import Internet, Reply
from vaults import VaultHome

from keyvault.providers import identify

OPENROUTER = "sk-or-v1-" + "0123456789abcdef" * 4
DEEPSEEK_LIKE = "sk-" + "0123456789abcdef" * 2
ANTHROPIC = "sk-ant-api03-" + "Aa0_-" * 18 + "abcAA"
# Published by their owner after they had expired, as samples of the checksum (therootcompany/base62-token.js).
DEAD_GITHUB = [
    "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",
    "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",
    "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",
    "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",
    "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",
    "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",
    "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",
    "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",
]


@pytest.fixture(autouse=True)
def no_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Internet]:
    """Records who is asked; every vendor would answer."""
    internet = Internet(tmp_path)
    for host in ("openrouter.ai", "api.deepseek.com", "dashscope.aliyuncs.com", "api.anthropic.com", "api.github.com"):
        internet.hosts[host] = lambda asked: Reply(200)
    yield internet
    internet.close()


@pytest.fixture
def home(tmp_path: Path) -> VaultHome:
    folder = tmp_path / "home"
    folder.mkdir(0o700)
    home = VaultHome(str(folder))
    home.create()
    return home


# ---------------------------------------------------------------- checksums


def test_dead_github_tokens_that_were_published_have_right_checksums() -> None:
    base = 62
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    for token in DEAD_GITHUB:
        number = binascii.crc32(token[4:34].encode())
        spelled = "".join(digits[number // base**place % base] for place in range(5, -1, -1))
        assert token[34:] == spelled, "the samples themselves, by the published description"
        (found,) = identify.candidates(token)[:1]
        assert (found.provider.id, found.pattern.kind, found.certain, found.checksum_wrong) == (
            "github",
            "classic PAT",
            True,
            False,
        )


@pytest.mark.parametrize("token", DEAD_GITHUB)
def test_one_wrong_character_breaks_the_checksum(token: str) -> None:
    for place in range(4, 40):
        changed = token[:place] + ("a" if token[place] != "a" else "b") + token[place + 1 :]
        assert identify.owner_of(changed) is None
        assert [c.checksum_wrong for c in identify.candidates(changed) if c.provider.id == "github"] == [True]


def test_a_checksum_of_which_the_number_is_too_large_is_wrong() -> None:
    found = identify.candidates("ghp_" + "a" * 30 + "zzzzzz")
    assert [c.checksum_wrong for c in found if c.provider.id == "github"] == [True]
    assert not any(c.certain for c in found)


# ---------------------------------------------------------------- order


def test_a_vendor_with_a_shape_of_its_own_comes_before_those_that_share_one() -> None:
    found = identify.candidates(DEAD_GITHUB[0])  # 40 characters, which other vendors' tokens have too
    assert len(found) > 1
    assert found[0].provider.id == "github"
    assert [c.certain for c in found] == [True] + [False] * (len(found) - 1)


def test_a_shape_of_many_is_nobody_s_and_always_in_the_same_order() -> None:
    found = identify.candidates("0" * 40)
    assert {"aws", "cloudflare", "cohere", "deepgram", "wandb", "serper"} <= {c.provider.id for c in found}
    assert not any(c.certain for c in found)
    assert found == identify.candidates("0" * 40)


def test_a_longer_prefix_and_a_better_source_come_first() -> None:
    found = identify.candidates("sk-None-" + "a" * 48)
    assert found[0].provider.id == "openai"
    assert found[0].certain


# ---------------------------------------------------------------- the command


def test_identify_tells_the_vendor_and_sends_nothing(home: VaultHome, net: Internet) -> None:
    done = home.run("identify", "--stdin", stdin=OPENROUTER.encode(), env=net.environment())
    assert b"openrouter" in done.stdout
    assert b"certain" in done.stdout
    assert OPENROUTER.encode() not in done.stdout + done.stderr
    home.run("identify", "--stdin", stdin=DEEPSEEK_LIKE.encode(), env=net.environment())
    home.run("add", "--stdin", stdin=ANTHROPIC.encode(), env=net.environment())
    home.run("add", "--stdin", stdin=DEEPSEEK_LIKE.encode(), env=net.environment(), code=2)
    home.run("add", "mistral", "--stdin", stdin=OPENROUTER.encode(), env=net.environment())
    assert net.connects == []
    assert net.asked == []


def test_identify_as_json_has_the_candidates_in_order(home: VaultHome) -> None:
    done = home.run("identify", "--stdin", "--json", stdin=OPENROUTER.encode())
    assert json.loads(done.stdout) == {"candidates": [{"provider": "openrouter", "kind": "API key", "certain": True}]}
    shared = json.loads(home.run("identify", "--stdin", "--json", stdin=DEEPSEEK_LIKE.encode()).stdout)["candidates"]
    assert {"deepseek", "alibaba-bailian", "baichuan"} <= {entry["provider"] for entry in shared}
    assert {entry["certain"] for entry in shared} == {False}
    nobody = home.run("identify", "--stdin", "--json", stdin=b"correct horse battery staple")
    assert json.loads(nobody.stdout)["candidates"] == []


def test_identify_says_that_a_shared_shape_does_not_decide(home: VaultHome) -> None:
    done = home.run("identify", "--stdin", stdin=DEEPSEEK_LIKE.encode())
    assert b"possible" in done.stdout
    assert b"certain" not in done.stdout


def test_identify_of_what_nobody_has_is_not_found(home: VaultHome) -> None:
    done = home.run("identify", "--stdin", stdin=b"correct horse battery staple", code=3)
    assert b"no vendor in the catalogue" in done.stderr
    assert b"battery" not in done.stderr


@pytest.mark.parametrize("end", ["\n", "\r\n", "  ", "\n\n"])
def test_a_line_end_behind_the_key_does_not_hide_whose_it_is(end: str, home: VaultHome) -> None:
    assert b"openrouter" in home.run("identify", "--stdin", stdin=f" {OPENROUTER}{end}".encode()).stdout
    done = home.run("add", "--stdin", stdin=f"{OPENROUTER}{end}".encode())
    assert b"which was kept" in done.stderr
    assert home.run("get", "openrouter", "--reveal").stdout == f"{OPENROUTER}{end}".encode()


def test_a_wrong_checksum_is_told_as_one(home: VaultHome) -> None:
    wrong = DEAD_GITHUB[0][:-1] + "8"
    assert b"its checksum is wrong" in home.run("identify", "--stdin", stdin=wrong.encode()).stdout
    assert b"its checksum is wrong" in home.run("add", "github", "--stdin", stdin=wrong.encode()).stderr
    assert b"could be a key of github" in home.run("add", "--stdin", stdin=wrong.encode(), code=2).stderr


# ---------------------------------------------------------------- add


def test_add_without_a_name_takes_the_vendor_that_is_certain(home: VaultHome) -> None:
    home.run("add", "--stdin", stdin=OPENROUTER.encode())
    home.run("add", "--stdin", stdin=ANTHROPIC.encode())
    home.run("add", "--stdin", stdin=DEAD_GITHUB[1].encode())
    keys = json.loads(home.run("list", "--json").stdout)["keys"]
    assert {key["ref"] for key in keys} == {"openrouter/default", "anthropic/default", "github/default"}


def test_add_without_a_name_names_the_candidates_and_stores_nothing(home: VaultHome) -> None:
    done = home.run("add", "--stdin", stdin=DEEPSEEK_LIKE.encode(), code=2)
    for vendor in (b"alibaba-bailian", b"deepseek", b"baichuan"):
        assert vendor in done.stderr
    assert b"name it: keyvault add" in done.stderr
    assert DEEPSEEK_LIKE.encode() not in done.stderr
    unknown = home.run("add", "--stdin", stdin=b"correct horse battery staple", code=2)
    assert b"does not tell whose key it is" in unknown.stderr
    assert b"battery" not in unknown.stderr
    assert json.loads(home.run("list", "--json").stdout)["keys"] == []


def test_a_key_under_another_vendor_s_name_is_stored_with_a_warning(home: VaultHome) -> None:
    done = home.run("add", "openai", "--stdin", stdin=OPENROUTER.encode())
    assert b"this looks like a key of OpenRouter" in done.stderr
    assert b"openai/default" in done.stderr
    assert home.run("get", "openai", "--reveal").stdout == OPENROUTER.encode()
    with_line_end = home.run("add", "mistral", "--stdin", stdin=OPENROUTER.encode() + b"\n")
    assert b"this looks like a key of OpenRouter" in with_line_end.stderr


@pytest.mark.parametrize(
    ("ref", "value"), [("openrouter", OPENROUTER), ("deepseek", DEEPSEEK_LIKE), ("baichuan", DEEPSEEK_LIKE)]
)
def test_a_key_under_a_fitting_name_is_stored_without_a_warning(ref: str, value: str, home: VaultHome) -> None:
    assert b"warning" not in home.run("add", ref, "--stdin", stdin=value.encode()).stderr
