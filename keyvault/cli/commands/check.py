"""`keyvault check`."""

from __future__ import annotations

import click

from keyvault.cli import exits, options, progress, render
from keyvault.cli.app import common
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput
from keyvault.core.refs import quoted
from keyvault.core.text import escape
from keyvault.liveness import asking, check, keys, verdict
from keyvault.liveness.check import Result


@click.command()
@click.argument("refs", nargs=-1, metavar="[REF]...")
@click.option("--strict", is_flag=True, help="Take every 401 and 403 as invalid, without the vendors' rules.")
@click.option(
    "--fail-on", metavar="VERDICT,...", default=",".join(verdict.BAD), help="What makes the exit code 7; 'none' for nothing."
)
@options.timeout(asking.SECONDS)
@options.as_json
@common
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], strict: bool, fail_on: str, timeout: float, as_json: bool) -> int:
    """Ask the vendors whether keys still work: those named, or all.

    Each key goes to its own vendor only, or to the base URL that was set for it. The results are kept with the keys.
    """
    failing = _verdicts(fail_on)
    vault = session.open()
    asked = keys.subjects(vault, refs)
    results: list[Result] = []
    at = clock.now()
    with progress.of(len(asked), "checking", plain=as_json) as step:

        def hear(result: Result) -> None:
            results.append(result)
            step(result.ref)

        try:
            in_order = check.check([subject for _, subject in asked], strict=strict, seconds=timeout, on_result=hear)
        finally:
            if results:
                keys.keep_results(vault, [key for key, _ in asked], results, at)
    session.tell_notices(vault)
    if as_json:
        render.json_out({"results": [_as_dict(result, at) for result in in_order]})
    elif in_order:
        _tell(in_order)
    else:
        render.tell("no keys yet\n")
    if any(result.verdict in failing for result in in_order):
        return exits.FINDINGS
    heard = any(result.status is not None for result in in_order)
    silent = any(result.verdict == verdict.UNREACHABLE for result in in_order)
    return exits.UNREACHABLE if silent and not heard else exits.DONE


def _verdicts(text: str) -> set[str]:
    named = {word.strip() for word in text.split(",")} - {"", "none"}
    for word in sorted(named - set(verdict.ALL)):
        raise InvalidInput(f"{quoted(word)} is no verdict", f"verdicts are {', '.join(verdict.ALL)}")
    return named


def _tell(results: list[Result]) -> None:
    usable = {True: "yes", False: "no", None: "?"}
    rows = [(r.ref, r.verdict.replace("_", " "), usable[r.usable], escape(r.reason)) for r in results]
    render.table(("KEY", "VERDICT", "USABLE", "WHY"), rows)
    if todo := [r for r in results if r.then]:
        render.tell("\nWhat to do:\n" + "".join(f"  {r.ref}: {escape(r.then)}\n" for r in todo))


def _as_dict(result: Result, at: int) -> dict[str, object]:
    return {
        "ref": result.ref,
        "provider": result.ref.partition("/")[0],
        "verdict": result.verdict,
        "usable": result.usable,
        "http_status": result.status,
        "reason": result.reason,
        "next": result.then,
        "checked": clock.rfc3339(at),
    }
