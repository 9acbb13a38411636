"""Text from outside, made safe to show."""

from __future__ import annotations

# Invisible or direction-changing characters that can make a line read as something else: soft hyphen, Arabic letter
# mark, zero-width and bidirectional controls, line and paragraph separators, word joiner .. nominal digit shapes, BOM,
# interlinear annotation, tags.
_HIDDEN = (
    (0x00AD, 0x00AD),
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xE0000, 0xE007F),
)


def is_unsafe(code: int) -> bool:
    """A control, bidirectional or invisible character."""
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or any(a <= code <= b for a, b in _HIDDEN)


def escape(text: str) -> str:
    r"""`text` on one line, with control, bidirectional and invisible characters written as `\x1b` or `\u202e`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join((f"\\x{ord(c):02x}" if ord(c) < 0x100 else f"\\u{ord(c):04x}") if is_unsafe(ord(c)) else c for c in text)


def counted(number: int, what: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def shell_word(path: str) -> str:
    """A path as a shell takes it; one with characters that do not show is told, but cannot be typed."""
    from shlex import quote

    shown = escape(path)
    return quote(path) if shown == path else shown


def money(amount: str, unit: str) -> str:
    """A decimal amount for people: at least two decimals where there are any, at most six; no amount is no limit."""
    if not amount:
        return "no limit"
    whole, point, rest = amount.partition(".")
    shown = f"{whole}.{rest[:6].rstrip('0').ljust(2, '0')}" if point else whole
    return f"{shown} {unit}".rstrip()


def mask(value: str) -> str:
    """A value as a listing may show it: the last four characters of a long one, and nothing of a short one."""
    return "…" + escape(value[-4:]) if len(value) >= 16 else "…"


def closest(word: str, known: list[str]) -> str:
    """The entry of `known` most like `word`, or an empty string."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), "")
