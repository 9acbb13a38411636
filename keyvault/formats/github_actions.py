"""GitHub Actions: masks for the log, and text for the file that `$GITHUB_ENV` names.

The two go to different places, so they come apart: `masks` is what the step must print first (`::add-mask::`, one a line
of a value), `text` is what must be appended to that file, afterwards. The output is for a plain `run: keyvault env`, not
for `eval`: a shell would take the mask lines for commands, and print them in its complaint.

Sources: docs.github.com, "Workflow commands"; actions/runner, FileCommandManager.cs and ActionCommandManager.cs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.core.errors import NotCarried
from keyvault.formats.base import Format, Refusal, Rendered, refusal, refuse
from keyvault.formats.lines import appended

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHORTEST_MASK = 6  # shorter ones would blot out ordinary text all over the log


class GithubActions(Format):
    """Workflow commands and the environment file."""

    def _assign(self, variable: str, value: str) -> str:
        if variable.upper().startswith(("GITHUB_", "RUNNER_")):
            refuse("GitHub keeps names that start with GITHUB_ or RUNNER_ for itself", "choose another --env name")
        if value.endswith("\r"):
            refuse("on Windows the runner drops a carriage return at the end")
        delimiter = _delimiter(value)
        return f"{variable}<<{delimiter}\n{value}\n{delimiter}\n"

    def render(self, pairs: Sequence[tuple[str, str]]) -> Rendered:
        masks: list[str] = []
        blocks: list[str] = []
        refused: list[Refusal] = []
        notes: list[str] = []
        for name, value in pairs:
            try:
                blocks.append(self.assign(name, value))
            except NotCarried as exc:
                refused.append(refusal(name, exc))
                continue
            lines = value.replace("\r", "\n").split("\n")
            masks += [_mask(line) for line in lines if len(line) >= _SHORTEST_MASK]
            if any(0 < len(line) < _SHORTEST_MASK for line in lines):
                notes.append(f"{name} has a line of fewer than {_SHORTEST_MASK} characters, which is not masked in the log")
        return Rendered("".join(blocks), tuple(refused), tuple(notes), "".join(masks))

    def merge(self, existing: str, pairs: Sequence[tuple[str, str]]) -> Rendered:
        rendered = self.render(pairs)
        return rendered._replace(text=appended(existing, rendered.text))


def _mask(line: str) -> str:
    return f"::add-mask::{line.replace('%', '%25')}\n"


def _delimiter(value: str) -> str:
    from os import urandom

    while True:
        delimiter = "keyvault_" + urandom(16).hex()
        if delimiter not in value:
            return delimiter


def load(name: str, _dialect: str) -> Format:
    """The one format of this module."""
    return GithubActions(name)
