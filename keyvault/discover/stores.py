"""Stores of other programs that are no file of text: KeePass, 1Password's archive, pass, the OS keyring, Windows' variables."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from keyvault.core import programs, settings
from keyvault.core.errors import InvalidInput, KeyvaultError, Locked, NotFound, Unreachable, WrongSecret
from keyvault.core.text import escape
from keyvault.discover import text_file, windows_variables
from keyvault.discover.found import Reading
from keyvault.discover.items import MOST_ITEMS, Item, take_item, taken, whose
from keyvault.discover.judging import sounds_like_key

AskHidden = Callable[[str], str]
LARGEST = 32 * 1024 * 1024
_MOST_ENTRIES = 500
# What pykeepass and its libraries raise for a damaged database; lxml's errors are SyntaxErrors.
_BROKEN = (ValueError, LookupError, OSError, EOFError, AttributeError, TypeError, SyntaxError, zlib.error, struct.error)
_KDBX = b"\x03\xd9\xa2\x9a"


def binary_kind(data: bytes, name: str) -> str:
    """The kind of a file that is no text, by how it begins, or an empty string."""
    if data.startswith(_KDBX):
        return "keepass"
    return "1pux" if data.startswith(b"PK\x03\x04") and name.lower().endswith((".1pux", ".zip")) else ""


def read_keepass(path: str, ask: AskHidden | None) -> Reading:
    """The keys in a KeePass database. Raises Locked, WrongSecret, InvalidInput."""
    try:
        import pykeepass
        from construct import ConstructError
        from pykeepass.exceptions import CredentialsError, HeaderChecksumError, PayloadChecksumError
    except ImportError as exc:
        raise InvalidInput(
            "KeePass databases need the optional part `keepass`", "install keyvault with its extra [keepass]"
        ) from exc
    data = text_file.read_bytes(path, LARGEST)
    check_kdf(data)
    if ask is None:
        raise Locked(f"{escape(path)} asks for its password, and there is nobody to ask", "run this on a terminal")
    password = ask(f"password of {escape(os.path.basename(path))} (hidden): ")
    try:
        base = pykeepass.PyKeePass(io.BytesIO(data), password=password)
        entries = base.entries
    except CredentialsError as exc:
        raise WrongSecret(
            f"the password does not open {escape(path)}", "databases with a key file are not read: export it as CSV"
        ) from exc
    except (ConstructError, HeaderChecksumError, PayloadChecksumError, *_BROKEN) as exc:
        raise InvalidInput(f"{escape(path)} is damaged, or no KeePass database", "open it with KeePassXC") from exc
    items = []
    for entry in entries[:MOST_ITEMS]:
        fields = [("", entry.password or ""), *((str(k), str(v or "")) for k, v in entry.custom_properties.items())]
        folder = "/".join(str(part) for part in entry.path[:-1] if part)
        items.append(Item(entry.title or "", tuple(fields), (entry.url or "",), folder))
    return taken(path, items)


def check_kdf(data: bytes) -> None:
    """Raises InvalidInput for a key derivation that takes all memory or forever (KDBX 4: "Header Fields", KdfParameters)."""
    major = int.from_bytes(data[10:12], "little")
    if major < 4:
        return
    for name, size, most in ((b"M", 8, 1 << 30), (b"I", 8, 1000), (b"R", 8, 100_000_000)):
        at = data[:4096].find(b"\x05" + struct.pack("<i", 1) + name + struct.pack("<i", size))
        if at >= 0:
            start = at + 5 + 1 + 4
            if int.from_bytes(data[start : start + size], "little") > most:
                raise InvalidInput(
                    "its key derivation asks for too much memory or time", "open it with KeePassXC, and export it"
                )


def read_1pux(path: str) -> Reading:
    """The keys in 1Password's export (support.1password.com/1pux-format). Raises InvalidInput."""
    data = text_file.read_bytes(path, LARGEST)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            info = archive.getinfo("export.data")
            if info.file_size > LARGEST:
                raise InvalidInput("it unpacks to too much", "no export of keys does")
            with archive.open(info) as file:
                export = json.loads(file.read(LARGEST).decode())
        items = [
            _of_1password(item, str(vault.get("attrs", {}).get("name", "")))
            for account in export["accounts"]
            for vault in account["vaults"]
            for item in vault["items"]
        ]
    except (
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        AttributeError,
        ValueError,
        RecursionError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as exc:
        raise InvalidInput(f"{escape(path)} is no export of 1Password", "export it again as 1PUX") from exc
    return taken(path, items)


def _of_1password(item: dict[str, Any], vault: str) -> Item:
    details, overview = item["details"], item["overview"]
    logins = [field for field in details.get("loginFields") or [] if field.get("designation") == "password"]
    fields = [("", str(field.get("value") or "")) for field in logins]
    if details.get("password"):
        fields.append(("", str(details["password"])))
    for section in details.get("sections") or []:
        for field in section.get("fields") or []:
            value = field.get("value") or {}
            secret = value.get("concealed") or value.get("string") if isinstance(value, dict) else None
            if isinstance(secret, str):
                # An item of the kind "API Credential" keeps its key in the field "credential".
                name = "" if field.get("id") == "credential" else str(field.get("title") or "")
                fields.append((name, secret))
    urls = tuple(str(one.get("url") or "") for one in overview.get("urls") or []) or (str(overview.get("url") or ""),)
    return Item(str(overview.get("title") or ""), tuple(fields), urls, vault)


def read_pass(prefix: str) -> Reading:
    """Entries of `pass` below a prefix; without one, those whose names are a vendor's or say that they are keys.

    Raises NotFound, Unreachable.
    """
    from keyvault.discover.sources.hosts import vendor_called

    top = settings.variable("PASSWORD_STORE_DIR") or os.path.join(os.path.expanduser("~"), ".password-store")
    prefix = prefix.strip("/")
    if ".." in prefix.split("/") or "\0" in prefix:
        raise InvalidInput("this is no name in the password store", "write pass:PREFIX")
    names = sorted(_pass_names(top, prefix))
    reading = Reading(f"pass:{prefix}")
    if not prefix:
        words = [(name, [*name.split("/"), name.rpartition("/")[2].replace("-", "_").upper()]) for name in names]
        names = [name for name, parts in words if any(vendor_called(part) or sounds_like_key(part) for part in parts)]
    if not names:
        raise NotFound(f"the password store has no such entry below {escape(prefix) or 'its top'}", "pass ls shows them")
    for name in names[:_MOST_ENTRIES]:
        lines = _run_pass(name).split("\n")
        fields = [("", lines[0]), *(tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line)]
        folder, _, last = name.rpartition("/")
        item = Item(last, tuple((str(a), str(b)) for a, b in fields), (), folder)
        one = Reading(f"pass:{name}")
        take_item(one, item, named=True)
        reading.found += one.found
        reading.skipped += one.skipped
    if len(names) > _MOST_ENTRIES:
        reading.skip(0, f"has more than {_MOST_ENTRIES} entries; the rest was passed over")
    return reading


def _pass_names(top: str, prefix: str) -> list[str]:
    found: list[str] = []
    if prefix and os.path.isfile(os.path.join(top, prefix + ".gpg")):
        found.append(prefix)
    for folder, inner, names in os.walk(os.path.join(top, prefix)):
        inner[:] = [name for name in inner if not name.startswith(".")]
        relative = os.path.relpath(folder, top).replace(os.sep, "/")
        found += [
            (f"{relative}/" if relative != "." else "") + name.removesuffix(".gpg") for name in names if name.endswith(".gpg")
        ]
        if len(found) > 20_000:
            break
    return found


def _run_pass(name: str) -> str:
    import subprocess

    if (program := programs.find("pass")) is None:
        raise NotFound("the program pass is not installed", "install it, or export its entries")
    command = [program, "show", "--", name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=settings.child_environment({}))
    except (OSError, subprocess.SubprocessError) as exc:
        raise Unreachable("pass did not answer", "see whether pass show works") from exc
    if done.returncode != 0:
        raise Unreachable(
            f"pass cannot show {escape(name)}", "see whether pass show works, and whether gpg asks for a passphrase"
        )
    return done.stdout.decode("utf-8", "surrogateescape")


def read_keyring(name: str, ask: AskHidden | None) -> Reading:
    """One item of another program's in the OS keyring: SERVICE, or SERVICE/USER. Raises NotFound, Unreachable."""
    from keyvault.store import os_keyring

    if not name:
        raise InvalidInput("keyring: needs the name of a service", "write keyring:SERVICE or keyring:SERVICE/USER")
    patient = {"timeout": os_keyring.PATIENT, "interactive": True} if ask else {}
    service, _, user = name.rpartition("/")
    tries = ([(service, user)] if service else []) + [(name, "")]
    value = next((text for one in tries if (text := os_keyring.take(*one, **patient)) is not None), None)  # type: ignore[arg-type]
    if value is None:
        raise NotFound(f"the keyring has no item {escape(name)}", "check the names of its service and user")
    reading = Reading(f"keyring:{name}")
    vendor, label = whose(Item(name.replace("/", " "), ()))
    reading.add("", value, 0, provider=vendor, label=label)
    return reading


def read(kind: str, name: str, ask: AskHidden | None) -> Reading:
    """A store by its kind. Raises KeyvaultError."""
    if kind == "keepass":
        return read_keepass(name, ask)
    if kind == "1pux":
        return read_1pux(name)
    if kind == "pass":
        return read_pass(name)
    if kind == "keyring":
        return read_keyring(name, ask)
    if kind == "windows":
        return windows_variables.read()
    raise KeyvaultError("no such kind of source")
