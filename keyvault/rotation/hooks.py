"""Programs of the person's own that hear of a new value: run without a shell, with the value on their standard input."""

from __future__ import annotations

import os
import subprocess

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.secret import Secret
from keyvault.core.settings import child_environment, config_folder
from keyvault.core.text import escape
from keyvault.store.files import read_own
from keyvault.vault.keys import ApiKey

Hook = tuple[str, ...]
_SECONDS = 120
_LARGEST = 64 * 1024


def configured() -> tuple[Hook, ...]:
    """`hooks` of [rotation] in config.toml: lists of a program and its arguments. Raises InvalidInput, UnsafeFile."""
    import tomllib

    path = os.path.join(config_folder(), "config.toml")
    try:
        told = tomllib.loads(read_own(path, _LARGEST).decode())
    except NotFound:
        return ()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidInput(f"{escape(path)} is no TOML", "mend or remove that file") from exc
    table = told.get("rotation", {})
    hooks = table.get("hooks", []) if isinstance(table, dict) else None
    fits = isinstance(hooks, list) and all(
        isinstance(hook, list) and hook and all(isinstance(word, str) for word in hook) for hook in hooks
    )
    if not fits:
        raise InvalidInput(
            f"{escape(path)}: hooks of [rotation] are no list of programs", 'write hooks = [["program", "argument"]]'
        )
    return tuple(tuple(hook) for hook in hooks or ())


def run_hooks(hooks: tuple[Hook, ...], key: ApiKey, value: Secret) -> list[str]:
    """Run each program; what went wrong, a line each."""
    told = {"KEYVAULT_ROTATED_REF": key.ref, "KEYVAULT_ROTATED_VARIABLES": " ".join(key.variables)}
    failed = []
    for hook in hooks:
        name = escape(hook[0])
        try:
            done = subprocess.run(
                hook,
                input=value.reveal().encode(),
                env=child_environment(told),
                timeout=_SECONDS,
                check=False,
                capture_output=True,
            )
        except (OSError, ValueError) as exc:
            failed.append(f"the hook {name} could not be run: {type(exc).__name__}")
        except subprocess.TimeoutExpired:
            failed.append(f"the hook {name} was stopped after {_SECONDS} s")
        else:
            if done.returncode:
                failed.append(f"the hook {name} failed with status {done.returncode}")
    return failed
