"""Programs of the person's own that hear of a new value: run without a shell, with the value on their standard input."""

from __future__ import annotations

import subprocess

from keyvault.core import programs
from keyvault.core.errors import InvalidInput
from keyvault.core.secret import Secret
from keyvault.core.settings import child_environment
from keyvault.core.text import escape
from keyvault.store import config_file
from keyvault.vault.keys import ApiKey

Hook = tuple[str, ...]
_SECONDS = 120


def configured() -> tuple[Hook, ...]:
    """`hooks` of [rotation] in config.toml: lists of a program and its arguments. Raises InvalidInput, UnsafeFile."""
    table = config_file.table("rotation")
    hooks = table.get("hooks", []) if table is not None else None
    fits = isinstance(hooks, list) and all(
        isinstance(hook, list) and hook and all(isinstance(word, str) for word in hook) for hook in hooks
    )
    if not fits:
        raise InvalidInput(
            f"{escape(config_file.path())}: hooks of [rotation] are no list of programs",
            'write hooks = [["program", "argument"]]',
        )
    return tuple(tuple(hook) for hook in hooks or ())


def run_hooks(hooks: tuple[Hook, ...], key: ApiKey, value: Secret) -> list[str]:
    """Run each program; what went wrong, a line each."""
    told = {"KEYVAULT_ROTATED_REF": key.ref, "KEYVAULT_ROTATED_VARIABLES": " ".join(key.variables)}
    failed = []
    for hook in hooks:
        name = escape(hook[0])
        if (program := programs.find(hook[0], scripts=True)) is None:
            failed.append(f"the hook {name} was not found")
            continue
        try:
            done = subprocess.run(
                [program, *hook[1:]],
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
