"""What a key's record says of its vendor's answers: whether the key was taken, and what is left on the account.

Imported only for records that say something of the kind, so that `env` does not pay for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from keyvault.core.clock import is_time
from keyvault.vault.codec import altered


class Checked(NamedTuple):
    """What its vendor last said about one version. `status` is the HTTP status, 0 where no answer came."""

    version: str
    at: int
    verdict: str
    status: int
    reason: str


class Amount(NamedTuple):
    """What is "left", "spent" or "used" in one account; `amount` is a decimal as text, empty where the vendor sets no limit."""

    scope: str
    means: str
    amount: str
    unit: str


class Balance(NamedTuple):
    """What its vendor last said is left on one version."""

    version: str
    at: int
    amounts: tuple[Amount, ...]


def read_checked(parts: Any) -> Checked | None:
    """What a record says of the last check. Raises VaultCorrupt, TypeError."""
    if parts is None:
        return None
    checked = Checked(*parts)
    if [*map(type, checked)] == [str, int, str, int, str] and is_time(checked.at):
        return checked
    raise altered("a record")


def read_balance(parts: Any) -> Balance | None:
    """What a record says of the last balance. Raises VaultCorrupt, TypeError, ValueError."""
    if parts is None:
        return None
    version, at, amounts = parts
    balance = Balance(version, at, tuple(Amount(*amount) for amount in amounts))
    texts = {type(text) for amount in balance.amounts for text in amount}
    if type(version) is str and type(at) is int and is_time(at) and texts <= {str}:
        return balance
    raise altered("a record")
