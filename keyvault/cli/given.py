"""Words that must not be empty: an unset variable of a script must not count as "not given"."""

from __future__ import annotations

from typing import Any

import click


class _Given(click.ParamType[str]):
    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail("it is empty", param, ctx)
        return str(value)


GIVEN = _Given()
