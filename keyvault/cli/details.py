"""The options by which people say things about a key, shared by `add` and `edit`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from keyvault.cli import value_input
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, quoted
from keyvault.core.text import closest, escape
from keyvault.providers import catalogue
from keyvault.vault.changes import Details
from keyvault.vault.keys import VALUE_FIELD

_TEXTS = ("note", "base_url", "vendor_name", "vendor_id", "scopes")


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options themselves."""
    given = (
        click.option(
            "--env", "env", multiple=True, metavar="NAME[=FIELD]", help="Export the value, or a field, as NAME. Repeatable."
        ),
        click.option(
            "--field",
            "field",
            multiple=True,
            metavar="NAME=VALUE",
            help="A further part that is not secret, such as a region. Repeatable.",
        ),
        click.option(
            "--secret-field",
            multiple=True,
            metavar="NAME[=env:VAR|=file:PATH]",
            help="A further secret part: asked for, or taken from a variable or a file. Repeatable.",
        ),
        click.option("--created", type=GIVEN, metavar="DATE", help="When the vendor made the key: 2026-11-22, or 'unknown'."),
        click.option("--expires", type=GIVEN, metavar="DATE|90d", help="When it stops working; 'none' takes the date away."),
        click.option("--rotate-after", type=GIVEN, metavar="90d", help="When it should be replaced; 'none' takes it away."),
        click.option("--tag", multiple=True, metavar="K=V", help="A tag; K= takes it away. Repeatable."),
        click.option("--note", metavar="TEXT", help="A few words of your own."),
        click.option("--base-url", metavar="URL", help="The endpoint this key is for."),
        click.option("--vendor-name", metavar="TEXT", help="What the vendor's page calls the key."),
        click.option("--vendor-id", metavar="TEXT", help="The vendor's id of the key."),
        click.option("--scopes", metavar="TEXT", help="What the key may do, in your words."),
        click.option("--auto/--no-auto", default=None, help="Whether `env` and `run` give it out when no key is named."),
        click.option("--confirm/--no-confirm", default=None, help="Whether a person is asked before each use of its value."),
    )
    for option in reversed(given):
        command = option(command)
    return command


def read_fields(
    session: Session, provider_id: str, said: dict[str, Any], before: Mapping[str, bool]
) -> tuple[dict[str, str], dict[str, bool]]:
    """The further fields that were given: their values and their secrecy. `before`: the secrecy of those that are there.

    Raises InvalidInput, Locked, NotFound.
    """
    provider = catalogue.load(provider_id)
    values: dict[str, str] = {}
    secrecy: dict[str, bool] = {}
    for text in said["field"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput("--field takes NAME=VALUE", "for a secret part use --secret-field NAME")
        if before.get(name) or (provider and name in provider.fields and provider.fields[name].secret):
            raise InvalidInput(
                f"field {escape(name)} is secret, and what is given as an argument is not",
                f"write --secret-field {escape(name)}, =env:VAR or =file:PATH; replace the key if this was its value",
            )
        values[name], secrecy[name] = value, False
    for text in said["secret_field"]:
        name, value = value_input.read_secret_field(session, text)
        values[name], secrecy[name] = value, True
    return values, secrecy


def variables_for(provider_id: str, said: dict[str, Any], fields: dict[str, bool], before: dict[str, str]) -> dict[str, str]:
    """Which variable gets which field: what was said, what was there, what the vendor's programs read. Raises InvalidInput."""
    provider = catalogue.load(provider_id)
    named = dict(text.split("=", 1) if "=" in text else (text, VALUE_FIELD) for text in said["env"])
    for variable in named:
        check_variable(variable)
    taken = set(named.values())
    chosen = {variable: field for variable, field in before.items() if field not in taken and (not field or field in fields)}
    chosen |= named
    for field in [VALUE_FIELD, *fields]:
        if field in chosen.values():
            continue
        if field == VALUE_FIELD:
            if provider is None:
                near = closest(provider_id, list(catalogue.ids()))
                raise InvalidInput(
                    f"keyvault does not know the vendor {quoted(provider_id)}, so it cannot name the variable",
                    f"did you mean {near}? If not, say the variable, as in --env ACME_API_KEY"
                    if near
                    else "say it, as in --env ACME_API_KEY",
                )
            variable = provider.variables[0]
        elif provider and field in provider.fields:
            variable = provider.fields[field].variable
        else:
            variable = f"{provider_id}_{field}".upper().replace("-", "_").replace(".", "_")
        if variable in chosen:
            what = f"field {quoted(field)}" if field else "the value"
            raise InvalidInput(f"{variable} is taken, so {what} has no variable", "say it: --env NAME or NAME=FIELD")
        chosen[variable] = field
    return chosen


def read_details(said: dict[str, Any], tags: dict[str, str], created: int, at: int) -> Details:
    """What else was said about the key. Raises InvalidInput."""
    details: Details = {}
    if said["created"]:
        details["created"] = None if said["created"] == "unknown" else clock.parse_time(said["created"])
        created = details["created"] or at
        if created > at + clock.DAY:  # a day, for those who live ahead of UTC
            raise InvalidInput("--created lies in the future", "check the date, and this machine's clock")
    if said["expires"]:
        details["expires"] = None if said["expires"] == "none" else clock.parse_time(said["expires"], relative_to=created)
    if said["rotate_after"]:
        details["rotate_after"] = None if said["rotate_after"] == "none" else clock.parse_span(said["rotate_after"])
    if said["tag"]:
        details["tags"] = merged_tags(said["tag"], tags)
    for name in _TEXTS:
        if said[name] is not None:
            details[name] = said[name]  # type: ignore[literal-required]
    for name in ("auto", "confirm"):
        if said[name] is not None:
            details[name] = said[name]  # type: ignore[literal-required]
    return details


def merged_tags(words: tuple[str, ...], before: Mapping[str, str]) -> dict[str, str]:
    """The tags after `--tag` words. Raises InvalidInput."""
    tags = dict(before)
    for word in words:
        name, _, value = word.partition("=")
        if not name:
            raise InvalidInput("a tag has no name", "write --tag NAME=VALUE, or --tag NAME")
        tags.pop(name, None)
        if value or "=" not in word:
            tags[name] = value
    return tags
