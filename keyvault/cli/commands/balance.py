"""`keyvault balance`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import click

from keyvault.cli import exits, options, progress, render, terminal
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import quoted
from keyvault.core.text import escape, money
from keyvault.liveness import asking, balance, keys
from keyvault.liveness.balance import Figure, Standing


@click.command()
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--below", metavar="N", help="Exit with 7 if less than N is left anywhere, in the vendor's unit.")
@options.timeout(asking.SECONDS)
@options.as_json
@common
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], below: str | None, timeout: float, as_json: bool) -> int:
    """Ask the vendors what is left: on the keys named, or on all whose vendors tell. The figures are kept with the keys."""
    floor = _number(below) if below is not None else None
    vault = session.open()
    asked = [(key, subject) for key, subject in keys.subjects(vault, refs) if refs or balance.tells(subject)]
    at = clock.now()
    with progress.of(len(asked), "asking", plain=as_json) as step:
        standings = balance.balances([s for _, s in asked], seconds=timeout, on_standing=lambda standing: step(standing.ref))
    keys.keep_standings(vault, [key for key, _ in asked], standings, at)
    session.tell_notices(vault)
    if as_json:
        render.json_out({"balances": [entry for standing in standings for entry in _as_dicts(standing, floor, at)]})
    elif standings:
        render.table(("KEY", "BALANCE", "OF", "MORE"), [row for standing in standings for row in _rows(standing)])
    else:
        terminal.tip("no key of a vendor that tells a balance; keyvault providers lists them")
    if any(_is_below(figure, floor) for standing in standings for figure in standing.figures):
        return exits.FINDINGS
    return exits.UNREACHABLE if standings and not any(s.reached for s in standings) else exits.DONE


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as exc:
        raise InvalidInput(f"{quoted(text)} is not a number", "as in --below 5 or --below 0.5") from exc
    if not number.is_finite():
        raise InvalidInput(f"{quoted(text)} is not a number", "as in --below 5 or --below 0.5")
    return number


def _is_below(figure: Figure, floor: Decimal | None) -> bool:
    return floor is not None and figure.amount is not None and figure.means == "left" and figure.amount < floor


def _rows(standing: Standing) -> list[tuple[str, str, str, str]]:
    if not standing.figures:
        return [(standing.ref, "-", "-", escape(standing.reason))]
    rows = []
    for figure in standing.figures:
        shown = money(f"{figure.amount:f}", figure.unit) if figure.amount is not None else figure.note
        more = [f"{name} {money(f'{part:f}', figure.unit)}" for name, part in figure.parts.items()]
        more += [f"{name}: {fact}" for name, fact in figure.facts.items()]
        label = shown + {"left": "", "spent": " spent this month", "used": " used"}[figure.means]
        rows.append((standing.ref, escape(label), figure.scope, escape(", ".join(more))))
    return rows


def _as_dicts(standing: Standing, floor: Decimal | None, at: int) -> list[dict[str, object]]:
    common_part = {"ref": standing.ref, "provider": standing.ref.partition("/")[0]}
    if not standing.figures:
        return [common_part | {"amount": None, "reason": standing.reason}]
    return [
        common_part
        | {
            "scope": figure.scope,
            "means": figure.means,
            "amount": None if figure.amount is None else f"{figure.amount:f}",
            "unit": figure.unit,
            "parts": {name: f"{part:f}" for name, part in figure.parts.items()},
            "facts": dict(figure.facts),
            "below": _is_below(figure, floor),
            "reason": figure.note,
            "checked": clock.rfc3339(at),
        }
        for figure in standing.figures
    ]
