"""What has a key's shape and is none: placeholders, samples from manuals, words, sequences."""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from itertools import pairwise

from keyvault.providers.identify import checksum_fits
from keyvault.providers.schema import Pattern

_LEAST = 0.7  # of the entropy that so many characters of such an alphabet can have; random ones reach 0.8 and more
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|your|dummy|fake|redacted|changeme|change_me|insert|replace|xxxx|test[-_]?key|lorem|foobar|notreal"
    r"|secretkey|(.)\1{5}",
    re.IGNORECASE,
)
_WORDS = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*[AEIOUaeiou])(?:[a-z]{3,}|[A-Z][a-z]{2,}|[A-Z]{3,})(?![A-Za-z0-9])")
_ALPHABETS = ((re.compile(r"[0-9]+\Z"), 10), (re.compile(r"(?:[0-9a-f]+|[0-9A-F]+)\Z"), 16), (re.compile(r"[a-z]+\Z"), 26))
_SEPARATORS = re.compile(r"[^A-Za-z0-9]")
_TELLING = 10  # characters: fewer say nothing
_SEQUENCE = 0.4  # of the steps from one character to the next
_IGNORED = re.compile(rb"keyvault:ignore|gitleaks:allow|pragma: ?allowlist secret")
_BODY = re.compile(r"[A-Za-z0-9]{6,}")

# SHA-256 of keys that vendors print in their manuals: Stripe's two test keys, GitHub's classic token, SendGrid's, Telegram's
# and Discord's bots, Slack's bot; as hashes, so that other scanners do not stumble over this file.
_DOCUMENTED = frozenset(
    {
        "02091175c1ae3023fb1e92ff16e1a5ca44dcd9f449916770f7d4eb192092e273",
        "02f7ce3c263f85c019eeeeea4b08f1b7f6ade2b7a2199c14f3efdac0eef382e1",
        "0b5dd075ccdd03c42f4edda8e299e6838e2a75d3486a2a8d86940ed1541e9178",
        "2cafc0970149a84f3b9e62eaf169f36f59907a3b3e31f7b82e68c69cd27f7326",
        "3543c50b0cb9cea8e55eb1f529b79f043cb250d485fde7b66cabbb5183add7da",
        "f2d6ca16515033e5dce14eba840b979d27b5cbae24bb3e5bf484339667f86397",
        "f5375a46365089a84f4f822b70d44e744d64775cc747f030f8488a6274fe28f8",
    }
)


def is_ignored(line: bytes) -> bool:
    """The line says that what is on it is known and meant."""
    return _IGNORED.search(line) is not None


def could_be_real(pattern: Pattern, value: str) -> bool:
    """Not a placeholder, not a vendor's sample, as random as a key is, and with the right checksum."""
    if hashlib.sha256(value.encode()).hexdigest() in _DOCUMENTED or not checksum_fits(pattern, value):
        return False
    body = _body(pattern, value)
    return not _PLACEHOLDER.search(body) and not _is_words(body) and not _is_regular(body) and is_random(body)


def is_mixed(text: str) -> bool:
    """Capitals, small letters and digits: hardly a path, and no words."""
    return all(any(map(kind, text)) for kind in (str.isupper, str.islower, str.isdigit))


def is_random(text: str) -> bool:
    """Whether its characters are as mixed as random ones: as a whole, or a part between dashes, dots and the like."""
    parts = _SEPARATORS.split(text)
    return _mixes("".join(parts)) or any(_mixes(part) for part in parts if len(part) >= _TELLING)


def _mixes(text: str) -> bool:
    if len(text) < _TELLING:
        return True
    alphabet = next((size for fits, size in _ALPHABETS if fits.match(text)), 62)
    return _entropy(text) >= _LEAST * math.log2(min(len(text), alphabet))


def _body(pattern: Pattern, value: str) -> str:
    """The random part: what comes after the fixed beginning; of a text of several lines the longest word."""
    if "\n" in value or " " in value:
        return max(_BODY.findall(value), key=len, default="")
    begin = pattern.prefix if value.startswith(pattern.prefix) else ""
    return value[len(begin) :]


def _entropy(text: str) -> float:
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


def _is_regular(text: str) -> bool:
    """1234567890abcdef, or the same again and again."""
    steps = [ord(b) - ord(a) for a, b in pairwise(text)]
    if len(steps) < 7:
        return False
    if max(steps.count(1), steps.count(-1)) / len(steps) > _SEQUENCE:
        return True
    return text in (text + text)[1:-1]


def _is_words(text: str) -> bool:
    """Words between dashes and underscores: the name of something. Most of a random text is no word."""
    return bool(_SEPARATORS.search(text)) and sum(map(len, _WORDS.findall(text))) > 0.5 * len(text)
