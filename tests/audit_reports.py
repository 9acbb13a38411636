"""Reports of audits for tests: an ordinary one, and one in which all text from outside is hostile."""

from __future__ import annotations

from keyvault.audit.findings import (
    ADVICE,
    BAD,
    BASE64,
    HISTORY,
    HOME,
    OWN,
    PLAIN,
    STAGED,
    TREE,
    UNKNOWN,
    Age,
    Leak,
    Report,
    Skipped,
    Stale,
)

AT = 1_800_000_000
LEAKS = (
    Leak("notes/übung.ipynb", 12, 7, "openai", "legacy user key", UNKNOWN, PLAIN, "wxyz", "0123456789abcdef", TREE),
    Leak(".env", 1, 16, "openai", "project key", OWN, PLAIN, "1234", "00112233445566aa", TREE, "openai/default", True),
    Leak("old.py", 3, 1, "openai", "", OWN, BASE64, "", "00112233445566bb", HISTORY, "openai/default", False, "a" * 40),
    Leak("/home/me/.bash_history", 0, 0, "", "key", UNKNOWN, PLAIN, "", "f" * 16, HOME),
    Leak("a.json", 1, 1, "groq", "key", UNKNOWN, PLAIN, "aaaa", "e" * 16, STAGED, verdict="valid"),
    Leak("b.json", 1, 1, "groq", "key", UNKNOWN, PLAIN, "bbbb", "d" * 16, STAGED, verdict="invalid"),
)
STALE = (
    Stale("openai/default", "leaked", BAD, "said to have leaked on 2027-01-15", "keyvault rotate openai/default --leaked"),
    Stale("aws/default", "overdue", BAD, "at least 120 days old, to be replaced after 90", "keyvault rotate aws/default"),
    Stale("", "no_backup", ADVICE, "this machine knows of no copy made by keyvault backup", "keyvault backup FILE"),
)
AGES = (
    Age("openai/default", 3, True, None),
    Age("aws/default", 120, False, 90),
    Age("acme/a-label-that-is-rather-long-for-a-picture", 1, True, 30),
)
ORDINARY = Report(AT, STALE, AGES, LEAKS, (Skipped("big.bin", "binary"),), (120, 40, 3_500_000))

HOSTILE_TEXTS = (
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"'><svg onload=document.title='owned'>",
    "</style></title></script><h1>owned</h1>",
    "javascript:alert(1)",
    "\x1b[31mred\x07\r\n",
    "\u202etxt.exe\u2066\u200b",
    "caf\udce9\udcff",
    "a b'c\"d&amp;e$(touch x)`y`",
    "x" * 500,
    "<img src=http://127.0.0.1:1/leak><link rel=stylesheet href=http://127.0.0.1:1/x>",
    "]]>--><!-- {{7*7}} ${7*7}",
)


def hostile(extra: str = "") -> Report:
    """Every text that comes from outside, in every place where one can stand. `extra` is one more."""
    texts = (*HOSTILE_TEXTS, *((extra,) if extra else ()))
    leaks = tuple(
        Leak(f"{text}/{text}", 1, 1, text, text, UNKNOWN, text, text[-4:], "0" * 16, TREE, "", False, text, text)
        for text in texts
    ) + tuple(Leak(text, 0, 0, text, text, OWN, PLAIN, "", "1" * 16, HISTORY, text, True) for text in texts)
    stale = tuple(Stale(text, "weak_mode", ADVICE, text, text) for text in texts)
    ages = tuple(Age(text, 3, True, 1) for text in texts)
    return Report(AT, stale, ages, leaks, tuple(Skipped(text, text) for text in texts), (1, 1, 1))
