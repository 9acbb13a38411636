"""What `rotate` needs of a person at a terminal, and how rotations are shown."""

from __future__ import annotations

import time
from typing import Any

from keyvault.cli import pages, terminal, value_input
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput
from keyvault.core.text import escape
from keyvault.providers import identify
from keyvault.providers.schema import Provider
from keyvault.rotation.plan import Planned
from keyvault.rotation.retiring import grace_left
from keyvault.rotation.schemes.base import ROLL
from keyvault.vault.keys import ApiKey
from keyvault.vault.rotating import REVOKED


class AtTheTerminal:
    """The person, as the workflow meets them."""

    def __init__(self, session: Session, said: dict[str, Any]) -> None:
        self._session = session
        self._said = said

    def tell(self, text: str) -> None:
        """A line on stderr."""
        for line in text.split("\n"):
            terminal.say(escape(line))

    def warn(self, text: str) -> None:
        """A warning."""
        terminal.warn(text)

    def before(self, planned: Planned) -> None:
        """What has to be agreed to before anything is begun. Raises InvalidInput, KeyvaultError."""
        if planned.scheme.makes == ROLL:
            question = f"the vendor gives {planned.key.ref} a new value and the old one is dead at once, everywhere. Go on?"
            if not (self._said["insist"] or self.agree(question, grave=True)):
                raise InvalidInput(
                    f"rotating {planned.key.ref} ends its old value at once, in every program that has it",
                    "run it on a terminal and say yes twice, or add --insist",
                )

    def new_value(self, provider: Provider | None, ref: str) -> str:
        """The page opens, and the value is taken from where the options say, else asked for. Raises Locked, InvalidInput."""
        said = self._said
        given = said["stdin"] or said["file"] or said["from_env"]
        if provider and provider.console_url and not given and not said["no_open"]:
            pages.open_console(provider, print_url=False)
        value = value_input.read_value(
            self._session, f"new key for {ref}", stdin=said["stdin"], file=said["file"], from_env=said["from_env"]
        )
        value = value.removesuffix("\n").removesuffix("\r")
        doubt = _doubt(value, provider)
        if doubt and not (said["insist"] or self.agree(f"{doubt}. Use it all the same?", grave=False)):
            raise InvalidInput(doubt, f"keyvault rotate --resume {ref} asks again; --insist takes it as it is")
        return value

    def new_part(self, ref: str, field: str) -> str:
        """Ask for a further secret part, such as the second half of a pair."""
        if not self._session.someone_there:
            return ""
        return terminal.ask_hidden(f"new {field} of {ref} (hidden, empty keeps the present one): ")

    def revoked_by_hand(self, provider: Provider | None, ref: str) -> bool:
        """Show the page and ask."""
        if not self._session.someone_there:
            return False
        if provider and provider.console_url and not self._said["no_open"]:
            pages.open_console(provider, print_url=False)
        return terminal.confirm(f"is the old value of {ref} revoked there?")

    def agree(self, question: str, *, grave: bool) -> bool:
        """Yes; or for what cannot be undone, yes twice."""
        if not self._session.someone_there:
            return False
        return terminal.confirm(question) and (not grave or terminal.confirm("this cannot be undone. Are you sure?"))

    def pause(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def _doubt(value: str, provider: Provider | None) -> str:
    """Why a value does not look like a new key of that vendor; or an empty string."""
    if provider is None:
        return ""
    found = identify.candidates(value)
    if any(candidate.provider.id == provider.id for candidate in found):
        return "its checksum is wrong: it was mistyped, or cut" if found[0].checksum_wrong else ""
    if found and found[0].certain:
        return f"this looks like a key of {found[0].provider.name}"
    return f"this does not look like a key of {provider.name}" if provider.patterns else ""


def status_cells(key: ApiKey, now: int) -> tuple[str, str, str]:
    """Step, since when, and what is with the old value."""
    if key.rotation is None:
        return "-", "-", "-"
    left = grace_left(key.rotation, now, clock.uptime()) if key.rotation.promoted else None
    old = "in use" if not key.rotation.promoted else "dead" if key.rotation.step == REVOKED else f"works for {left or 0} s more"
    return key.rotation.step, clock.rfc3339(key.rotation.at), old


def status_dict(key: ApiKey, now: int) -> dict[str, object]:
    """A rotation as `--status --json` shows it; documented in docs/reference/json.md."""
    rotation = key.rotation
    return {
        "ref": key.ref,
        "due": key.due(now) or None,
        "step": rotation.step if rotation else None,
        "began": clock.rfc3339(rotation.began) if rotation else None,
        "since": clock.rfc3339(rotation.at) if rotation else None,
        "grace_left": grace_left(rotation, now, clock.uptime()) if rotation and rotation.promoted else None,
        "earlier": [
            {"began": clock.rfc3339(e.began), "ended": clock.rfc3339(e.at), "outcome": e.outcome} for e in key.rotations
        ],
    }
