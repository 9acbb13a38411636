"""`keyvault providers`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import options, pages, render, terminal
from keyvault.cli.app import common
from keyvault.cli.language import said
from keyvault.cli.session import Session
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import check_variable, parse_ref
from keyvault.core.text import escape
from keyvault.providers import catalogue, new_file
from keyvault.providers.schema import Check, Provider


@click.command()
@click.argument("words", nargs=-1, metavar="[ID | open ID | new ID]")
@options.as_json
@click.option("--base-url", metavar="URL", help="With `new`: where its API is; http:// only on this machine.")
@click.option("--env", "variable", metavar="NAME", help="With `new`: the variable its programs read.")
@click.option("--name", metavar="TEXT", help="With `new`: its name.")
@common
@click.pass_obj
def command(
    session: Session,
    words: tuple[str, ...],
    as_json: bool,
    base_url: str | None,
    variable: str | None,
    name: str | None,
) -> None:
    """List the vendors that keyvault knows, or tell all about one.

    `open ID` opens the page where its keys are made; `new ID` begins a file for a vendor of your own.
    """
    what = words[0] if len(words) == 2 and words[0] in ("open", "new") else ""
    if len(words) > (2 if what else 1):
        raise InvalidInput("too many words", "keyvault providers, providers ID, providers open ID, or providers new ID")
    if what != "new" and (base_url or variable or name):
        raise InvalidInput("--base-url, --env and --name go with `new`", "keyvault providers new my-gateway --base-url URL")
    if what == "open":
        pages.open_console(catalogue.get(words[1]), print_url=True)
    elif what == "new":
        _new(words[1], base_url, variable, name)
    elif words:
        provider = catalogue.get(words[0])
        render.json_out(_as_dict(provider)) if as_json else render.pairs(_shown(about(provider)))
    elif as_json:
        render.json_out({"providers": [_as_dict(provider) for provider in catalogue.everyone()]})
    else:
        render.table(("ID", "NAME", "VARIABLE", "CHECK", "BALANCE"), [_row(provider) for provider in catalogue.everyone()])


def _new(provider_id: str, base_url: str | None, variable: str | None, name: str | None) -> None:
    parse_ref(f"{provider_id}/x")
    if base_url is None:
        raise InvalidInput("a new vendor needs an address", f"keyvault providers new {provider_id} --base-url https://…/v1")
    derived = provider_id.upper().replace("-", "_").replace(".", "_") + "_API_KEY"
    text = new_file.stub(provider_id, name=name or provider_id, base_url=base_url, variable=check_variable(variable or derived))
    path = new_file.make(provider_id, text)
    render.out(path + "\n")
    terminal.tip(f"edit that file if need be, then: keyvault add {provider_id}")


def _row(provider: Provider) -> tuple[str, ...]:
    balance = next((b.means for b in provider.balances), "-")
    own = " (own)" if catalogue.is_own(provider.id) else ""
    return provider.id, escape(provider.name) + own, provider.variables[0], _check_word(provider), said(balance)


def _check_word(provider: Provider) -> str:
    check = next((check for check in reversed(provider.checks) if not check.unsupported), None)  # the usual keys' comes last
    if check is None:
        return "no"
    trust = check.confidence or provider.confidence
    return "yes" if trust == "high" else f"yes ({trust} confidence)"


def _shown(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """In the reader's language: one of these words is ours alone."""
    return [(what, said(text) if what == "confidence" else text) for what, text in rows]


def about(provider: Provider) -> list[tuple[str, str]]:
    """All that the catalogue knows of a vendor, but for its check's rules: what it is, and the text."""
    first, *others = provider.variables
    rows = [
        ("vendor", f"{provider.name} ({provider.id})"),
        ("also called", ", ".join(provider.aliases)),
        ("variable", first),
        ("also known as", ", ".join(others)),
        *(
            (f"field {name}", _field(field.variable, field.secret, field.description))
            for name, field in provider.fields.items()
        ),
        ("base URL", ", ".join(url for url in (provider.base_url, *provider.other_base_urls) if url)),
        ("its variable", provider.base_url_variable),
        ("OpenAI's API", "yes" if provider.openai_compatible else "no"),
        ("keys are made", provider.console_url),
        ("documentation", provider.docs_url),
        *(("key shape", _shape(p.kind, p.prefix or p.regex, generic=p.generic, note=p.note)) for p in provider.patterns),
        *(("check", _check(check)) for check in provider.checks),
        *(
            ("balance", f"{b.scope}{f'; this needs {b.needs}' if b.needs else ''}{f'; {b.note}' if b.note else ''}")
            for b in provider.balances
        ),
        ("rotation", _sentence(provider.rotation.kind, provider.rotation.needs, provider.rotation.note)),
        *((f"request to {name}", text) for name, text in provider.rotation.calls.items()),
        ("revocation", _sentence(provider.revocation.kind, provider.revocation.needs, provider.revocation.note)),
        ("request to revoke", provider.revocation.call),
        ("note", provider.notes),
        ("confidence", provider.confidence),
        ("sources", ", ".join(provider.sources)),
    ]
    if catalogue.is_own(provider.id):
        rows.append(("file", f"{catalogue.own_folder()}/{provider.id}.toml"))
    return [(what, escape(text)) for what, text in rows if text]


def _field(variable: str, secret: bool, description: str) -> str:
    return f"{variable}{' (secret)' if secret else ''}{f': {description}' if description else ''}"


def _shape(kind: str, shape: str, *, generic: bool, note: str) -> str:
    return f"{kind}: {shape}{' (others look the same)' if generic else ''}{f'; {note}' if note else ''}"


def _check(check: Check) -> str:
    if check.unsupported:
        return f"none: {check.unsupported}"
    kinds = f"keys that begin with {check.prefix}: " if check.prefix else ""
    return kinds + f"{check.method} {' or '.join(check.urls)}{f'; {check.note}' if check.note else ''}"


def _sentence(kind: str, needs: str, note: str) -> str:
    words = {
        "api": "by API",
        "self": "by API, with the key itself",
        "partial": "partly by API",
        "manual": "by hand, on its page",
    }
    return "; ".join(part for part in (words[kind], f"this needs {needs}" if needs else "", note) if part)


def _as_dict(provider: Provider) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(provider))
