"""What a source holds: values, where they stand, and what the source itself knows about them."""

from __future__ import annotations

from typing import NamedTuple

from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable
from keyvault.core.secret import Secret
from keyvault.core.text import escape
from keyvault.vault.keys import LARGEST_VALUE

MOST_FOUND = 20_000


class Found(NamedTuple):
    """A value and the place where it stands.

    variable: what programs read it from; may be empty where the source has none. provider, label: what the source knows
    better than that name. group: what belongs together within one source, such as a profile. cut: the part of the text
    that a cleaning takes out, from the first character to after the last one; None: it cannot be taken out safely.
    """

    variable: str
    value: Secret
    path: str
    line: int
    provider: str = ""
    label: str = ""
    group: str = ""
    cut: tuple[int, int] | None = None

    @property
    def where(self) -> str:
        """File and line, for people. Escape it before it is shown."""
        return f"{self.path}:{self.line}" if self.line else self.path


class Reading:
    """What one source holds, as it is being collected, and a line about each part that was skipped.

    `mixed`: whoever wrote the source keeps all kinds of settings in it, and nothing yet has looked for the keys among them.
    """

    def __init__(self, path: str, *, mixed: bool = False) -> None:
        self.path = path
        self.mixed = mixed
        self.found: list[Found] = []
        self.skipped: list[str] = []

    def add(
        self,
        variable: str,
        value: str,
        line: int,
        *,
        provider: str = "",
        label: str = "",
        group: str = "",
        cut: tuple[int, int] | None = None,
    ) -> None:
        """Take a value that can be a key; say why another one is skipped. Raises InvalidInput for far too many."""
        if len(self.found) >= MOST_FOUND:
            raise InvalidInput(f"{escape(self.path)} holds more than {MOST_FOUND:,} values", "name a smaller file")
        if variable:
            try:
                check_variable(variable)
            except InvalidInput as exc:
                self.skip(line, f"was skipped: {exc.message}")
                return
        name = variable or "it"
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            self.skip(line, f"gives {name} a value that is not UTF-8 text, and was skipped")
            return
        if not value:
            self.skip(line, f"gives {name} no value, and was skipped")
        elif size > LARGEST_VALUE:
            self.skip(line, f"gives {name} a value that is too large for a key, and was skipped")
        elif "\0" in value:
            self.skip(line, f"gives {name} a value that no environment can hold, and was skipped")
        else:
            self.found.append(Found(variable, Secret(value), self.path, line, provider, label[:200], group, cut))

    def skip(self, line: int, reason: str) -> None:
        """Say why a part was left out."""
        if len(self.skipped) < MOST_FOUND:
            self.skipped.append(f"{escape(self.path)}:{line} {reason}" if line else f"{escape(self.path)} {reason}")
