"""Values that break quoting, and places and options that break what survived it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = [
    "sk-proj-AbC_123-xyz",
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk=",
    "https://user:p@host.example:8443/path?a=1&b=2#frag",
    "a,b;c|d&e<f>g(h)+i%j:k@l",
]
NASTY = [
    *KEYS,
    "",
    " ",
    "  both ends  ",
    "\ttab\t",
    "a  b * c",
    "sk-a?b",
    "[ab]",
    "*",
    "?",
    "{a,b}",
    "{1..3}",
    "~",
    "~root",
    "a:~:b",
    "=ls",
    "=",
    "==x",
    "#not a comment",
    "a #b",
    "a#b",
    "-n",
    "-e",
    "--",
    "!!",
    "!x!y",
    "^a^b",
    "'",
    "''",
    "'''",
    '"',
    '""',
    "'both\"",
    "it's",
    "it's C:\\new",
    'say "hi"',
    "`id`",
    "$(id)",
    "$((1+1))",
    "$HOME",
    "${HOME}",
    "${HOME:-x}",
    "${HOME-x}y",
    "$",
    "$$",
    "a$",
    "$'x'",
    "${",
    "$ {x}",
    "%PATH%",
    "%%",
    "100%",
    "%s%n%d",
    "\\",
    "\\\\",
    "\\\\\\",
    "a\\",
    "\\'",
    '\\"',
    "\\\\'",
    "\\\\'\\\\\"\\",
    "a\\nb",
    "\\c",
    "\\0",
    "\\x41\\u0041\\101",
    "\n",
    "\n\n\n",
    "a\n",
    "\na",
    "one\ntwo\n",
    "two\n\n\nlines",
    "\r",
    "\r\n",
    "crlf\r\nline\r\n",
    "a\r",
    "\x0b\x0c\x08\x07",
    "\x01\x02\x7f\x1b[31m",
    "\x1a",
    "é",
    "\u0301combining e\u0301",
    "中文",
    "🎉👩‍💻",
    "\U0001f600" * 3,
    "\u202egnp.exe",
    "\u2028\u2029\x85\u00a0",
    "\ufeffbom",
    "‘curly’ ‚low‛ “double” „low‟",
    "\u0081\u0088\u009f",
    "ÿÿ",
    "\uffff\U0010ffff",
    "A=1\nB=2",
    "EOF\n",
    ")",
    ";;",
    "; exit 9",
    "| cat",
    "> f",
    "if then fi",
    "0" * 4,
    "012345678",
    "7\x017",
    "".join(map(chr, range(1, 128))),
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
    "=== \\\n",
    "'@\n@'",
    "<#x#>",
    "@{a}",
    "a_",
    "_",
]
BIG = ["x" * 65536, ("é' \\$\n" * 9000)[: 65536 // 2]]

_TOKENS = [
    *"'\"`$\\!%^~*?[]{}()<>|&;#=+-@,.:/ \t\n\r0179aZ_",
    "${",
    "$(",
    "\\'",
    "\\\\",
    "'\\''",
    "\r\n",
    "é",
    "中",
    "🎉",
    "\x7f",
    "\x01",
]
values = st.one_of(
    st.lists(st.sampled_from(_TOKENS), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8),
)

# For tests that start programs: what differs in a batch of values is plain enough, and shrinking it takes minutes.
MANY = settings(
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


def batches(size: int) -> st.SearchStrategy[list[str]]:
    """Lists of different values, so that one process can be tried with many."""
    return st.lists(values, min_size=size, max_size=size, unique=True)


def named(these: Iterable[str]) -> list[tuple[str, str]]:
    """Each value under a variable of its own."""
    return [(f"KV_{number}", value) for number, value in enumerate(these)]


def environment_of(printed: bytes) -> dict[str, bytes]:
    """What `env -0` printed, the variables of `named` only."""
    pairs = (entry.partition(b"=") for entry in printed.split(b"\0"))
    return {name.decode(): value for name, _, value in pairs if name.startswith(b"KV_")}


def set_traps(folder: str) -> str:
    """Files whose names match patterns, words of the statements, and parts of the values."""
    os.makedirs(folder, exist_ok=True)
    names = "export case in x) esac :;; A=1 KV_0=abc a b c ab aXb sk-aXb a40b s 'both' $'a' (exit 4); a\\b set setenv -gx -n e"
    for name in [*names.split(" "), "a b", "x  y", "*", "?", "[ab]", "KV_1=$'a"]:
        with open(os.path.join(folder, name.replace("/", "_")), "w", encoding="utf-8"):
            pass
    return folder
