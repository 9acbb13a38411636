"""How an audit is shown on a terminal, and written in the other formats."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keyvault.audit.findings import Leak, Report, Skipped, Stale
from keyvault.audit.report.wording import NOTE, advice, caveat, in_order, level, where, whose
from keyvault.audit.stale import NEVER_USED, UNCHECKED, UNUSED
from keyvault.cli import render
from keyvault.cli.columns import wrapped
from keyvault.cli.language import said, said_lines
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.store.files import write_private

TABLE, JSON, SARIF, HTML = FORMATS = ("table", "json", "sarif", "html")
_WIDTH = 80
_MOST_SKIPPED = 20
_WORDS = {NOTE: "advice"}  # as doctor says; a note is what a person wrote of a key
_MOST_ALIKE = 5  # more keys of one of these reasons make one row
_ALIKE = {
    UNCHECKED: "keyvault check asks about all",
    UNUSED: "keyvault rm REF, and revoke it, if nobody needs it",
    NEVER_USED: "keyvault rm REF, and revoke it, if nobody needs it",
}


def text_of(report: Report, form: str, *, stale: bool, leaks: bool, lasting: bool, whole: bool) -> str:
    """The report in a format; `stale` and `leaks`: what was asked for.

    `lasting`: see sarif.as_dict. `whole`: see render.table_text.
    """
    if form == TABLE:
        return as_table(report, whole=whole)
    if form == HTML:
        from keyvault.audit.report import html

        return html.page(report, with_stale=stale, with_leaks=leaks)
    if form == SARIF:
        from keyvault.audit.report import sarif

        return render.json_text(sarif.as_dict(report, lasting=lasting))
    from keyvault.audit.report import json_report

    parts = (json_report.of_stale(report) if stale else {}) | (json_report.of_leaks(report) if leaks else {})
    return render.json_text(parts)


def put(text: str, path: str | None) -> None:
    """Print it, or put it into a file that only its owner can read. Raises StoreFailed, UnsafeFile."""
    if path:
        write_private(absolute(path), text.encode())
    else:
        render.out(text)


def as_table(report: Report, *, whole: bool) -> str:
    """Tables for people, what to do after each, and what was left out; empty where there is nothing to say."""
    parts = [_stale(report.stale, whole), _leaks(report.leaks, whole), _skipped(report.skipped)]
    return "\n".join(part for part in parts if part)


def _stale(stale: Sequence[Stale], whole: bool) -> str:
    shown: list[tuple[str, str, str, str]] = []
    for reason in dict.fromkeys(one.reason for one in stale):
        alike = [one for one in stale if one.reason == reason]
        if reason in _ALIKE and len(alike) > _MOST_ALIKE:
            named = ", ".join(one.ref for one in alike[:3])
            shown.append((reason, f"{len(alike)} keys", f"{named} and {len(alike) - 3} more", _ALIKE[reason]))
            continue
        for detail, then in dict.fromkeys((one.detail, one.then) for one in alike):  # one file can hold many keys
            refs = [one.ref or "the vault" for one in alike if (one.detail, one.then) == (detail, then)]
            shown.append((reason, refs[0] if len(refs) == 1 else f"{len(refs)} keys", detail, then))
    if not shown:
        return ""
    levels = {one.reason: level(one) for one in stale}
    rows = [(_word(levels[reason]), said(reason.replace("_", " ")), key, detail) for reason, key, detail, _ in shown]
    todo = dict.fromkeys(f"  {said(escape(key))}{said(': ')}{said(escape(then))}\n" for _, key, _, then in shown)
    return _columns(("", "WHAT", "KEY", "DETAIL"), rows, whole) + said_lines("\nWhat to do:\n") + "".join(todo)


def _leaks(leaks: Sequence[Leak], whole: bool) -> str:
    if not leaks:
        return ""
    asked = any(leak.verdict for leak in leaks)
    rows = []
    for leak in in_order(leaks):
        answer = (leak.verdict.replace("_", " "),) if asked else ()
        rows.append((_word(level(leak)), whose(leak), leak.form, *answer, where(leak)))
    steps = "".join(f"\n{said(escape(one.about))}\n" + "".join(map(_step, one.steps)) for one in advice(leaks))
    headings = ("", "KEY", "FORM", *(("VENDOR SAYS",) if asked else ()), "WHERE")
    known = "\n" + "\n".join(wrapped(said(caveat(leaks)), _WIDTH)) + "\n" if caveat(leaks) else ""
    return _columns(headings, rows, whole) + said_lines("\nWhat to do:\n") + steps + known


def _word(severity: str) -> str:
    return said(_WORDS.get(severity, severity))


def _step(step: str) -> str:
    """Wrapped, but a command is never broken: it is there to be copied."""
    words = re.sub("(?:(?<=: )|(?<=：))keyvault .*", lambda command: command[0].replace(" ", "\0"), said(escape(step)))
    lines = wrapped(words, _WIDTH - 4, whole=True)
    return ("  - " + "\n    ".join(lines)).replace("\0", " ") + "\n"


def _skipped(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    lines = [f"  {escape(': '.join(filter(None, one)))}\n" for one in skipped[:_MOST_SKIPPED]]
    if len(skipped) > _MOST_SKIPPED:
        lines.append(f"  and {len(skipped) - _MOST_SKIPPED} more; --format json has them all\n")
    return said_lines("Not looked at:\n" + "".join(lines))


def _columns(headings: Sequence[str], rows: Sequence[Sequence[str]], whole: bool) -> str:
    return render.table_text(headings, [[escape(cell) for cell in row] for row in rows], whole=whole)
