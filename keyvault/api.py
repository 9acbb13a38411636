"""keyvault for Python programs: `keyvault.load_env()` and `keyvault.get("openai/work")`.

Nothing is read at import. The keys of an agent are used where one keeps the vault open (`keyvault unlock`). Else nobody is
asked anything: a locked vault is an error, unless `ask` says how to ask for hidden text, as `getpass.getpass` does; it is
asked too before a key that is marked `confirm` is used. The process is left as it is: the command line forbids core files
and debuggers while it holds values, which a library must not do to its program.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

from keyvault.agent import keys
from keyvault.core import clock, settings
from keyvault.core.errors import InvalidInput, KeyvaultError, Locked, NotFound
from keyvault.core.refs import parse_ref
from keyvault.environment.resolve import Approve, open_key, resolve
from keyvault.environment.selection import select
from keyvault.unlock.opening import open_vault as _open
from keyvault.unlock.opening import usage_of
from keyvault.unlock.unlocker import People, Unlocker
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.usage import USED
from keyvault.vault.vault import Vault

Ask = Callable[[str], str]

__all__ = ["ApiKey", "KeyvaultError", "Vault", "get", "load_env", "open_vault"]


def load_env(*refs: str, profile: str | None = None, override: bool = False, ask: Ask | None = None) -> list[str]:
    """Put keys into `os.environ`, as `keyvault env` would here, and return the names of the variables that were set.

    Without `refs`: what the project in the current folder names, if it was allowed; else every vendor's default key.
    A variable that is set already is kept unless `override` is true, as with python-dotenv's `load_dotenv`.

    Raises KeyvaultError: Locked, NotFound for a key that was named or that the project requires, and more.
    """
    vault = open_vault(ask=ask)
    try:
        resolved = resolve(vault, select(settings.load(), refs, profile), _approve(ask))
        for text in resolved.warnings:
            warnings.warn(f"keyvault: {text}", stacklevel=2)
        if resolved.missing:
            raise NotFound(
                f"the project is not ready: {resolved.missing[0]}", "keyvault project check lists all that is missing"
            )
        if unset := next((name for name, value in resolved.variables if "\0" in value), None):
            raise InvalidInput(f"the value of {unset} holds a NUL character, which no environment can carry", "name other keys")
        usage_of(settings.load(), vault).note((key.id for key in resolved.keys), USED, clock.now())
        return settings.set_variables(dict(resolved.variables), override=override)
    finally:
        vault.store.close()


def get(ref: str, field: str = VALUE_FIELD, *, ask: Ask | None = None) -> str:
    """The value of one key, or of one of its fields. Raises KeyvaultError, such as NotFound and Locked."""
    vault = open_vault(ask=ask)
    try:
        key, values = open_key(vault, str(parse_ref(ref)), _approve(ask))
        if field not in values:
            raise NotFound(f"{key.ref} has no field of that name", f"keyvault show {key.ref}")
        usage_of(settings.load(), vault).note([key.id], USED, clock.now())
        return values[field]
    finally:
        vault.store.close()


def open_vault(*, ask: Ask | None = None) -> Vault:
    """The vault that is set up for this user, unlocked. Raises KeyvaultError."""
    configured = settings.load()
    keys.ask_anew()
    vault = _open(configured, keys.first(Unlocker(configured, People(ask, _tell)), tell=_tell), harden=False)
    for notice in vault.notices:
        _tell(notice)
    vault.notices.clear()
    return vault


def _approve(ask: Ask | None) -> Approve:
    def approve(keys: Sequence[ApiKey]) -> None:
        for key in keys:
            if ask is None:
                raise Locked(
                    f"{key.ref} asks before each use, and there is nobody to ask", "give `ask`, such as getpass.getpass"
                )
            if ask(f"use {key.ref}? [y/N] ").strip().lower() not in ("y", "yes"):
                raise KeyvaultError(f"the use of {key.ref} was refused", "answer y to use it")

    return approve


def _tell(text: str) -> None:
    warnings.warn(f"keyvault: {text}", stacklevel=4)
