"""The recovery code: 160 random bits, written so that people can copy them from paper."""

from __future__ import annotations

from keyvault.core.errors import InvalidInput
from keyvault.crypto.primitives import sha256

SIZE = 20  # bytes
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_LENGTH = 36  # 32 for the code, 4 for its checksum
_ALIKE = str.maketrans({"I": "1", "L": "1", "O": "0", "-": "", " ": ""})


def encode(secret: bytes) -> str:
    """Nine groups of four; the last is a checksum."""
    text = _digits(int.from_bytes(secret, "big"), 32) + _checksum(secret)
    return "-".join(text[at : at + 4] for at in range(0, _LENGTH, 4))


def looks_like(text: str) -> bool:
    """The text has the shape of a recovery code, mistyped or not."""
    plain = _plain(text)
    return len(plain) == _LENGTH and all(c in _ALPHABET for c in plain)


def decode(text: str) -> bytes:
    """The code's 20 bytes. Small letters, spaces, dashes and O for 0 are forgiven. Raises InvalidInput."""
    if not looks_like(text):
        raise InvalidInput("this is not a recovery code", "it has nine groups of four letters and digits")
    plain, number = _plain(text), 0
    for c in plain[:32]:
        number = number * 32 + _ALPHABET.index(c)
    secret = number.to_bytes(SIZE, "big")
    if _checksum(secret) != plain[32:]:
        raise InvalidInput("the recovery code is mistyped", "compare it with your copy, group by group")
    return secret


def _plain(text: str) -> str:
    return text.strip().upper().translate(_ALIKE)


def _checksum(secret: bytes) -> str:
    return _digits(int.from_bytes(sha256(b"keyvault/1/recovery\x00", secret)[:3], "big") >> 4, 4)


def _digits(number: int, count: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(count)))


def same_group(typed: str, group: str) -> bool:
    """Whether a person typed this part of a code."""
    return _plain(typed) == group
