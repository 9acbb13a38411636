"""Tables: columns by the width that a terminal gives each character, shortened to fit one, and a few words in colour.

On a terminal that is too narrow for columns each row is a list of its own, in which nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from unicodedata import category, east_asian_width

from keyvault.cli.language import said

_GAP = 2
_NARROWEST = 8
_ROOMY = 60  # cells; on less, columns are not worth their room where they would have to be shortened
_TYPED = ("KEY", "ID", "VARIABLE")  # columns of what people type next: never shortened
_PATHS = ("FOUND IN", "FROM", "WHERE", "SOURCE")  # of these the end tells most
_TONED = ("", "VERDICT", "VENDOR SAYS")
_RED, _GREEN, _YELLOW = 31, 32, 33  # SGR, ECMA-48 8.3.117
# A word, or a wide character; with the punctuation that may not be parted from it, and the blanks behind.
_WIDE = "\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff"
_OPENING, _CLOSING = "（“《「", "、。，；：？）”》」"
_PIECES = re.compile(f"[{_OPENING}]*(?:[^ {_WIDE}{_OPENING}{_CLOSING}]+|[{_WIDE}])?[{_CLOSING}]* *")
_TONES = {
    _RED: ("invalid", "invalid here", "disabled", "refused", "error", "problem"),
    _YELLOW: ("restricted", "no credit", "rate limited", "unreachable", "unknown", "warning", "advice"),
    _GREEN: ("valid",),
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words}


def width(text: str) -> int:
    """Terminal cells: two for wide characters, none for combining ones (Unicode Standard Annex 11)."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(c) in "WF" else 0 if category(c) in ("Mn", "Me") else 1 for c in text)


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], shown: Sequence[str] = (), *, fit: int = 0, colour: bool = False
) -> str:
    """Columns as wide as their content, or narrower so that a line has at most `fit` cells; the last goes on below itself.

    Where that cannot be, a row's cells stand one under the other.
    `shown`: the headings as people read them, where that is another language.
    """
    first = shown or headings
    widths = [max(width(row[n]) for row in (first, *rows)) for n in range(len(headings))]
    if fit and (not _narrow(headings, first, widths, fit) or (fit < _ROOMY and _cuts(headings, (first, *rows), widths))):
        return _one_under_the_other(headings, first, rows, fit, colour=colour)
    lines = []
    for row in (first, *rows):
        cells = [_shortened(cell, most, heading) for heading, cell, most in zip(headings, row, widths, strict=True)]
        below: list[str] = []
        if headings[-1] not in _PATHS:
            cells[-1], *below = wrapped(row[-1], widths[-1])
        padding = [" " * (most - width(cell) + _GAP) for cell, most in zip(cells, widths, strict=True)]
        if colour and row is not first:
            cells = [painted(cell) if heading in _TONED else cell for heading, cell in zip(headings, cells, strict=True)]
        lines.append("".join(cell + blanks for cell, blanks in zip(cells, padding, strict=True)))
        lines += [" " * (sum(widths[:-1]) + _GAP * (len(widths) - 1)) + more for more in below]
    return "".join(line.rstrip() + "\n" for line in lines)


def painted(word: str) -> str:
    """A verdict or a severity in its colour, in the language that it is shown in; other text as it is."""
    bare = re.split(r" \(|（", word, maxsplit=1)[0]
    tone = next((tone for ours, tone in _TONE_OF.items() if said(ours) == bare), None)
    return f"\x1b[{tone}m{word}\x1b[m" if tone else word


def _one_under_the_other(
    headings: Sequence[str], shown: Sequence[str], rows: Sequence[Sequence[str]], fit: int, *, colour: bool
) -> str:
    """A line for each cell that says something, with its heading; the first of a row stands out to the left."""
    indent = max(map(width, shown[1:]), default=0) + 2 * _GAP
    lines = []
    for row in rows:
        for heading, name, cell in zip(headings, shown, row, strict=True):
            first = heading is headings[0]
            if cell == "" or (cell == "-" and not first):
                continue
            start = " " * _GAP * (not first) + name
            start += " " * max(_GAP, indent - width(start)) if start else ""
            if first and width(start + cell) > fit:
                start = ""
            parts = wrapped(cell, max(fit - width(start), _NARROWEST), whole=True)
            parts = [painted(part) if colour and heading in _TONED else part for part in parts]
            lines += [start + parts[0], *(" " * width(start) + part for part in parts[1:])]
    return "".join(line.rstrip() + "\n" for line in lines)


def _narrow(headings: Sequence[str], shown: Sequence[str], widths: list[int], fit: int) -> bool:
    """Take from the widest columns until a line fits, or nothing more can be taken; whether it fits."""
    least = [
        most if heading in _TYPED else min(most, max(_NARROWEST, width(name)))
        for heading, name, most in zip(headings, shown, widths, strict=True)
    ]
    while sum(widths) + _GAP * (len(widths) - 1) > fit:
        wide = [n for n in range(len(widths)) if widths[n] > least[n]]
        if not wide:
            return False
        widths[max(wide, key=widths.__getitem__)] -= 1
    return True


def _cuts(headings: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> bool:
    """Whether columns of these widths leave anything out."""
    wraps = headings[-1] not in _PATHS
    words = [word for row in rows for word in (_PIECES.findall(row[-1]) if wraps else [row[-1]])]
    return any(width(cell) > most for row in rows for cell, most in zip(row[:-1], widths[:-1], strict=True)) or any(
        width(word.rstrip()) > widths[-1] for word in words
    )


def _shortened(text: str, most: int, heading: str) -> str:
    if width(text) <= most:
        return text
    if heading in _PATHS:
        return "…" + _beginning(text[::-1], most - 1)[::-1]
    return _beginning(text, most - 1).rstrip() + "…"


def _beginning(text: str, most: int) -> str:
    """As many characters as fit into so many cells."""
    for at, c in enumerate(text):
        most -= width(c)
        if most < 0:
            return text[:at]
    return text


def wrapped(text: str, most: int, *, whole: bool = False) -> list[str]:
    """Lines of whole words, and of wide characters as they come; a word too long for one is shortened, or kept `whole`."""
    if width(text) <= most:
        return [text]
    lines = [""]
    for word in filter(None, _PIECES.findall(text)):
        if width(lines[-1] + word.rstrip()) <= most:
            lines[-1] += word
        else:
            lines += [word if whole or width(word.rstrip()) <= most else _shortened(word.rstrip(), most, "")]
    return [line.rstrip() for line in lines[not lines[0] :]]
