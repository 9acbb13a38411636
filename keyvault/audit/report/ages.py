"""The age of keys as a picture, and the same as a table for those who do not see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keyvault.audit.findings import Age

_ROW, _LEFT, _WIDTH, _RIGHT = 22, 220, 400, 200
_LONGEST_NAME = 26


def picture(ages: Sequence[Age], text: Callable[[str], str]) -> str:
    """A bar for each key, the oldest first, with a mark at its limit. `text` makes text from outside safe."""
    shown = sorted(ages, key=lambda age: (-age.days, age.ref))
    most = max(1, *(max(age.days, age.limit or 0) for age in shown))
    bars = "".join(_bar(number, age, most, text) for number, age in enumerate(shown))
    height = len(shown) * _ROW + 8
    rows = "".join(
        f'<tr><th scope="row">{text(age.ref)}</th><td class="days">{_days(age)}</td><td class="days">{_limit(age)}</td></tr>\n'
        for age in shown
    )
    return (
        '<section aria-labelledby="ages"><h2 id="ages">Age of keys</h2>\n<figure>'
        f'<svg viewBox="0 0 {_LEFT + _WIDTH + _RIGHT} {height}" role="img" aria-labelledby="ages-title ages-text">'
        '<title id="ages-title">Age of each key in days</title>'
        f'<desc id="ages-text">{_summary(shown, text)}</desc>{bars}</svg>'
        "<figcaption>Days since each key was made; a mark where it is to be replaced. "
        "Where the day is not known, a key is at least so old.</figcaption></figure>\n"
        '<div class="wide" role="region" tabindex="0" aria-label="The same in figures"><table>'
        "<caption>The same in figures</caption><thead><tr>"
        '<th scope="col">Key</th><th scope="col">Age</th><th scope="col">To be replaced after</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div></section>\n"
    )


def _bar(number: int, age: Age, most: int, text: Callable[[str], str]) -> str:
    top = number * _ROW + 4
    length = max(2, round(age.days / most * _WIDTH))
    late = age.limit is not None and age.days >= age.limit
    name = age.ref if len(age.ref) <= _LONGEST_NAME else age.ref[: _LONGEST_NAME - 1] + "…"
    kind = "late" if late else "fine"
    bar = (
        f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end">{text(name)}</text>'
        f'<rect class="{kind}" x="{_LEFT}" y="{top + 2}" width="{length}" height="14"/>'
    )
    if age.limit is not None:
        at = _LEFT + round(age.limit / most * _WIDTH)
        bar += f'<line x1="{at}" x2="{at}" y1="{top}" y2="{top + 18}"/>'
    right = _LEFT + _WIDTH if age.limit else _LEFT + length
    return bar + f'<text x="{right + 8}" y="{top + 13}">{_days(age)}{", overdue" if late else ""}</text>'


def _summary(shown: Sequence[Age], text: Callable[[str], str]) -> str:
    late = sum(1 for age in shown if age.limit is not None and age.days >= age.limit)
    oldest = shown[0]
    return f"{len(shown)} keys; the oldest is {text(oldest.ref)}, {_days(oldest)}; {late} past their limit."


def _days(age: Age) -> str:
    return f"{'' if age.known else 'at least '}{age.days} day{'' if age.days == 1 else 's'}"


def _limit(age: Age) -> str:
    return f"{age.limit} days" if age.limit is not None else "no limit"
