"""What people read, in their language. Texts are born in English in all layers, and translated here, where they are shown.

A text with a value in it was put together before it came here. So a catalogue entry with fields is a pattern: what the fields
stand for is put into the translation as it is, or translated itself where it is a text of the catalogue, such as a reason.
What nobody translated stays English. See docs/adr/0026-language.md.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

from keyvault.core import settings

if TYPE_CHECKING:
    from keyvault.cli.translating import Catalogue

ENGLISH, CHINESE = "en", "zh_CN"

_loaded: list[Catalogue] = []


def said(text: str) -> str:
    """A text as this person reads it: English at once, without a look at any catalogue."""
    if wanted() == ENGLISH:
        return text
    if not _loaded:
        from keyvault.cli.translating import Catalogue

        _loaded.append(Catalogue(CHINESE))
    return _loaded[0].said(text)


def said_lines(text: str) -> str:
    """The same for a text of several lines, each of them by itself."""
    return text if wanted() == ENGLISH else "\n".join(map(said, text.split("\n")))


def wanted() -> str:
    """The language that the environment asks for, as gettext reads it; ours alone is KEYVAULT_LANG, which decides.

    Chinese needs a terminal that shows UTF-8: another character set, or the locale C, gets English.
    https://www.gnu.org/software/gettext/manual/html_node/Locale-Environment-Variables.html
    """
    own = _known(settings.variable("KEYVAULT_LANG") or "")
    if own:
        return own
    locale = next(filter(None, map(settings.variable, ("LC_ALL", "LC_MESSAGES", "LANG"))), "") or _of_the_platform()
    characters = next(filter(None, map(settings.variable, ("LC_ALL", "LC_CTYPE", "LANG"))), "") or locale
    if not (_is_utf8(locale) and _is_utf8(characters)) or locale.startswith(("C.", "POSIX.")):
        return ENGLISH
    listed = (settings.variable("LANGUAGE") or locale).split(":")
    return next(filter(None, map(_known, listed)), ENGLISH)


def _is_utf8(locale: str) -> bool:
    """Both are asked: Python itself sets LC_CTYPE to a UTF-8 one where the person's locale is not installed (PEP 538)."""
    return "utf8" in locale.lower().replace("-", "")


def _known(name: str) -> str:
    """The language of a locale's name, if there are texts in it; traditional characters are another language."""
    words = name.partition(".")[0].partition("@")[0].replace("-", "_").lower().split("_")
    if words[0] in ("en", "c", "posix"):
        return ENGLISH
    return CHINESE if words[0] == "zh" and not {"hant", "tw", "hk", "mo"} & set(words) else ""


def _of_the_platform() -> str:
    """Windows has no such variables: its own language, where what we write is shown. Elsewhere none is an answer too.

    A console shows all that Python writes to it (PEP 528); what reads a pipe takes it for the console's code page.
    """
    if sys.platform != "win32":
        return ""
    import ctypes
    from locale import windows_locale

    kernel = ctypes.windll.kernel32
    if kernel.GetConsoleOutputCP() != 65001 and not (os.isatty(1) and os.isatty(2)):
        return ""
    return windows_locale.get(cast("int", kernel.GetUserDefaultUILanguage()), "") + ".UTF-8"
