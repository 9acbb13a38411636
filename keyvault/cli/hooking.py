"""`hook`, without click: its code is read at every start of a shell, and its plan wherever the project changes."""

from __future__ import annotations

from keyvault.cli import exits, render
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import KeyvaultError, Locked
from keyvault.core.text import escape
from keyvault.environment import hook


def run(session: Session, shell: str, *, plan: bool) -> int:
    """Print the code for the start-up file, or what to load in this folder. Raises InvalidInput for another shell."""
    if plan:
        return _plan(session, shell)
    render.out(hook.script(shell))
    return exits.DONE


def _plan(session: Session, shell: str) -> int:
    """All that is to be said is part of the plan, so that the shell says nothing twice."""
    session.no_input = True
    notes: list[str] = []
    pairs: list[tuple[str, str]] = []
    code = exits.DONE
    try:
        pairs, warnings = _wanted(session)
        notes += [f"keyvault: warning: {escape(text)}" for text in warnings]
    except Locked as exc:
        code = exits.code_of(exc)
        notes.append("keyvault: the vault is locked, so nothing is loaded until keyvault unlock")
    except KeyvaultError as exc:
        code = exits.code_of(exc)
        notes.append(f"keyvault: error: {escape(exc.message)}")
        notes += [f"keyvault: hint: {escape(exc.hint)}"] if exc.hint else []
    render.out(hook.plan(shell, pairs, notes))
    return code


def _wanted(session: Session) -> tuple[list[tuple[str, str]], list[str]]:
    """The project's variables, none where there is no allowed one; and warnings. The vault is opened only if there is one."""
    from keyvault.environment.selection import PROJECT, select

    selection = select(session.settings, ())
    if selection.source != PROJECT:
        return [], list(selection.warnings)
    from keyvault.environment.resolve import resolve
    from keyvault.vault.usage import USED

    vault = session.open()
    resolved = resolve(vault, selection, None)
    session.usage(vault).note((key.id for key in resolved.keys), USED, clock.now())
    return resolved.variables, [*resolved.warnings, *resolved.missing]
