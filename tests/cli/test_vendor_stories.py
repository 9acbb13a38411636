"""`check`, `balance`, `providers` and `add --open`, as a person meets them. The vendors answer on a loopback internet."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest
from internet import Answerer, Internet, Reply, as_json
from people import Terminal
from vaults import VaultHome

OPENROUTER = "sk-or-v1-" + "0123456789abcdef" * 4
DEEPSEEK = "sk-" + "0123456789abcdef" * 2
OPENAI = "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 74
MOONSHOT = "sk-" + "m" * 48
GROQ = "gsk_" + "g" * 52


def accepts(key: str, good: Reply) -> Answerer:
    """A vendor that knows one key."""
    return lambda asked: good if asked.headers.get("authorization") == f"Bearer {key}" else as_json(401, {"error": "no"})


@pytest.fixture
def five(home: VaultHome, net: Internet) -> VaultHome:
    """Keys of five vendors: good, empty, dead, of another region, and behind a firewall."""
    values = {"openrouter": OPENROUTER, "deepseek": DEEPSEEK, "openai": OPENAI, "moonshot": MOONSHOT, "groq": GROQ}
    for ref, value in values.items():
        home.run("add", ref, "--stdin", stdin=value.encode())
    account = {"currency": "CNY", "total_balance": "0.00", "granted_balance": "0.00", "topped_up_balance": "0.00"}
    key = {"limit_remaining": 7.5, "usage": 2.5, "usage_monthly": 1.25, "is_free_tier": False, "limit": 10, "limit_reset": None}
    lacking = as_json(403, {"error": {"message": "Only management keys can perform this operation"}})
    net.hosts |= {
        "openrouter.ai": lambda asked: as_json(200, {"data": key}) if asked.path == "/api/v1/key" else lacking,
        "api.deepseek.com": accepts(DEEPSEEK, as_json(200, {"is_available": False, "balance_infos": [account]})),
        "api.openai.com": lambda _: as_json(
            401, {"error": {"code": "invalid_api_key", "message": f"Incorrect: {OPENAI[:12]}***"}}
        ),
        "api.moonshot.cn": lambda _: as_json(401, {"error": {"type": "incorrect_api_key_error"}}),
        "api.moonshot.ai": accepts(
            MOONSHOT, as_json(200, {"data": {"available_balance": 3, "cash_balance": -1, "voucher_balance": 4}})
        ),
        "api.groq.com": lambda _: Reply(403, "<!DOCTYPE html><title>Attention</title>", {"Content-Type": "text/html"}),
    }
    return home


def test_check_tells_what_each_answer_means_and_what_to_do(five: VaultHome, net: Internet) -> None:
    printed = five.run("check", env=net.environment(), code=7).stdout.decode()
    rows = {row.split()[0]: row for row in printed.split("\n\n")[0].splitlines()[1:]}
    assert re.search(r"valid +yes +it works", rows["openrouter/default"])
    assert re.search(r"no credit +no ", rows["deepseek/default"])
    assert re.search(r"invalid +no ", rows["openai/default"])
    assert re.search(r"valid +yes +at api\.moonshot\.ai: it works", rows["moonshot/default"])
    assert re.search(r"unknown +\? +a web page came back \(403\)", rows["groq/default"])
    todo = printed.split("What to do:\n")[1]
    assert "openai/default: make a new one at https://platform.openai.com/api-keys, then: keyvault edit --value" in todo
    assert "deepseek/default: top up the account at https://platform.deepseek.com" in todo
    assert "openrouter/default" not in todo


def test_a_rejected_key_that_looks_like_another_vendors_is_said_to(five: VaultHome, net: Internet) -> None:
    five.run("add", "openai/mixed-up", "--stdin", stdin=OPENROUTER.encode())
    printed = five.run("check", "openai/mixed-up", env=net.environment(), code=7).stdout.decode()
    assert "it looks like a key of OpenRouter" in printed
    assert "keyvault rename openai/mixed-up openrouter/mixed-up" in printed


def test_check_sends_each_key_to_its_own_vendor_only(five: VaultHome, net: Internet) -> None:
    five.run("check", env=net.environment(), code=7)
    owners = {OPENROUTER: "openrouter.ai", DEEPSEEK: "api.deepseek.com", OPENAI: "api.openai.com", GROQ: "api.groq.com"}
    for key, host in owners.items():
        assert {asked.host for asked in net.asked if key in str(asked)} == {host}
    assert {asked.host for asked in net.asked if MOONSHOT in str(asked)} == {"api.moonshot.cn", "api.moonshot.ai"}


def test_check_keeps_what_it_heard_for_list_and_show_in_one_commit(five: VaultHome, net: Internet) -> None:
    five.run("check", env=net.environment(), code=7)
    listed = {key["ref"]: key for key in json.loads(five.run("list", "--json").stdout)["keys"]}
    assert listed["openai/default"]["verdict"] == "invalid"
    assert listed["openrouter/default"]["verdict"] == "valid"
    assert listed["openai/default"]["checked"] is not None
    assert [row["what"] for row in json.loads(five.run("log", "--json", "-n", "2").stdout)["log"]] == ["check", "add"]
    assert b"no credit" in five.run("list").stdout
    assert b"invalid on " in five.run("show", "openai").stdout


def test_a_new_value_has_no_verdict_until_it_is_checked(five: VaultHome, net: Internet) -> None:
    five.run("check", "openai", env=net.environment(), code=7)
    five.run("edit", "openai", "--value", "--stdin", stdin=OPENAI.replace("a", "c").encode())
    assert json.loads(five.run("show", "openai", "--json").stdout)["verdict"] is None
    five.run("rollback", "openai")
    assert json.loads(five.run("show", "openai", "--json").stdout)["verdict"] == "invalid"


def test_check_of_named_keys_asks_about_those_alone(five: VaultHome, net: Internet) -> None:
    five.run("check", "openrouter", "openrouter/default", env=net.environment())
    assert net.connects == ["openrouter.ai:443"]
    five.run("check", "openrouter", "nobody", env=net.environment(), code=3)
    assert net.connects == ["openrouter.ai:443"]


@pytest.mark.parametrize(
    ("fail_on", "code"), [("none", 0), ("no_credit", 7), ("rate_limited,disabled", 0), ("unknown", 7), ("dead", 2)]
)
def test_fail_on_chooses_what_the_exit_code_is_about(five: VaultHome, net: Internet, fail_on: str, code: int) -> None:
    five.run("check", "--fail-on", fail_on, env=net.environment(), code=code)


def test_strict_takes_401_and_403_as_invalid(five: VaultHome, net: Internet) -> None:
    results = json.loads(five.run("check", "--strict", "--json", env=net.environment(), code=7).stdout)["results"]
    found = {result["ref"].partition("/")[0]: result["verdict"] for result in results}
    assert found == {"openrouter": "valid", "deepseek": "valid", "openai": "invalid", "moonshot": "invalid", "groq": "invalid"}


def test_nothing_reached_is_8_and_one_reached_is_not(five: VaultHome, net: Internet) -> None:
    net.hosts = {"openrouter.ai": net.hosts["openrouter.ai"]}
    five.run("check", "openai", "groq", "--timeout", "2", env=net.environment(), code=8)
    five.run("add", "acme", "--env", "ACME_API_KEY", "--stdin", stdin=b"a key that nobody can be asked about")
    five.run("check", "openai", "acme", "--timeout", "2", env=net.environment(), code=8)
    five.run("check", "openai", "openrouter", "--timeout", "2", env=net.environment(), code=0)
    assert json.loads(five.run("show", "openai", "--json").stdout)["verdict"] == "unreachable"


def test_an_empty_vault_and_a_key_that_nobody_can_be_asked_about(home: VaultHome, net: Internet) -> None:
    assert home.run("check", env=net.environment()).stdout == b"no keys yet\n"
    assert json.loads(home.run("check", "--json", env=net.environment()).stdout) == {"results": []}
    home.run("add", "acme", "--env", "ACME_API_KEY", "--stdin", stdin=b"secret-of-acme")
    printed = home.run("check", env=net.environment()).stdout.decode()
    assert "unknown" in printed
    assert "keyvault edit acme/default --base-url URL" in printed
    assert net.connects == []


def test_a_key_with_a_base_url_is_checked_there_and_a_public_listing_proves_nothing(home: VaultHome, net: Internet) -> None:
    home.run("add", "acme", "--env", "A", "--base-url", "https://relay.example/v1", "--stdin", stdin=b"secret-of-acme")
    net.hosts["relay.example"] = lambda _: as_json(200, {"data": []})
    assert b"gives the same answer without a key" in home.run("check", env=net.environment()).stdout
    net.hosts["relay.example"] = accepts("secret-of-acme", as_json(200, {"data": []}))
    assert b"it works" in home.run("check", env=net.environment()).stdout
    assert {asked.path for asked in net.asked} == {"/v1/models"}
    net.hosts["relay.example"] = lambda _: as_json(401, {})
    home.run("check", env=net.environment(), code=7)


def test_chatanywhere_is_asked_at_the_host_that_the_key_is_for(home: VaultHome, net: Internet) -> None:
    home.run("add", "chatanywhere", "--base-url", "https://api.chatanywhere.org/v1", "--stdin", stdin=b"sk-" + b"c" * 48)
    net.hosts["api.chatanywhere.org"] = lambda asked: (
        as_json(200, {"balanceTotal": 10, "balanceUsed": 2.5})
        if asked.headers["authorization"] == "sk-" + "c" * 48
        else Reply(401)
    )
    assert b"valid" in home.run("check", env=net.environment()).stdout
    assert b"7.50 CA credits" in home.run("balance", env=net.environment()).stdout
    assert set(net.connects) == {"api.chatanywhere.org:443"}


def test_a_person_sees_how_far_it_is_and_then_the_table(five: VaultHome, net: Internet) -> None:
    terminal = Terminal(five, "check", env=net.environment())
    seen = terminal.end(7)
    assert "checking" in seen
    assert "5/5" in seen
    assert "What to do:" in seen
    assert OPENAI not in seen
    assert "checking" not in five.run("check", env=net.environment(), code=7).stderr.decode()


def test_ctrl_c_keeps_what_was_heard(five: VaultHome, net: Internet) -> None:
    async def silent(*_: object) -> None:
        await asyncio.sleep(60)

    net.raw["api.groq.com"] = silent
    terminal = Terminal(five, "check", "--timeout", "50", env=net.environment())
    terminal.press("4/5", "c")
    terminal.end(130)
    assert json.loads(five.run("show", "openai", "--json").stdout)["verdict"] == "invalid"
    assert json.loads(five.run("show", "groq", "--json").stdout)["verdict"] is None


def test_balance_tells_amounts_parts_and_currencies_and_keeps_them(five: VaultHome, net: Internet) -> None:
    printed = five.run("balance", env=net.environment()).stdout.decode()
    rows = {row.split()[0]: row for row in printed.splitlines()[1:]}
    assert re.search(r"7\.5(0)? USD +key +spent this month: 1\.25", rows["openrouter/default"])
    assert re.search(r"0\.00 CNY +account +gift 0\.00 CNY, topped up 0\.00 CNY", rows["deepseek/default"])
    assert re.search(r"3 USD +account +cash -1 USD, voucher 4 USD", rows["moonshot/default"])
    assert set(rows) == {"openrouter/default", "deepseek/default", "moonshot/default"}
    assert b"0.00 CNY" in five.run("list").stdout
    kept = json.loads(five.run("show", "moonshot", "--json").stdout)["balance"]
    assert kept == [{"scope": "account", "means": "left", "amount": "3", "unit": "USD"}]


@pytest.mark.parametrize(("below", "code"), [("1", 7), ("0", 0), ("-1", 0), ("5", 7), ("much", 2), ("nan", 2)])
def test_below_makes_the_exit_code_7(five: VaultHome, net: Internet, below: str, code: int) -> None:
    five.run("balance", "--below", below, env=net.environment(), code=code)


def test_balance_of_a_vendor_that_tells_none_says_so(five: VaultHome, net: Internet) -> None:
    assert b"the vendor tells no balance" in five.run("balance", "groq", env=net.environment()).stdout
    net.hosts.clear()
    five.run("balance", "deepseek", "--timeout", "2", env=net.environment(), code=8)


def test_providers_lists_all_and_tells_all_about_one_by_any_of_its_names(home: VaultHome) -> None:
    rows = home.run("providers").stdout.decode().splitlines()
    assert len(rows) == 81
    unchecked = {row.split()[0] for row in rows if " no " in row}
    assert unchecked == {"alibaba-cloud", "baichuan", "google-vertex", "iflytek-spark"}
    for name in ("zhipu", "智谱", "Zhipu", "DeepSeek", "阿里云百炼"):
        assert home.run("providers", name).stdout.startswith(b"vendor")
    about = home.run("providers", "huggingface").stdout.decode()
    assert "HF_TOKEN" in about
    assert "HF_API_KEY" in about
    assert home.run("providers", "opnai", code=3).stderr.endswith(b"did you mean openai?\n")
    home.run("providers", "openai", "groq", code=2)


def test_the_page_where_keys_are_made_is_printed_where_there_is_no_browser(home: VaultHome) -> None:
    assert home.run("providers", "open", "openai").stdout == b"https://platform.openai.com/api-keys\n"
    home.run("providers", "open", "nobody", code=3)
    added = home.run("add", "openai", "--open", "--stdin", stdin=OPENAI.encode())
    assert b"https://platform.openai.com/api-keys" in added.stderr
    home.run("add", "--open", "--stdin", stdin=OPENAI.encode(), code=2)


def test_the_page_is_opened_in_the_persons_browser(home: VaultHome, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    (tmp_path / "xdg-open").write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    (tmp_path / "xdg-open").chmod(0o755)
    session = {"DISPLAY": ":0", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    terminal = Terminal(home, "add", "deepseek", "--open", env=session)
    terminal.answer("(hidden): ", DEEPSEEK)
    terminal.end()
    assert opened.read_text() == "https://platform.deepseek.com/api_keys\n"
    assert "a new key is shown once" in terminal.seen
    assert home.run("get", "deepseek", "--reveal").stdout.strip() == DEEPSEEK.encode()


def test_a_base_url_of_the_vendors_own_on_another_host_keeps_the_vendors_check(home: VaultHome, net: Internet) -> None:
    token = "hf_" + "h" * 34
    home.run("add", "huggingface", "--base-url", "https://router.huggingface.co/v1", "--stdin", stdin=token.encode())
    net.hosts["huggingface.co"] = accepts(token, as_json(200, {"name": "me"}))
    assert b"it works" in home.run("check", env=net.environment()).stdout
    assert net.connects == ["huggingface.co:443"]
