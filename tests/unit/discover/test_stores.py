"""Archives and databases of password managers, also hostile ones, and what a password manager's entry is taken for."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from people import write

from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound, Unreachable
from keyvault.discover import stores
from keyvault.discover.items import Item, whose
from keyvault.discover.reading import read_all, read_one

KEY = "sk-aaaaaaaaaa1111111111"


def archive(export: Any, name: str = "export.data") -> bytes:
    """A .1pux file, as support.1password.com/1pux-format has it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("export.attributes", json.dumps({"version": 3, "description": "1Password Unencrypted Export"}))
        file.writestr(name, export if isinstance(export, bytes) else json.dumps(export))
    return made.getvalue()


ITEMS = [
    {
        "uuid": "1",
        "categoryUuid": "112",
        "details": {
            "loginFields": [],
            "sections": [
                {"title": "", "fields": [{"title": "credential", "id": "credential", "value": {"concealed": KEY}}]},
                {"title": "x", "fields": [{"title": "GROQ_API_KEY", "id": "y", "value": {"string": "gsk-" + KEY}}]},
            ],
        },
        "overview": {"title": "OpenAI API key (work)", "url": "https://platform.openai.com", "urls": []},
    },
    {
        "uuid": "2",
        "details": {"loginFields": [{"value": "hunter2hunter2", "designation": "password"}], "sections": []},
        "overview": {"title": "my bank", "urls": [{"label": "", "url": "https://bank.invalid"}]},
    },
]
EXPORT = {"accounts": [{"attrs": {}, "vaults": [{"attrs": {"name": "Personal"}, "items": ITEMS}]}]}


def test_the_keys_of_a_1pux_archive_are_taken_and_passwords_are_not(tmp_path: os.PathLike[str]) -> None:
    reading = read_one(write(f"{tmp_path}/export.1pux", archive(EXPORT)))
    assert [(f.variable, f.value.reveal(), f.provider, f.label) for f in reading.found] == [
        ("", KEY, "openai", "work"),
        ("GROQ_API_KEY", "gsk-" + KEY, "openai", "work"),
    ]
    assert "one other entry" in reading.skipped[0]


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04nothing",
        archive(EXPORT, "other.data"),
        archive({"accounts": 3}),
        archive({"accounts": [{"vaults": [{"items": [{"details": None}]}]}]}),
        archive(b"[" * 100_000),
        archive(b"\xff\xfe"),
        archive(b" " * (33 * 1024 * 1024)),  # 33 KiB that unpack to 33 MiB
        archive(EXPORT)[:-40],
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: os.PathLike[str], data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_one(write(f"{tmp_path}/export.1pux", data))


def kdbx(**parameters: int) -> bytes:
    """The beginning of a KDBX 4 database whose key derivation has these parameters."""
    entries = b"".join(
        b"\x05" + struct.pack("<i", 1) + name.encode() + struct.pack("<i", 8) + struct.pack("<Q", value)
        for name, value in parameters.items()
    )
    return b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + struct.pack("<HH", 0, 4) + b"\x0b" + struct.pack("<i", len(entries)) + entries


@pytest.mark.parametrize("parameters", [{"M": 1 << 40}, {"I": 1 << 30}, {"R": 1 << 40}])
def test_a_database_that_would_take_all_memory_or_time_is_refused(
    tmp_path: os.PathLike[str], parameters: dict[str, int]
) -> None:
    path = write(f"{tmp_path}/x.kdbx", kdbx(**parameters))
    with pytest.raises(InvalidInput, match="too much memory or time"):
        read_all([path], ask=lambda _: "x")


