"""`env --explain`: where each variable would come from here."""

from __future__ import annotations

from keyvault.cli import render, terminal
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core.text import escape
from keyvault.environment.resolve import Choice, choose, only_when_named
from keyvault.environment.selection import DEFAULT, PROJECT, select
from keyvault.vault.keys import VALUE_FIELD


def explain(session: Session, refs: tuple[str, ...], profile: str | None) -> None:
    """Print a line a variable, and say on stderr what gets none. No value is opened."""
    vault = session.open()
    selection = select(session.settings, refs, profile)
    chosen = vault.read(lambda state: choose(vault, state, selection))
    if selection.source == PROJECT:
        source = escape(selection.path) + (f" [profile {selection.profile}]" if selection.profile else "")
    else:
        source = said(selection.source)
    if chosen.choices:
        render.table(("VARIABLE", "KEY", "FIELD", "VERSION", "SOURCE"), [_row(choice, source) for choice in chosen.choices])
    if selection.source == DEFAULT:
        for key in vault.all_keys():
            if why := only_when_named(key):
                terminal.tip(f"{key.ref} is given out {why}")
    for warning in (*chosen.warnings, *chosen.missing):
        terminal.warn(warning)


def _row(choice: Choice, source: str) -> tuple[str, ...]:
    key = choice.key
    return choice.variable, key.ref, choice.field if choice.field != VALUE_FIELD else "-", str(key.number(key.value)), source
