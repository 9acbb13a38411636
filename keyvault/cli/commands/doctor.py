"""`keyvault doctor`."""

from __future__ import annotations

import os
import sqlite3
import sys

import click

from keyvault.cli import exits, render, terminal
from keyvault.cli.app import common
from keyvault.cli.columns import painted, width
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core.errors import Forked, KeyvaultError, Replaced, RolledBack
from keyvault.core.text import escape
from keyvault.core.version import __version__
from keyvault.store import os_keyring
from keyvault.unlock.opening import existing_store
from keyvault.vault.anchor import AnchorLost, Anchors
from keyvault.vault.codec import Header, decode_header, split_head
from keyvault.vault.slots import KEY_FILE, KEYRING, RECOVERY, decode_all

GOOD, ADVICE, BAD = "ok", "advice", "problem"
_LINES = {
    RolledBack: "someone put an older copy back, or a synced folder or a restored backup of the home folder did",
    Forked: "this copy went another way: two machines changed the same vault, or a copy was edited elsewhere",
    Replaced: "another vault was put in its place",
}


@click.command()
@common
@click.pass_obj
def command(session: Session) -> int:
    """What is set up here, and what is wrong with it. Tells no secret; exit 1 when something is a problem."""
    rows = [*_about_program(), *_about_folders(session)]
    header = None
    try:
        store = existing_store(session.settings)
        header = decode_header(split_head(store.head())[0])
        store.close()
        rows.append((GOOD, f"vault {header.vault_id[:8]}, opened for reading"))
        rows += _about_slots(session, header)
        rows += _about_anchor(session, header)
    except KeyvaultError as exc:
        rows.append((BAD, "; ".join(filter(None, [exc.message, exc.hint]))))
    if header and _can_unlock(session, header):
        rows += _about_line(session)
    rows += _about_keyring(header)
    paint = painted if terminal.shows_colour(1) else str
    shown = [(paint(said(kind)), 8 - width(said(kind)), said(text)) for kind, text in rows]
    render.out("".join(f"{kind}{' ' * blanks} {text}\n" for kind, blanks, text in shown))
    return exits.FAILED if any(kind == BAD for kind, _ in rows) else exits.DONE


def _about_program() -> list[tuple[str, str]]:
    python = ".".join(map(str, sys.version_info[:3]))
    rows = [(GOOD, f"keyvault {__version__}, Python {python}, SQLite {sqlite3.sqlite_version}, {sys.platform}")]
    return rows + [(ADVICE, text) for text in about_platform(sys.platform)]


def about_platform(platform: str) -> list[str]:
    """What a person should know of keyvault on this platform; docs/explanation/platforms.md says more."""
    if platform == "linux":
        return []
    return ["keyvault has been run and tested on Linux only; this platform is written for but not proven"]


def _about_folders(session: Session) -> list[tuple[str, str]]:
    settings = session.settings
    rows = [(GOOD, f"vault folder {escape(settings.home)}"), (GOOD, f"state folder {escape(settings.state)}")]
    if settings.state_beside_vault:
        what = "the state folder is inside the vault's folder: a copy of both put back together is not noticed as old"
        rows.append((ADVICE, f"{what}; set KEYVAULT_STATE"))
    if settings.key_file and os.path.realpath(settings.key_file).startswith(os.path.realpath(settings.home) + os.sep):
        rows.append((BAD, "the key file lies in the vault's folder: a backup that holds both is plain text"))
    return rows


def _about_slots(session: Session, header: Header) -> list[tuple[str, str]]:
    kinds = [slot.kind for slot in decode_all(header)]
    rows = [(GOOD, f"unlocks by {', '.join(kinds)}")]
    if len(kinds) == 1:
        rows.append((ADVICE, f"one way to unlock only; if it is lost, so is the vault: keyvault slots add {RECOVERY}"))
    elif RECOVERY not in kinds:
        rows.append((ADVICE, f"no recovery code: keyvault slots add {RECOVERY}"))
    if KEY_FILE in kinds and not session.settings.key_file:
        rows.append((ADVICE, "KEYVAULT_KEY_FILE is not set, so the key file is not used"))
    return rows


def _about_anchor(session: Session, header: Header) -> list[tuple[str, str]]:
    anchors = Anchors(session.settings.state)
    try:
        pinned, anchor = anchors.vault_at(session.settings.vault_path), anchors.read(header.vault_id)
    except AnchorLost as exc:
        return [(ADVICE, f"{exc.message}; the next command takes the vault as it is")]
    if pinned and pinned != header.vault_id:
        return [(BAD, f"{_LINES[Replaced]}: this machine knows vault {pinned[:8]} here; keyvault restore accepts the new one")]
    if anchor is None:
        return [(ADVICE, "this machine has not used this vault yet, so an older copy would not be noticed")]
    return [(GOOD, f"the newest state seen on this machine is change {anchor.seq}")]


def _can_unlock(session: Session, header: Header) -> bool:
    """Whether unlocking takes no more than what is at hand; doctor asks for nothing."""
    kinds = {slot.kind for slot in decode_all(header)}
    settings = session.settings
    given = settings.key_file or settings.passphrase_file or settings.passphrase or settings.passphrase_fd is not None
    session.no_input = True
    return bool(given) or KEYRING in kinds


def _about_line(session: Session) -> list[tuple[str, str]]:
    try:
        vault = session.open()
    except KeyvaultError as exc:
        cause = next((text for kind, text in _LINES.items() if isinstance(exc, kind)), "")
        advice = "keyvault restore accepts the vault as it is, keyvault restore FILE puts a backup back" if cause else exc.hint
        return [(BAD, "; ".join(filter(None, [exc.message, cause, advice])))]
    return [
        (GOOD, f"unlocked: change {vault.root.seq}, {vault.root.top.records} records; keyvault verify checks everything in it")
    ]


def _about_keyring(header: Header | None) -> list[tuple[str, str]]:
    needed = header is not None and any(slot.kind == KEYRING for slot in decode_all(header))
    try:
        return [(GOOD, f"OS keyring: {os_keyring.probe()}")]
    except KeyvaultError as exc:
        return [(BAD if needed else GOOD, f"OS keyring: none ({exc.message})")]
