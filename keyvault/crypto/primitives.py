"""Hashing, key derivation and comparison, all from one library: loading OpenSSL twice would cost 8 ms at start-up."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes, hmac

KEY_SIZE = 32
_SHA256 = hashes.SHA256()

random_bytes = os.urandom


def sha256(*parts: bytes) -> bytes:
    """SHA-256 of the concatenation of `parts`; the caller makes them unambiguous."""
    digest = hashes.Hash(_SHA256)
    for part in parts:
        digest.update(part)
    return digest.finalize()


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104)."""
    mac = hmac.HMAC(key, _SHA256)
    mac.update(message)
    return mac.finalize()


def equal(one: bytes, other: bytes) -> bool:
    """Whether two byte strings are the same, in a time that does not tell where they differ: their MACs under a new key do."""
    # hmac.compare_digest and cryptography's constant_time, which wraps it, would load a second OpenSSL.
    key = random_bytes(KEY_SIZE)
    return hmac_sha256(key, one) == hmac_sha256(key, other)


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int = KEY_SIZE) -> bytes:
    """HKDF-SHA256 (RFC 5869), extract and expand; at most 255 blocks of 32 bytes."""
    key, block, output = hmac_sha256(salt, secret), b"", b""
    for number in range(1, -(-length // KEY_SIZE) + 1):
        block = hmac_sha256(key, block + info + bytes([number]))
        output += block
    return output[:length]


def expand(key: bytes, info: bytes) -> bytes:
    """The first block of HKDF-Expand (RFC 5869): 32 bytes from a key that is already uniform."""
    return hmac_sha256(key, info + b"\x01")
