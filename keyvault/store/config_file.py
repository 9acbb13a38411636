"""The user's own settings file, config.toml in the configuration folder: one table for each feature that has settings."""

from __future__ import annotations

import os
from typing import Any

from keyvault.core.errors import InvalidInput, NotFound
from keyvault.core.settings import config_folder
from keyvault.core.text import escape
from keyvault.store.files import read_own

_LARGEST = 64 * 1024


def path() -> str:
    """Where it lies; it need not exist."""
    return os.path.join(config_folder(), "config.toml")


def table(name: str) -> dict[str, Any] | None:
    """What it says under [name]: empty where nothing is said, None where that is no table. Raises InvalidInput, UnsafeFile."""
    import tomllib

    try:
        told = tomllib.loads(read_own(path(), _LARGEST).decode())
    except NotFound:
        return {}
    except (ValueError, RecursionError) as exc:
        raise InvalidInput(f"{escape(path())} is not TOML", "mend or remove that file") from exc
    found = told.get(name, {})
    return found if isinstance(found, dict) else None
