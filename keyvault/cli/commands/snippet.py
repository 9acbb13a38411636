"""`keyvault snippet`."""

from __future__ import annotations

import click

from keyvault.cli import render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, parse_ref
from keyvault.providers import catalogue
from keyvault.providers.snippets import LANGS, Use, snippet
from keyvault.vault.keys import VALUE_FIELD, ApiKey


@click.command()
@click.argument("ref")
@click.option(
    "--lang", type=click.Choice(list(LANGS)), default="shell", show_default=True, help="For which language or program."
)
@common
@click.pass_obj
def command(session: Session, ref: str, lang: str) -> None:
    """Print how to use a key from a program. The text reads the key's variable, and never holds the key.

    chatbox and lobechat: what to type into these chat clients. env: the variables that send OpenAI's programs to the vendor.
    """
    key = session.open().get(str(parse_ref(ref)))
    render.out(snippet(_use(key), lang))


def _use(key: ApiKey) -> Use:
    provider = catalogue.load(key.name.provider)
    of_value = [check_variable(name) for name, field in key.variables.items() if field == VALUE_FIELD]
    if not of_value:
        raise InvalidInput(f"{key.ref} is exported under no variable", f"keyvault edit {key.ref} --env NAME")
    usual = [name for name in (provider.variables if provider else ()) if name in of_value]
    fields = {field: check_variable(name) for name, field in key.variables.items() if field != VALUE_FIELD}
    return Use(key.ref, provider, (usual or of_value)[0], fields, key.base_url)
