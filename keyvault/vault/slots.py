"""Slots: the ways to unlock one vault key. LUKS's word and idea."""

from typing import TYPE_CHECKING, Any, NamedTuple

from keyvault.core.errors import InvalidInput, NotFound, UnsupportedFormat, VaultCorrupt, WrongSecret
from keyvault.crypto import aead
from keyvault.crypto.primitives import equal, hkdf, random_bytes
from keyvault.vault.codec import Header, altered, dump_json, is_hex, take

if TYPE_CHECKING:
    from keyvault.crypto.kdf import Argon2Parameters
else:  # it is for passphrases only; not in quotes: see keyvault.vault.keys
    Argon2Parameters = object

PASSPHRASE, KEYRING, KEY_FILE, RECOVERY = "passphrase", "keyring", "key-file", "recovery"
KINDS = (PASSPHRASE, KEYRING, KEY_FILE, RECOVERY)
MOST_SLOTS = 64
MOST_KDF_RUNS = 8
LONGEST_PASSPHRASE = 1024
_SECRET_SIZE = {KEYRING: 32, KEY_FILE: 32, RECOVERY: 20}


class Slot(NamedTuple):
    """One way to unlock. `kdf` is for passphrases only; `check` commits to the slot key; `wrapped` is the vault key."""

    id: str
    kind: str
    salt: bytes
    check: bytes
    wrapped: bytes
    kdf: Argon2Parameters | None


def encode(slot: Slot) -> dict[str, Any]:
    """The slot as the header holds it."""
    fields: dict[str, Any] = {
        "check": slot.check.hex(),
        "id": slot.id,
        "kind": slot.kind,
        "salt": slot.salt.hex(),
        "wrapped": slot.wrapped.hex(),
    }
    if slot.kdf:
        fields |= slot.kdf._asdict()
    return fields


def decode_all(header: Header) -> list[Slot]:
    """The slots of a header, every number checked before anything is computed. Raises VaultCorrupt, UnsupportedFormat."""
    if not 0 < len(header.slots) <= MOST_SLOTS:
        raise altered("its slots")
    slots = [_decode(dict(fields)) for fields in header.slots]
    if len({slot.id for slot in slots}) != len(slots):
        raise altered("its slots")
    return slots


def _decode(fields: dict[str, Any]) -> Slot:
    kind = take(fields, "kind", str)
    if kind not in KINDS:
        raise UnsupportedFormat("the vault has a kind of slot that this keyvault does not know", "update keyvault")
    kdf = None
    if kind == PASSPHRASE:
        from keyvault.crypto.kdf import Argon2Parameters as Parameters
        from keyvault.crypto.kdf import problem

        kdf = Parameters(*(take(fields, name, int) for name in Parameters._fields))
        if why := problem(kdf):
            raise VaultCorrupt(f"a slot asks for Argon2 parameters that are not allowed: {why}", "restore a backup")
    slot = Slot(
        id=take(fields, "id", str, is_hex(16)),
        kind=kind,
        salt=bytes.fromhex(take(fields, "salt", str, is_hex(32))),
        check=bytes.fromhex(take(fields, "check", str, is_hex(32))),
        wrapped=bytes.fromhex(take(fields, "wrapped", str, is_hex(32 + aead.OVERHEAD))),
        kdf=kdf,
    )
    if fields:
        raise UnsupportedFormat("the vault was written by a newer keyvault", "update keyvault")
    return slot


def passphrase_bytes(text: str) -> bytes:
    """A passphrase as it enters the KDF: NFC, so that one typed on another system is the same. Raises InvalidInput."""
    if not text or len(text) > LONGEST_PASSPHRASE:
        raise InvalidInput(f"a passphrase has 1 to {LONGEST_PASSPHRASE} characters", "choose four or more random words")
    import unicodedata

    try:
        return unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput("the passphrase is not valid text", "a passphrase is UTF-8 text") from exc


def new_secret(kind: str) -> bytes:
    """A random secret for a keyring, key-file or recovery slot."""
    return random_bytes(_SECRET_SIZE[kind])


def new_slot_id() -> str:
    """A fresh name for a slot; a keyring item is filed under it."""
    return random_bytes(16).hex()


def wrap(
    header: Header, kind: str, secret: bytes, vault_key: bytes, *, slot_id: str = "", kdf: Argon2Parameters | None = None
) -> Slot:
    """A slot that opens with `secret`: passphrase_bytes(), or new_secret() of this kind. `kdf`: other than the standard."""
    if kind == PASSPHRASE:
        from keyvault.crypto.kdf import STANDARD

        kdf = kdf or STANDARD
    empty = Slot(slot_id or new_slot_id(), kind, random_bytes(32), b"", b"", kdf if kind == PASSPHRASE else None)
    key, check = _slot_keys(header, empty, secret)
    return empty._replace(check=check, wrapped=aead.seal(key, vault_key, _bound(header, empty)))


def unwrap(header: Header, slots: list[Slot], kind: str, secret: bytes) -> tuple[Slot, bytes]:
    """The slot of this kind that opens with `secret`, and the vault key.

    Raises NotFound if there is no slot of this kind, else WrongSecret.
    """
    candidates = [slot for slot in slots if slot.kind == kind]
    if not candidates:
        raise NotFound(f"this vault has no {kind} slot", "keyvault slots lists the ways to unlock it")
    for slot in candidates[: MOST_KDF_RUNS if kind == PASSPHRASE else None]:
        key, check = _slot_keys(header, slot, secret)
        if equal(check, slot.check):
            try:
                return slot, aead.open_sealed(key, slot.wrapped, _bound(header, slot))
            except aead.OpenFailed:
                continue
    raise WrongSecret(
        f"wrong {kind.replace('-', ' ')}, or its slot was altered", "keyvault doctor tells how this vault unlocks"
    )


def _bound(header: Header, slot: Slot) -> bytes:
    """What a slot's key is bound to: the vault, the epoch, and everything about the slot that an attacker could change."""
    about = [header.vault_id, header.epoch, slot.id, slot.kind, list(slot.kdf or ())]
    return b"keyvault/1/slot\x00" + dump_json(about)


def _slot_keys(header: Header, slot: Slot, secret: bytes) -> tuple[bytes, bytes]:
    """The wrapping key and the commitment to it."""
    material = secret
    if slot.kdf:
        from keyvault.crypto.kdf import argon2id

        material = argon2id(secret, slot.salt, slot.kdf)
    both = hkdf(material, salt=slot.salt, info=_bound(header, slot), length=64)
    return both[:32], both[32:]
