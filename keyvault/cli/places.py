"""Files and secrets of CI services that hold a key, as a person names them."""

from __future__ import annotations

import os
import re

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable
from keyvault.core.settings import absolute
from keyvault.vault.keys import VALUE_FIELD, ApiKey
from keyvault.vault.rotating import SERVICES

_REPOSITORY = re.compile(r"[\w.-]+(?:/[\w.-]+)+\Z", re.ASCII)


def place_of(text: str, key: ApiKey) -> tuple[str, str, str]:
    """`FILE`, `FORMAT:FILE`, `github:OWNER/REPO`, `gitlab:GROUP/PROJECT`, each with `#VARIABLE` if it is not the key's first.

    Kind, absolute path or repository, and variable. Raises InvalidInput.
    """
    from keyvault.formats import FORMATS, of_file

    where, _, variable = text.partition("#")
    variable = variable or next((v for v, field in key.variables.items() if field == VALUE_FIELD), "")
    check_variable(variable)
    kind, colon, rest = where.partition(":")
    if colon and kind in SERVICES:
        if not _REPOSITORY.match(rest):
            raise InvalidInput(f"{kind}: needs a repository", f"write {kind}:OWNER/NAME")
        return kind, rest, variable
    if not (colon and kind in FORMATS):
        kind, rest = of_file(where) or "dotenv", where
    path = absolute(rest)
    if not os.path.isfile(path) or os.path.islink(path):
        raise InvalidInput("a place is a plain file that is there", "write FILE, FORMAT:FILE or github:OWNER/NAME")
    return kind, path, variable
