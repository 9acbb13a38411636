"""Is it a key at all? Start-up files and settings hold much that is none."""

from __future__ import annotations

import re
from functools import cache

from keyvault.discover.found import Found
from keyvault.providers.identify import by_variable, field_by_variable, owner_of

_URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]{4,}@")
# A name of a variable that most likely holds a secret: one of its words says so.
_SAYS_SECRET = re.compile(
    r"(?:\A|[_-])(?:api_?)?(?:key|keys|token|tokens|secret|secrets|pass|password|passwd|passphrase|pwd|pat|credential|credentials|apikey|authtoken)"
    r"(?:\Z|_(?:id|[0-9]+|prod|production|dev|test|live|staging|work|home|personal|default))\Z|(?:\A|_)(?:api|auth|access)_?(?:key|token)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"(?:true|false|yes|no|on|off|none|null|[0-9.]{1,12}|[~./\\].*|[A-Za-z]:[\\/].*|https?://[^@]*|your[-_ ].*|<.*>|x{3,}|\*+"
    r"|change[-_ ]?me|todo|insert[-_ ].*|sk-\.\.\..*|.*placeholder.*)\Z",
    re.IGNORECASE | re.DOTALL,
)

_PASSWORD = re.compile(r"pass|pwd", re.IGNORECASE)
# Letters and digits without a break, as in keys, but not in dates, versions, hosts or names of models.
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16}")


@cache
def is_known(variable: str) -> bool:
    """The catalogue knows the variable, as a key's or as another part of a credential."""
    return bool(by_variable(variable) or field_by_variable(variable))


def is_key(variable: str, value: str) -> bool:
    """The catalogue knows the variable, or the value's shape, or both name and value look like a secret's."""
    if is_known(variable):
        return True
    if _URL_WITH_PASSWORD.match(value):
        return True
    return could_be_secret(value) and (says_secret(variable) or owner_of(value) is not None)


def is_secret(found: Found) -> bool:
    """Something for a vault, to be taken out of its file: by what the source, the name or the value says.

    PORT=3000 and MAX_TOKENS=4096 are none; but a password may be any text.
    """
    variable, value = found.variable, found.value.reveal()
    if found.provider or is_key(variable, value) or _RANDOM.search(value):
        return True
    return says_secret(variable) and (_NO_SECRET.match(value) is None or _PASSWORD.search(variable) is not None)


def sounds_like_key(variable: str) -> bool:
    """By its name alone."""
    return says_secret(variable) or is_known(variable)


def says_secret(name: str) -> bool:
    """A name such as ACME_API_KEY or acme-token."""
    return _SAYS_SECRET.search(name) is not None


def could_be_secret(value: str) -> bool:
    """Neither a path, a switch, a number, an address nor what stands in an example."""
    return len(value) >= 8 and _NO_SECRET.match(value) is None


def is_variable(name: str) -> bool:
    """Written as variables are: ACME_API_KEY."""
    return re.fullmatch(r"[A-Z_][A-Z0-9_]{0,254}", name) is not None
