"""`keyvault audit`."""

from __future__ import annotations

import os
from typing import Any

import click

from keyvault.audit import baseline, keeping, policy, stale
from keyvault.audit.baseline import Baseline
from keyvault.audit.findings import OWN, UNKNOWN, Leak, Report, Skipped
from keyvault.cli import auditing, exits, progress, terminal
from keyvault.cli.app import common
from keyvault.cli.auditing import FORMATS, JSON, TABLE
from keyvault.cli.given import GIVEN
from keyvault.cli.session import Session
from keyvault.core import clock
from keyvault.core.errors import InvalidInput, Locked, NotFound
from keyvault.core.refs import quoted
from keyvault.core.settings import absolute, cache_folder
from keyvault.core.text import escape
from keyvault.vault import changes
from keyvault.vault.vault import Vault

_STALE, _LEAKS, _BOTH = "stale", "leaks", "both"
_WITHIN = "30d"
_KINDS = (OWN, UNKNOWN, "any")
_FOR_LEAKS = ("history", "staged", "verify", "baseline", "write_baseline", "unknown_only", "no_home", "mark")


@click.command()
@click.argument("words", type=GIVEN, nargs=-1, metavar="[stale|leaks] [PATH]...")
@click.option("--history", is_flag=True, help="Also everything that git keeps: all commits, stashes, what nothing leads to.")
@click.option("--staged", is_flag=True, help="Only what the next commit adds.")
@click.option("--no-home", is_flag=True, help="Leave out the usual places of the home folder.")
@click.option("--unknown-only", is_flag=True, help="Do not open the vault; look for keys by their shape alone.")
@click.option("--verify", is_flag=True, help="Ask the vendors whether the keys found still work, where the shape tells whose.")
@click.option("--mark", is_flag=True, help="Note the keys found that are in use as leaked: rotate --leaked takes them.")
@click.option("--baseline", "baseline_", type=GIVEN, metavar="FILE", help="Leave out the findings that this file accepts.")
@click.option("--write-baseline", type=GIVEN, metavar="FILE", help="Accept what is found now, but for keys in use.")
@click.option("--within", type=GIVEN, metavar=_WITHIN, help=f"How far ahead a key's end is told; {_WITHIN} if not said.")
@click.option(
    "--fail-on",
    type=GIVEN,
    metavar="WORD,...",
    help="What makes the exit code 7: reasons of stale, and own, unknown or any for leaks; 'none' for nothing. "
    f"If not said: {','.join(stale.BAD_REASONS)},any.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default=TABLE, help="table if not said.")
@click.option("--json", "form", flag_value=JSON, help="The same as --format json.")
@click.option("--output", "-o", type=GIVEN, metavar="FILE", help="Write the report there, readable by you alone.")
@common
@click.pass_obj
def command(session: Session, /, words: tuple[str, ...], form: str, output: str | None, **said: Any) -> int:
    """Find keys that are stale, and keys that lie about in clear; with a word, only one of the two.

    stale: old, expired, leaked, dead, unused or doubled keys, and a vault that is kept too loosely. leaks: the vault's own
    values, exactly, and other keys by their shape, below PATH; without one, in the current folder and where the home folder
    usually has them. No report ever holds a value. The exit code is 7 when something needs action.
    """
    mode, paths = _mode(words, said)
    failing = _failing(said["fail_on"], mode)
    rules = policy.configured()
    within = clock.parse_span(said["within"] or _WITHIN)
    now = clock.now()
    known = _baseline(said)
    vault, skipped = _open(session, lenient=mode == _LEAKS, closed=said["unknown_only"])
    report = Report(now)
    if mode != _LEAKS and vault:
        keys, clocks = vault.all_keys(), stale.Clocks(now, within)
        wanting, ages = stale.of_keys(keys, session.usage(vault).read(), rules, clocks)
        wanting = stale.in_order([*wanting, *keeping.of_vault(vault, keys, session.settings, now)])
        report = report._replace(stale=tuple(wanting), ages=tuple(ages))
    if mode != _STALE:
        report = _search(session, vault, report, skipped, paths, known, said)
    text = auditing.text_of(
        report,
        form,
        stale=mode != _LEAKS,
        leaks=mode != _STALE,
        lasting=vault is not None or known is not None,
        whole=bool(output),
    )
    auditing.put(text, output)
    if form == TABLE and not (report.stale or report.leaks):
        files, objects, size = report.searched
        terminal.tip(f"nothing was found (searched: {files} files, {objects} objects of git, {size / 1e6:.1f} MB)")
    if vault:
        _mark(session, vault, report.leaks, asked=said["mark"], may_ask=form == TABLE and not output)
        session.tell_notices(vault)
    return exits.FINDINGS if _fails(report, failing) else exits.DONE


def _mode(words: tuple[str, ...], said: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What is wanted, and where. Raises InvalidInput for options that go with the other half."""
    said["baseline"] = said.pop("baseline_")
    mode = words[0] if words and words[0] in (_STALE, _LEAKS) else _BOTH
    paths = words[1:] if mode != _BOTH else words
    given = [name for name in _FOR_LEAKS if said[name]]
    if mode == _STALE and (paths or given):
        what = f"--{given[0].replace('_', '-')}" if given else "a path"
        raise InvalidInput(
            f"audit stale looks at the vault alone, so {what} means nothing to it", "keyvault audit leaks takes it"
        )
    if mode == _LEAKS and said["within"]:
        raise InvalidInput("--within is about keys that expire", "keyvault audit stale takes it")
    if mode == _BOTH and said["unknown_only"]:
        raise InvalidInput("--unknown-only does not open the vault", "keyvault audit leaks takes it")
    for one, other in (("staged", "history"), ("staged", "write_baseline"), ("unknown_only", "mark")):
        if said[one] and said[other]:
            raise InvalidInput(f"--{one} and --{other} do not go together".replace("_", "-"), "choose one")
    for path in paths:
        if not os.path.lexists(path):
            raise NotFound(f"{escape(path)} does not exist", "check the path")
    return mode, paths


def _failing(text: str | None, mode: str) -> set[str]:
    usual = (set(stale.BAD_REASONS) if mode != _LEAKS else set()) | ({"any"} if mode != _STALE else set())
    if text is None:
        return usual
    allowed = (stale.REASONS if mode != _LEAKS else ()) + (_KINDS if mode != _STALE else ())
    named = {word.strip() for word in text.split(",")} - {"", "none"}
    for word in sorted(named - set(allowed)):
        raise InvalidInput(
            f"{quoted(word)} is nothing that audit could fail on here", f"it may be {', '.join(allowed)} or none"
        )
    return named


def _fails(report: Report, failing: set[str]) -> bool:
    return any(one.reason in failing for one in report.stale) or any(
        leak.kind in failing or "any" in failing for leak in report.leaks
    )


def _baseline(said: dict[str, Any]) -> Baseline | None:
    """The baseline that is used, or to be written. Raises NotFound, InvalidInput."""
    used, wanted = said["baseline"], said["write_baseline"]
    if used and wanted and absolute(used) != absolute(wanted):
        raise InvalidInput("--baseline and --write-baseline name two files", "fingerprints have one salt: name the same file")
    if used:
        return baseline.read(used)
    if not wanted:
        return None
    return baseline.read(wanted) if os.path.lexists(wanted) else baseline.new(wanted)


def _open(session: Session, *, lenient: bool, closed: bool) -> tuple[Vault | None, list[Skipped]]:
    """The vault. `lenient`: where there is none, or nobody to unlock it, keys are sought by shape alone, and that is said."""
    why = "--unknown-only was given"
    if not closed:
        try:
            return session.open(), []
        except (Locked, NotFound) as exc:
            if not lenient:
                raise
            why = exc.message
            terminal.warn(f"your own keys are not sought: {why}")
    return None, [Skipped("", f"your own keys were not sought: {why}")]


def _search(
    session: Session,
    vault: Vault | None,
    report: Report,
    skipped: list[Skipped],
    paths: tuple[str, ...],
    known: Baseline | None,
    said: dict[str, Any],
) -> Report:
    from keyvault.audit.leaks.pieces import Plan
    from keyvault.audit.leaks.run import Where, leaks
    from keyvault.audit.sought import Sought, fingerprint_key, own_keys
    from keyvault.crypto.primitives import random_bytes

    sought = own_keys(vault) if vault else Sought((), ())
    key = known.salt if known else fingerprint_key(vault) if vault else random_bytes(32)
    cache = cache_folder(session.settings)
    plan = Plan(sought.own, key, cache_folder=cache)
    where = Where(paths, said["history"], said["staged"], not (paths or said["no_home"]), cache)
    with progress.of_bytes(plain=False) as step:
        found = leaks(plan, where, progress=step)
    lying = list(found.leaks)
    if known and said["write_baseline"]:
        known = known.accepting(lying)
        baseline.write(known)
        if left := sum(1 for leak in lying if not baseline.acceptable(leak)):
            terminal.warn(
                f"not accepted: {left} findings of keys in use, or of values so short that their hash would tell them"
            )
    if known:
        new = known.new_ones(lying)
        terminal.tip(f"accepted by the baseline: {len(lying) - len(new)} of {len(lying)}")
        lying = new
    if said["verify"]:
        lying = _verified(vault, plan, lying)
    left_out = (*skipped, *sought.skipped, *found.skipped)
    return report._replace(leaks=tuple(lying), skipped=left_out, searched=found.searched)


def _verified(vault: Vault | None, plan: Any, lying: list[Leak]) -> list[Leak]:
    from keyvault.audit.verifying import Values, verify
    from keyvault.core.secret import Secret
    from keyvault.liveness.keys import subjects
    from keyvault.liveness.requests import Subject

    def own(leak: Leak, value: Secret) -> Subject | None:
        """As `check` would ask; a former value goes where the key's present one goes."""
        if vault is None:
            return None
        try:
            return subjects(vault, [leak.ref])[0][1]._replace(value=value)
        except NotFound:
            return None  # a removed key: nobody says any more where it may go

    values = Values(plan)
    with progress.of(len({leak.fingerprint for leak in lying}), "asking", plain=False) as step:
        return verify(lying, values, own, lambda result: step(result.ref))


def _mark(session: Session, vault: Vault, leaks: tuple[Leak, ...], *, asked: bool, may_ask: bool) -> None:
    """Note keys in use that lie in clear as leaked, if that was said or is agreed to."""
    refs = sorted({leak.ref for leak in leaks if leak.kind == OWN and leak.current})
    refs = [ref for ref in refs if vault.get(ref).leaked is None]
    if not refs or not (asked or (may_ask and session.someone_there and terminal.is_terminal(1))):
        return
    named = ", ".join(refs[:3]) + (f" and {len(refs) - 3} more" if len(refs) > 3 else "")
    if not asked and not terminal.confirm(f"note {named} as leaked, so that keyvault rotate --leaked takes them?"):
        return
    with vault.transaction("edit") as tx:
        for ref in refs:
            changes.edit(tx, ref, {"leaked": clock.now()}, clock.now())
    terminal.tip(f"noted as leaked: {named}; keyvault rotate --leaked replaces them")
