"""AES-256-GCM, each message under a key of its own.

A sealed message is `salt (24 bytes) || ciphertext || tag (16 bytes)`. Its key is HKDF-Expand(key, domain || salt), so the
nonce can be constant and no two messages share a key: nothing has to count, and 2^96 random salts do not collide.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keyvault.crypto.primitives import expand, random_bytes

SALT_SIZE = 24
OVERHEAD = SALT_SIZE + 16
_DOMAIN = b"keyvault/1/message\x00"
_NONCE = bytes(12)


class OpenFailed(Exception):
    """The message was not sealed with this key and this associated data. Callers turn it into an error of ours."""


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt and authenticate `plaintext`; `associated` is authenticated only."""
    salt = random_bytes(SALT_SIZE)
    return salt + AESGCM(expand(key, _DOMAIN + salt)).encrypt(_NONCE, plaintext, associated)


def open_sealed(key: bytes, message: bytes, associated: bytes) -> bytes:
    """The plaintext of `message`. Raises OpenFailed."""
    if len(message) < OVERHEAD:
        raise OpenFailed
    try:
        return AESGCM(expand(key, _DOMAIN + message[:SALT_SIZE])).decrypt(_NONCE, message[SALT_SIZE:], associated)
    except InvalidTag as exc:
        raise OpenFailed from exc
