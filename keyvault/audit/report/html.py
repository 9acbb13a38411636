"""A report as one HTML page that needs nothing else: no network, no other file, and no script but for the filters.

The content security policy names the page's own style and script by their hashes, so nothing that might slip in from a file's
name could run or be fetched. All text from outside goes through `_text`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape as html_escape

from keyvault.audit.findings import HISTORY, HOME, OWN, STAGED, TREE, Leak, Report, Skipped, Stale
from keyvault.audit.report.ages import picture
from keyvault.audit.report.page import SCRIPT, STYLE
from keyvault.audit.report.wording import ERROR, LEVELS, NOTE, WARNING, advice, caveat, in_order, level, where, whose
from keyvault.core import clock
from keyvault.core.text import counted, escape
from keyvault.core.version import __version__
from keyvault.crypto.primitives import sha256

_HEADINGS = {ERROR: "Act now", WARNING: "Look at", NOTE: "Good to know"}
_SOURCES = {TREE: "files", HISTORY: "git history", STAGED: "staged", HOME: "home folder"}
_MOST_SKIPPED = 500


def page(report: Report, *, with_stale: bool = True, with_leaks: bool = True) -> str:
    """The whole page; the parts that were not asked for are left out."""
    leaks = in_order(report.leaks)
    parts = [_summary(report, leaks, with_stale, with_leaks)]
    if leaks or report.stale:
        parts.append(_filters(leaks))
        parts += [_of_level(rank, leaks, report.stale) for rank in LEVELS]
    if leaks:
        parts.append(_advice(leaks))
    if report.ages:
        parts.append(picture(report.ages, _text))
    if report.skipped:
        parts.append(_skipped(report.skipped))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>keyvault audit, {clock.day(report.at)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the findings</a>\n'
        f'<main id="content" tabindex="-1">\n{"".join(parts)}</main>\n'
        f"<footer><p>Made by keyvault {__version__}. No value is in this page: at most the last four characters of a long one."
        f"</p></footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _policy() -> str:
    def digest(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode())).decode()}'"

    return f"default-src 'none'; style-src {digest(STYLE)}; script-src {digest(SCRIPT)}; base-uri 'none'; form-action 'none'"


def _text(text: str) -> str:
    """Text from outside: what acts on a reader is spelled out, what acts on a browser is quoted."""
    return html_escape(escape(text), quote=True)


def _summary(report: Report, leaks: Sequence[Leak], with_stale: bool, with_leaks: bool) -> str:
    ranks = [*map(level, leaks), *map(level, report.stale)]
    counts = "".join(f'<li class="{rank}"><b>{ranks.count(rank)}</b> {_HEADINGS[rank].lower()}</li>' for rank in LEVELS)
    files, objects, size = report.searched
    told = []
    if with_leaks:
        looked = counted(files, "file") + (f" and {counted(objects, 'object')} of git" if objects else "")
        told.append(f"Searched: {looked}, {size / 1_000_000:.1f} MB. Notes on what was left out: {len(report.skipped)}.")
    if with_stale:
        told.append(f"Keys looked at: {len(report.ages)}.")
    nothing = "" if ranks else "<p><b>Nothing was found.</b></p>"
    at = clock.rfc3339(report.at)
    return (
        f'<h1>keyvault audit</h1>\n<p>Made <time datetime="{at}">{at.replace("T", " ").removesuffix("Z")} UTC</time>. '
        f'{" ".join(told)}</p>\n<ul class="counts">{counts}</ul>\n{nothing}'
    )


def _filters(leaks: Sequence[Leak]) -> str:
    boxes = "".join(
        f'<label><input type="checkbox" name="level" value="{rank}" checked> {_HEADINGS[rank]}</label> ' for rank in LEVELS
    )
    sources = [source for source in _SOURCES if any(leak.source == source for leak in leaks)]
    options = "".join(f'<option value="{source}">{_SOURCES[source]}</option>' for source in sources)
    return (
        '<form id="filters" hidden aria-label="Filter the findings"><fieldset><legend>Show</legend>'
        f'{boxes}</fieldset>\n<p><label for="source">Found in</label> <select id="source" name="source">'
        f'<option value="">anywhere</option>{options}<option value="vault">keys and vault</option></select>\n'
        '<label for="words">With the words</label> <input id="words" name="words" type="search" autocomplete="off">\n'
        '<button type="reset">Show all</button></p>\n<p id="told" role="status"></p></form>\n'
    )


def _of_level(rank: str, leaks: Sequence[Leak], stale: Sequence[Stale]) -> str:
    lying = [leak for leak in leaks if level(leak) == rank]
    wanting = [one for one in stale if level(one) == rank]
    if not lying and not wanting:
        return ""
    body = ""
    if lying:
        body += _table("Keys that lie in clear", ("Key", "Where", "Form", "Vendor says"), map(_leak_row, lying))
    if wanting:
        body += _table("Keys and the vault", ("Key", "Reason", "Detail", "What to do"), map(_stale_row, wanting))
    return f'<section class="{rank}" aria-labelledby="{rank}"><h2 id="{rank}">{_HEADINGS[rank]}</h2>\n{body}</section>\n'


def _table(caption: str, headings: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{caption}"><table><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{''.join(rows)}</tbody></table></div>\n"
    )


def _leak_row(leak: Leak) -> str:
    kind = "" if leak.kind != OWN else " <small>in use</small>" if leak.current else ""
    cells = (
        f'<th scope="row">{_text(whose(leak))}{kind}</th><td><code>{_text(where(leak))}</code>'
        f"<br><small>{_SOURCES.get(leak.source, _text(leak.source))}, fingerprint {_text(leak.fingerprint)}</small></td>"
        f"<td>{_text(leak.form)}</td><td>{_text(leak.verdict.replace('_', ' ')) or 'not asked'}</td>"
    )
    return f'<tr data-level="{level(leak)}" data-source="{_text(leak.source)}">{cells}</tr>\n'


def _stale_row(stale: Stale) -> str:
    cells = (
        f'<th scope="row">{_text(stale.ref) or "the vault"}</th><td>{_text(stale.reason.replace("_", " "))}</td>'
        f"<td>{_text(stale.detail)}</td><td>{_text(stale.then)}</td>"
    )
    return f'<tr data-level="{level(stale)}" data-source="vault">{cells}</tr>\n'


def _advice(leaks: Sequence[Leak]) -> str:
    parts = []
    for one in advice(leaks):
        steps = "".join(f"<li>{_text(step)}</li>" for step in one.steps)
        parts.append(f"<h3>{_text(one.about)}</h3><ol>{steps}</ol>\n")
    if known := caveat(leaks):
        parts.append(f"<p>{_text(known)}</p>\n")
    return f'<section aria-labelledby="todo"><h2 id="todo">What to do about keys in clear</h2>\n{"".join(parts)}</section>\n'


def _skipped(skipped: Sequence[Skipped]) -> str:
    rows = "".join(
        f"<li>{f'<code>{_text(one.path)}</code>: ' if one.path else ''}{_text(one.why)}</li>" for one in skipped[:_MOST_SKIPPED]
    )
    more = len(skipped) - _MOST_SKIPPED
    rest = f"<p>And {more} more; the JSON report has them all.</p>" if more > 0 else ""
    return f'<section aria-labelledby="skipped"><h2 id="skipped">Not looked at</h2>\n<ul>{rows}</ul>{rest}</section>\n'
