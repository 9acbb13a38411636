"""Each vendor's way against its double: a new value, the old one dead, the rights kept, and what cannot be undone asked for."""

from __future__ import annotations

import json
import os
import secrets

import pytest
from internet import Internet
from people import Terminal
from vaults import VaultHome
from vendor_keys import Anthropic, Cloudflare, GitLab, Iam, OpenAi, Perplexity, Revoker, SendGrid, Vendor, Vercel

from keyvault.providers import catalogue
from keyvault.rotation.schemes import scheme_for

NOW = ("--grace", "0")
TESTED = {
    "openrouter",
    "openai",
    "anthropic",
    "gitlab",
    "cloudflare",
    "vercel",
    "sendgrid",
    "perplexity",
    "github",
    "huggingface",
}


def value(home: VaultHome, ref: str, *words: str) -> str:
    return home.run("get", ref, "--reveal", *words).stdout.decode().rstrip("\n")


def add(home: VaultHome, ref: str, key: str, *words: str) -> None:
    home.run("add", ref, "--stdin", *words, stdin=key.encode())


def ended(home: VaultHome, vendor: Vendor, ref: str, old: str) -> str:
    """The new value; the old one is dead, and nothing is under way."""
    assert json.loads(home.run("show", ref, "--json").stdout)["rotation"] is None
    new = value(home, ref)
    assert new != old
    assert vendor.by_value(new)
    assert not vendor.by_value(old)
    return new


def test_what_is_called_proven_is_proven_in_this_file_and_nothing_else() -> None:
    proven = {p.id for p in catalogue.our_own() if p.rotation.api and p.rotation.api.proven}
    assert proven == TESTED
    weak = [p for p in catalogue.our_own() if p.rotation.api and not p.rotation.api.proven]
    assert weak
    assert not any(scheme_for(p).proven for p in weak)


def test_openai_a_service_account_takes_the_place_of_a_project_key(home: VaultHome, net: Internet) -> None:
    vendor, old = OpenAi(net, "sk-admin-" + "a" * 60), "sk-proj-" + "a" * 74 + "T3BlbkFJ" + "b" * 74
    vendor.add(old).id = "key_1"
    vendor.keys["key_1"] = vendor.keys.pop(next(iter(vendor.keys)))
    add(home, "openai", old)
    add(home, "openai/admin", vendor.admin, "--env", "OPENAI_ADMIN_KEY", "--no-auto")
    done = home.run("rotate", "openai", *NOW, env=net.environment(), code=1)
    assert b"keyvault edit openai/admin --field project_id=" in done.stderr
    home.run("edit", "openai/admin", "--field", "project_id=proj_1")
    home.run("rotate", "openai", *NOW, env=net.environment())
    first = ended(home, vendor, "openai", old)
    home.run("rotate", "openai", *NOW, env=net.environment())
    ended(home, vendor, "openai", first)
    assert len(vendor.alive) == 1


def test_anthropic_the_new_key_is_brought_by_hand_and_the_old_one_switched_off(home: VaultHome, net: Internet) -> None:
    vendor = Anthropic(net, "sk-ant-admin01-" + "a" * 93 + "AA")
    old, new = ("sk-ant-api03-" + secrets.token_hex(46) + letter + "AA" for letter in "xy")
    vendor.add(old)
    vendor.add(new)
    add(home, "anthropic", old)
    add(home, "anthropic/admin", vendor.admin, "--no-auto", "--env", "ANTHROPIC_ADMIN_KEY")
    home.run("rotate", "anthropic", "--stdin", *NOW, stdin=new.encode(), env=net.environment())
    assert ended(home, vendor, "anthropic", old) == new


def test_gitlab_asks_twice_before_it_kills_the_old_value(home: VaultHome, net: Internet) -> None:
    vendor, old = GitLab(net), "glpat-" + "0" * 20
    vendor.add(old)
    add(home, "gitlab", old)
    dry = home.run("rotate", "gitlab", "--dry-run", env=net.environment()).stdout
    assert b"THE OLD ONE IS DEAD AT ONCE" in dry
    done = home.run("rotate", "gitlab", "--yes", env=net.environment(), code=2)
    assert b"say yes twice" in done.stderr
    terminal = Terminal(home, "rotate", "gitlab", "--yes", env=net.environment())
    terminal.answer("everywhere. Go on? [y/N] ", "y")
    terminal.answer("Are you sure? [y/N] ", "n")
    terminal.end(2)
    assert vendor.by_value(old)
    home.run("rotate", "gitlab", "--insist", env=net.environment())
    ended(home, vendor, "gitlab", old)
    assert json.loads(home.run("show", "gitlab", "--json").stdout)["expires"]


def test_cloudflare_an_administrator_can_roll_once_more_when_an_answer_was_lost(home: VaultHome, net: Internet) -> None:
    vendor, old = Cloudflare(net, "cfut_" + "a" * 48), "cfut_" + "0" * 48
    token = vendor.add(old)
    add(home, "cloudflare", old)
    add(home, "cloudflare/admin", vendor.admin, "--no-auto")
    vendor.faults[1] = "after"
    words = ("rotate", "cloudflare", "--insist", "--admin", "cloudflare/admin")
    home.run(*words, env=net.environment(), code=8)
    assert not vendor.by_value(old)
    home.run("rotate", "--resume", env=net.environment())
    assert ended(home, vendor, "cloudflare", old) == token.value


