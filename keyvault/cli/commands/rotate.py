"""`keyvault rotate`."""

from __future__ import annotations

from typing import Any

import click

from keyvault.cli import exits, render, rotating, terminal, value_input
from keyvault.cli.app import common
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput, KeyvaultError, NotFound
from keyvault.core.refs import parse_ref
from keyvault.core.text import escape
from keyvault.environment import installed
from keyvault.rotation import hooks, journal, plan, schedule
from keyvault.rotation.context import CLOSED, STUCK, UNANSWERED, Options, Outcome
from keyvault.rotation.plan import Planned
from keyvault.rotation.workflow import Workflow
from keyvault.vault.keys import ApiKey
from keyvault.vault.rotating import BEGUN
from keyvault.vault.vault import Vault

_WHAT = ("due", "status", "resume", "abort", "rollback", "schedule")
GRACE = "24h"


@click.command()
@click.argument("refs", type=GIVEN, nargs=-1, metavar="[REF]...")
@click.option("--due", is_flag=True, help="All keys that are due, most urgent first, after showing the plan.")
@click.option("--leaked", is_flag=True, help="The key has leaked: no grace, also with --resume. Without REF: all such keys.")
@click.option("--status", is_flag=True, help="Show what is under way and what is due.")
@click.option("--resume", is_flag=True, help="Go on with what is under way: the keys named, or all.")
@click.option("--abort", is_flag=True, help="Give up a rotation whose new value is not in use yet.")
@click.option("--rollback", is_flag=True, help="Put the old value back, if it still works; the new one retires.")
@click.option(
    "--schedule",
    type=click.Choice(schedule.KINDS),
    is_flag=False,
    flag_value=schedule.usual(),
    help="Print an entry for a timer that runs --due each day; this system's usual one if none is named.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@click.option("--grace", type=GIVEN, metavar="24h", help=f"How long both values work; {GRACE} if not said, 0 for not at all.")
@click.option("--admin", type=GIVEN, metavar="REF", help="The key by which the vendor lets this one be replaced; remembered.")
@click.option("--manual", is_flag=True, help="Bring the new value yourself, whatever the vendor offers.")
@click.option("--experimental", is_flag=True, help="Also use requests of vendors about which little is known for certain.")
@click.option("--insist", is_flag=True, help="Go on where a doubt or something that cannot be undone would stop it.")
@click.option("--yes", is_flag=True, help="Do not ask for what can be undone.")
@click.option("--no-open", is_flag=True, help="Do not open the vendor's page.")
@click.option("--json", "as_json", is_flag=True, help="With --status or --dry-run: as JSON.")
@value_input.options
@common
@click.pass_obj
def command(session: Session, /, refs: tuple[str, ...], **said: Any) -> int:
    """Replace a key everywhere, without a moment in which none works.

    The new value is made at the vendor or brought by you, sealed, checked, and put in the place of the old one, here and
    in the files that are known to hold it. The old one works until the grace is over, and is then revoked. Every step is
    in the vault, so that --resume goes on wherever it was cut off.
    """
    if (said["leaked"] or said["dry_run"]) and not refs and not any(said[name] for name in _WHAT):
        said["due"] = True
    chosen = [name for name in _WHAT if said[name]]
    if len(chosen) > 1:
        raise InvalidInput(f"--{chosen[0]} and --{chosen[1]} do not go together", "choose one")
    if said["schedule"]:
        render.out(schedule.entry(said["schedule"], installed.command()))
        return exits.DONE
    if not refs and not chosen:
        raise InvalidInput("no key was named", "keyvault rotate REF, or --due for all that are due")
    vault = session.open()
    keys = [vault.get(str(parse_ref(ref))) for ref in dict.fromkeys(refs)] if refs else vault.all_keys()
    if said["status"]:
        return _status(keys, said["as_json"])
    hands = rotating.AtTheTerminal(session, said)
    options = Options(session.settings.state, said["insist"], () if said["dry_run"] else hooks.configured())
    if said["abort"] or said["rollback"]:
        if not refs:
            raise InvalidInput("no key was named", f"keyvault rotate --{chosen[0]} REF")
        session.approve(keys)
        flows = [Workflow(vault, key.ref, hands, options) for key in keys]
        return _told([flow.abort() if said["abort"] else flow.rollback() for flow in flows])
    said["named"] = bool(refs)
    return _rotate(session, vault, _wanted(keys, said), hands, options, said)


def _wanted(keys: list[ApiKey], said: dict[str, Any]) -> list[ApiKey]:
    """The keys that are meant: those under way, those that are due, or those that were named."""
    if said["resume"]:
        idle = [key for key in keys if not key.rotation]
        if idle and said["named"]:
            raise NotFound(f"no rotation of {idle[0].ref} is under way", f"keyvault rotate {idle[0].ref} begins one")
        return [key for key in keys if key.rotation]
    return plan.due(keys, clock.now(), leaked_only=said["leaked"]) if said["due"] else keys


def _rotate(
    session: Session, vault: Vault, keys: list[ApiKey], hands: rotating.AtTheTerminal, options: Options, said: dict[str, Any]
) -> int:
    now = clock.now()
    planned = [
        plan.plan(vault, key, now, admin=said["admin"] or "", by_hand=said["manual"], experimental=said["experimental"])
        for key in keys
    ]
    if said["dry_run"] or said["due"]:
        _show(planned, said["as_json"] and said["dry_run"])
    if not planned:
        terminal.tip("nothing is under way" if said["resume"] else "no key is due")
    if said["dry_run"] or not planned:
        return exits.DONE
    several = said["due"] or said["resume"]
    ready = (
        [p for p in planned if not (p.missing or (p.by_hand and not p.step and not session.someone_there))]
        if several
        else planned
    )
    for one in (p for p in planned if p not in ready):
        terminal.warn(f"{one.key.ref} is left out: {one.missing or 'a person has to bring its new value'}")
    if not several:
        for one in ready:
            plan.require(one)
    grace = _grace(said)
    if said["due"] and ready:
        session.confirm(f"rotate {len(ready)} {'key' if len(ready) == 1 else 'keys'}?", yes=said["yes"])
    outcomes: list[Outcome | KeyvaultError] = []
    for one in ready:
        try:
            outcomes.append(_one(session, vault, one, grace, hands, options, said))
        except KeyvaultError as exc:
            if len(ready) == 1:
                raise
            terminal.error(exc)
            outcomes.append(exc)
    session.tell_notices(vault)
    left_out = exits.FINDINGS if len(ready) < len(planned) else exits.DONE
    return _told([o for o in outcomes if isinstance(o, Outcome)]) or _worst(outcomes) or left_out


def _one(
    session: Session,
    vault: Vault,
    one: Planned,
    grace: int,
    hands: rotating.AtTheTerminal,
    options: Options,
    said: dict[str, Any],
) -> Outcome:
    key = one.key
    session.approve([key, *([vault.get(one.admin)] if one.admin else [])])
    if not one.step:
        hands.before(one)
        leaked = said["leaked"] or key.leaked is not None
        journal.begin(
            vault,
            key.ref,
            "manual" if one.by_hand else one.scheme.name,
            clock.now(),
            admin=one.admin,
            grace=0 if leaked else grace,
            leaked=leaked,
        )
    elif (
        said["manual"] and key.rotation and (key.rotation.scheme, key.rotation.step) == ("manual", BEGUN) and not said["leaked"]
    ):
        hands.before(one)  # nothing was brought the last time, so it is as new
    elif not (said["resume"] or said["due"]):
        raise InvalidInput(f"{key.ref} is being rotated (step: {one.step})", f"keyvault rotate --resume {key.ref}")
    elif said["admin"] or (said["leaked"] and said["resume"]):
        journal.amend(
            vault,
            key,
            admin=vault.get(str(parse_ref(said["admin"]))).ref if said["admin"] else "",
            leaked=said["leaked"],
        )
    return Workflow(vault, key.ref, hands, options).run()


def _grace(said: dict[str, Any]) -> int:
    if said["leaked"] or said["grace"] == "0":
        return 0
    return clock.parse_span(said["grace"] or GRACE)


def _told(outcomes: list[Outcome]) -> int:
    """Say how each ended or stands; the exit code."""
    from keyvault.cli.language import said

    for outcome in outcomes:
        terminal.say(f"{outcome.ref}{said(': ')}{escape(said(outcome.why))}")
        if outcome.state != CLOSED:
            terminal.say(escape(f"  {outcome.then}"))
    if any(outcome.state == STUCK for outcome in outcomes):
        return exits.FINDINGS
    return exits.UNREACHABLE if any(outcome.state == UNANSWERED for outcome in outcomes) else exits.DONE


def _worst(outcomes: list[Outcome | KeyvaultError]) -> int:
    return max((exits.code_of(o) for o in outcomes if isinstance(o, KeyvaultError)), default=exits.DONE)


def _show(planned: list[Planned], as_json: bool) -> None:
    if as_json:
        render.json_out({"plan": [_planned_dict(one) for one in planned]})
    elif planned:
        rows = [
            (one.key.ref, one.why or "-", one.step or "not begun", escape(one.method), one.proof, str(len(one.key.places)))
            for one in planned
        ]
        render.table(("KEY", "WHY", "STEP", "HOW", "PROOF", "FILES"), rows)
        for one in planned:
            if one.missing:
                render.tell(escape(f"{one.key.ref}: {one.missing}; {one.then}") + "\n")


def _planned_dict(one: Planned) -> dict[str, object]:
    return {
        "ref": one.key.ref,
        "why": one.why or None,
        "step": one.step or None,
        "method": one.method,
        "proven": one.scheme.proven,
        "admin": one.admin or None,
        "missing": one.missing or None,
        "places": [place._asdict() for place in one.key.places],
    }


def _status(keys: list[ApiKey], as_json: bool) -> int:
    now = clock.now()
    shown = [key for key in keys if key.rotation or key.due(now)]
    if as_json:
        render.json_out({"rotations": [rotating.status_dict(key, now) for key in shown]})
    elif shown:
        rows = [(key.ref, key.due(now) or "-", *rotating.status_cells(key, now)) for key in shown]
        render.table(("KEY", "DUE", "STEP", "SINCE", "OLD VALUE"), rows)
    else:
        terminal.tip("nothing is under way, and no key is due")
    return exits.DONE
