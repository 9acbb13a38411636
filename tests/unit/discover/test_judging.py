from __future__ import annotations

import pytest

from keyvault.core.secret import Secret
from keyvault.discover.found import Found
from keyvault.discover.judging import is_secret


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OPENAI_API_KEY", "x"),  # the catalogue knows the variable
        ("AWS_REGION", "eu-west-1"),  # a part of a credential
        ("ANYTHING", "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"),  # a vendor's shape
        ("DATABASE_URL", "mysql://me:pa55word@db/app"),
        ("ACME_TOKEN", "short"),
        ("JWT_SECRET", "some words of it"),
        ("DB_PASSWORD", "123456"),
        ("SMTP_PASS", "true"),
        ("MYSQL_PWD", "/root"),
        ("SESSION", "9f8e7d6c5b4a39281706f5e4d3c2b1a0"),
        ("X", "prefix-AbCdEf0123456789"),
    ],
)
def test_keys_are_for_the_vault(variable: str, value: str) -> None:
    assert is_secret(Found(variable, Secret(value), ".env", 1))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "true"),
        ("PORT", "8080"),
        ("MAX_TOKENS", "4096"),
        ("USE_API_KEY", "false"),
        ("SSH_KEY", "~/.ssh/id_ed25519"),
        ("ACME_API_KEY", "your-key-here"),
        ("MODEL", "claude-3-5-sonnet-20241022"),
        ("MODEL_PATH", "meta-llama/Llama-3.3-70B-Instruct"),
        ("DATABASE_URL", "postgres://db.internal:5432/app"),
        ("BASE_URL", "https://gateway.example.com/v1"),
        ("STARTED", "2026-11-22T15:06:33Z"),
        ("RELEASE", "v12.34.5678-beta.1+build20261122"),
        ("PROJECT_ID", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("BYPASS", "1"),
        ("APP_NAME", "averylongnamewithoutanydigitsinit"),
        ("ACCOUNT", "12345678901234567890"),
    ],
)
def test_settings_are_not(variable: str, value: str) -> None:
    assert not is_secret(Found(variable, Secret(value), ".env", 1))