def test_vercel_makes_its_own_successor(home: VaultHome, net: Internet) -> None:
    vendor, old = Vercel(net), "vcp_" + "0" * 56
    vendor.add(old)
    add(home, "vercel", old)
    home.run("rotate", "vercel", *NOW, env=net.environment())
    ended(home, vendor, "vercel", old)
    assert len(vendor.alive) == 1


def test_sendgrid_keeps_the_scopes(home: VaultHome, net: Internet) -> None:
    vendor = SendGrid(net)
    old = vendor.make("mail", ["mail.send", "api_keys.create"])
    add(home, "sendgrid", old.value)
    home.run("rotate", "sendgrid", *NOW, env=net.environment())
    found = vendor.by_value(ended(home, vendor, "sendgrid", old.value))
    assert found
    assert found.facts == {"scopes": ["mail.send", "api_keys.create"]}


def test_perplexity_which_lists_nothing_says_what_may_be_left(home: VaultHome, net: Internet) -> None:
    vendor, old = Perplexity(net), "pplx-" + "0" * 48
    vendor.add(old)
    add(home, "perplexity", old)
    home.run("rotate", "perplexity", *NOW, env=net.environment())
    second = ended(home, vendor, "perplexity", old)
    vendor.faults[vendor.changes + 1] = "after"
    home.run("rotate", "perplexity", *NOW, env=net.environment(), code=8)
    assert b"add --insist" in home.run("rotate", "--resume", env=net.environment(), code=7).stderr
    done = home.run("rotate", "--resume", "--insist", env=net.environment())
    assert b"may be left at the vendor; delete it there" in done.stderr
    ended(home, vendor, "perplexity", second)


def test_aws_both_halves_change_together(home: VaultHome, net: Internet) -> None:
    vendor = Iam(net)
    old = vendor.make()
    secret = os.path.join(home.folder, "half")
    with open(secret, "w", encoding="utf-8") as file:
        file.write(old.secret)
    add(home, "aws", old.value, "--secret-field", f"secret_access_key=file:{secret}")
    env_file = os.path.join(home.folder, "aws.env")
    home.run("env", "aws", "-o", env_file)
    home.run("rotate", "aws", *NOW, env=net.environment())
    new = ended(home, vendor, "aws", old.value)
    found = vendor.by_value(new)
    assert found
    assert value(home, "aws", "--field", "secret_access_key") == found.secret
    with open(env_file, encoding="utf-8") as file:
        text = file.read()
    assert found.secret in text
    assert new in text
    assert old.secret not in text
    vendor.make()
    done = home.run("rotate", "aws", *NOW, env=net.environment(), code=1)
    assert b"AWS allows two" in done.stderr
    assert json.loads(home.run("show", "aws", "--json").stdout)["rotation"] is None


@pytest.mark.parametrize(
    ("ref", "host", "path", "old", "new"),
    [
        ("github", "api.github.com", "/credentials/revoke", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_" + "B" * 36),
        ("huggingface", "huggingface.co", "/api/credentials/revoke", "hf_" + "a" * 34, "hf_" + "b" * 34),
    ],
)
def test_a_revocation_for_good_is_agreed_to_twice(
    home: VaultHome, net: Internet, ref: str, host: str, path: str, old: str, new: str
) -> None:
    vendor = Revoker(net, host, path, "")
    vendor.add(old)
    vendor.add(new)
    add(home, ref, old)
    home.run("rotate", ref, "--stdin", "--insist", "--grace", "24h", stdin=new.encode(), env=net.environment())
    home.run("rotate", "--abort", ref, env=net.environment(), code=1)
    home.run("rotate", "--rollback", ref, env=net.environment())
    assert value(home, ref) == old
    home.run("rotate", "--rollback", ref, env=net.environment())
    assert vendor.by_value(old)
    vault = home.open()
    key = vault.get(f"{ref}/default")
    assert key.rotation
    with vault.transaction("test") as tx:
        tx.put(key._replace(rotation=key.rotation._replace(grace=0)))
    vault.store.close()
    home.run("rotate", "--resume", "--yes", env=net.environment(), code=7)
    assert vendor.by_value(old)
    terminal = Terminal(home, "rotate", "--resume", "--yes", env=net.environment())
    terminal.answer("tells its owner. Do it? [y/N] ", "y")
    terminal.answer("this cannot be undone. Are you sure? [y/N] ", "y")
    terminal.end(0)
    assert ended(home, vendor, ref, old) == new


def test_what_is_only_half_known_needs_a_word_more(home: VaultHome, net: Internet) -> None:
    add(home, "fireworks", "fw_" + "a" * 22)
    done = home.run("rotate", "fireworks", "--yes", env=net.environment(), code=2)
    assert b"--experimental uses it all the same" in done.stderr
    assert b"experimental" in home.run("rotate", "fireworks", "--dry-run").stdout
    assert net.asked == []


def test_a_key_for_another_address_is_not_sent_to_the_vendor(home: VaultHome, net: Internet) -> None:
    vendor = Perplexity(net)
    add(home, "perplexity", "pplx-" + "0" * 48, "--base-url", "https://relay.example")
    done = home.run("rotate", "perplexity", env=net.environment(), code=1)
    assert b"is for another address than Perplexity's own" in done.stderr
    assert vendor.changes == 0
    assert net.asked == []