@pytest.mark.parametrize("rest", [b"", b"\x00" * 8, kdbx(M=1024)[8:], os.urandom(200)])
def test_a_damaged_database_is_refused(tmp_path: os.PathLike[str], rest: bytes) -> None:
    path = write(f"{tmp_path}/x.kdbx", b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5" + rest)
    with pytest.raises(KeyvaultError):
        read_all([path], ask=lambda _: "x")


@pytest.mark.parametrize(
    ("item", "vendor", "label"),
    [
        (Item("OpenAI", ()), "openai", ""),
        (Item("My OpenAI API key (work)", ()), "openai", "work"),
        (Item("Hugging Face - mine", ()), "huggingface", "mine"),
        (Item("work", (), (), "api/groq"), "groq", "work"),
        (Item("something", (), ("https://platform.openai.com/login",)), "openai", "something"),
        (Item("my shop", (), ("https://shop.invalid",)), "", "my shop"),
        (Item("x", (), ("http://[",)), "", "x"),
    ],
)
def test_whose_an_entry_is(item: Item, vendor: str, label: str) -> None:
    assert whose(item) == (vendor, label)


def test_windows_variables_are_a_thing_of_windows() -> None:
    with pytest.raises(NotFound):
        read_one("windows:")


@pytest.mark.parametrize("name", ["pass:../x", "pass:a\0b", "keyring:", "keyring:-x", "keyring:a\nb"])
def test_names_that_no_store_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        read_one(name)


def test_what_1password_keeps_elsewhere_in_an_item_is_read_too(tmp_path: os.PathLike[str]) -> None:
    odd = {"id": "z", "title": "odd", "value": "no dictionary"}
    details = {"password": KEY, "sections": [{"fields": [odd, {"id": "f", "title": "file", "value": {"file": {}}}]}]}
    item = {"details": details, "overview": {"title": "OpenAI API key", "url": "https://platform.openai.com"}}
    export = {"accounts": [{"vaults": [{"attrs": {}, "items": [item]}]}]}
    reading = read_one(write(f"{tmp_path}/export.1pux", archive(export)))
    assert [(f.value.reveal(), f.provider) for f in reading.found] == [(KEY, "openai")]


def test_without_its_part_for_keepass_keyvault_says_which_is_missing(
    tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pykeepass", None)
    with pytest.raises(InvalidInput, match="need the optional part `keepass`"):
        read_one(write(f"{tmp_path}/keys.kdbx", bytes.fromhex("03d9a29a67fb4bb5")))


@pytest.fixture
def password_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store whose entries `pass` cannot show: no file in it is sealed."""
    store = tmp_path / "store"
    for name in ("openai", "openai/work", ".git/openai", "bank/visa"):
        os.makedirs(store / os.path.dirname(name), exist_ok=True)
        (store / f"{name}.gpg").write_bytes(b"")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PASSWORD_STORE_DIR", str(store))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def a_pass(folder: Path, script: str) -> None:
    program = folder / "bin" / "pass"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_where_pass_is_not_installed_or_shows_nothing_that_is_told(password_store: Path) -> None:
    with pytest.raises(NotFound, match="pass is not installed"):
        read_one("pass:")
    a_pass(password_store, "exit 2")
    with pytest.raises(Unreachable, match="pass cannot show openai"):
        read_one("pass:openai")
    (password_store / "bin" / "pass").write_bytes(b"no program")
    with pytest.raises(Unreachable, match="pass did not answer"):
        read_one("pass:openai")


def test_an_entry_of_pass_and_those_below_its_name_are_read_up_to_a_number(
    password_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_pass(password_store, f'echo "{KEY}${{3##*/}}"; echo "url: https://platform.openai.com"')
    reading = read_one("pass:openai")
    assert sorted(f.value.reveal() for f in reading.found) == [f"{KEY}openai", f"{KEY}work"]
    assert sorted(f.value.reveal() for f in read_one("pass:").found) == [f"{KEY}openai", f"{KEY}work"]
    monkeypatch.setattr(stores, "_MOST_ENTRIES", 1)
    reading = read_one("pass:openai")
    assert len(reading.found) == 1
    assert "has more than 1 entries; the rest was passed over" in "".join(reading.skipped)
