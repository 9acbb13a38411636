"""A catalogue of translations whose entries may have fields."""

from __future__ import annotations

import os
import re
from gettext import GNUTranslations

_FIELD = re.compile(r"\{(\w+)\}")
_DEPTH = 4  # a reason in a reason in a reason
_LONGEST = 2000  # characters: the time grows with the square, and names of files may make a text as long as they like

# Fields that hold names which people gave or type: such a name is never a text, even where it reads like one.
_NAMES = frozenset(
    """allowed argv choices command field fields folder from_env home id name offered option options path profile provider
    readers ref refs same shown text url value variable where words""".split()
)

# Fields that hold one word of ours. In other fields a single word is anybody's.
_WORDS = frozenset("doing kind kinds reason step trust verdict verdict_text what word".split())

# How texts are joined, and how their translations are.
_COLON, _SEMICOLON = "\uff1a", "\uff1b"  # the full-width ones
_JOINTS = ((": ", _COLON), ("; ", _SEMICOLON), (". ", ""))


class Catalogue(GNUTranslations):
    """The translations of one language."""

    def __init__(self, language: str) -> None:
        with open(catalogue_path(language), "rb") as file:
            super().__init__(file)
        entries: dict[str, str] = vars(self)["_catalog"]  # gettext has no list of them
        self._texts = {entry: text for entry, text in entries.items() if entry}
        # The literal parts of each entry with fields; the most literal entries first, for they say the most.
        found = [(_FIELD.split(entry)[::2], entry) for entry in self._texts if _FIELD.search(entry)]
        found.sort(key=lambda one: -len("".join(one[0])))
        self._clear = [one for one in found if _is_clear(one[0])]
        self._vague = [one for one in found if not _is_clear(one[0])]

    def said(self, text: str, depth: int = _DEPTH) -> str:
        """A text translated as a whole, else the parts of it that can be, else as it is."""
        bare = text.strip()
        if not (bare and depth):
            return text
        if len(bare) > _LONGEST:
            return text
        found = self._whole(bare, depth) or self._joined(bare, depth) or self._made(bare, self._vague, depth)
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return before + (found or bare) + ("" if found.endswith(_COLON) and after == " " else after)

    def _whole(self, text: str, depth: int) -> str:
        return self._texts.get(text) or self._made(text, self._clear, depth)

    def _made(self, text: str, templates: list[tuple[list[str], str]], depth: int) -> str:
        """The translation of the entry that the text was made from."""
        for parts, entry in templates:
            if not (text.startswith(parts[0]) and text.endswith(parts[-1]) and all(part in text for part in parts)):
                continue
            match = _pattern(entry).fullmatch(text)
            if match is None:
                continue
            values = match.groupdict()
            if all(_fits(value) for name, value in values.items() if templates is self._vague or _is_name(name)):
                shown = {name: self._value(name, value, depth) for name, value in values.items()}
                return "".join(shown[part] if n % 2 else part for n, part in enumerate(_FIELD.split(self._texts[entry])))
        return ""

    def _value(self, name: str, value: str, depth: int) -> str:
        ours = name in _WORDS or (" " in value and not _is_name(name))
        return self.said(value, depth - 1) if ours else value

    def _joined(self, text: str, depth: int) -> str:
        """Texts of the catalogue one after the other, and what stands before or behind one: `PATH:LINE gives it no value`."""
        words = text.split(", ")
        if len(words) > 1 and all(word in self._texts for word in words):
            return "、".join(self._texts[word] for word in words)
        for joint, translated in _JOINTS:
            at = text.find(joint)
            while at >= 0:
                left, right = text[: at + (joint == ". ")], text[at + len(joint) :]
                if self._is_said(left, depth) or self._is_said(right, depth):
                    return self.said(left, depth - 1) + translated + self.said(right, depth - 1)
                at = text.find(joint, at + 1)
        place, _, rest = text.partition(" ")
        return f"{place} {self._whole(rest, depth)}" if re.search(r"[/:.]", place) and self._is_said(rest, depth) else ""

    def _is_said(self, text: str, depth: int) -> bool:
        """More than a word, for a word can be anybody's."""
        return " " in text and bool(self._whole(text, depth))


def _is_clear(parts: list[str]) -> bool:
    """Whether an entry says much outside of its fields. One that does not, as `{days} old`, fits too much to be tried first."""
    letters = sum(character.isalpha() for part in parts for character in part)
    return letters >= 8 or (letters >= 6 and len(parts) > 3)


def _fits(value: str) -> bool:
    """Not words that stand where a name or a number should: those are of another text, which happens to have the same ones."""
    return not re.search("[;:]( |$)", value) and all(
        " " not in one or one[0].isdigit() or _is_proper(one) or any(mark in one for mark in "/\\\"'")
        for one in value.split(", ")
    )


def _is_proper(words: str) -> bool:
    """As vendors are called: `Weights & Biases`."""
    return all(word in "&/" or word != word.lower() or word.isdigit() for word in words.split())


def _is_name(field: str) -> bool:
    return field.isupper() or field.rstrip("0123456789") in _NAMES


_PATTERNS: dict[str, re.Pattern[str]] = {}


def _pattern(entry: str) -> re.Pattern[str]:
    """What a text looks like that was made from the entry; a field that comes twice has one value."""
    if entry not in _PATTERNS:
        seen: set[str] = set()
        expression = ""
        pieces = _FIELD.split(entry)
        # A field ends where the text behind it first comes, and is not tried longer: the time would be a power of the length.
        once = len(set(pieces[1::2])) == len(pieces) // 2
        for n, part in enumerate(pieces):
            if n % 2 == 0:
                expression += re.escape(part) + (")" if once and 0 < n < len(pieces) - 1 else "")
            else:
                expression += "(?>" if once and n < len(pieces) - 2 else ""
                expression += f"(?P={part})" if part in seen else f"(?P<{part}>.*?)"
                seen.add(part)
        _PATTERNS[entry] = re.compile(expression, re.DOTALL)
    return _PATTERNS[entry]


def catalogue_path(language: str) -> str:
    """Where a language's texts lie."""
    return os.path.join(os.path.dirname(os.path.dirname(__file__)), "locale", language, "LC_MESSAGES", "keyvault.mo")
