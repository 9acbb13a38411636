"""Argon2id (RFC 9106), with named parameters and limits that are checked before any memory is taken."""

from typing import NamedTuple


class Argon2Parameters(NamedTuple):
    """Memory in KiB, passes over it, lanes."""

    memory: int
    passes: int
    lanes: int


STANDARD = Argon2Parameters(memory=64 * 1024, passes=3, lanes=4)  # RFC 9106 section 4, second recommended choice
STRONG = Argon2Parameters(memory=256 * 1024, passes=3, lanes=4)
WEAKEST_ALLOWED = Argon2Parameters(memory=8 * 1024, passes=1, lanes=1)  # 8 KiB a lane, as Argon2 wants, for all lanes
STRONGEST_ALLOWED = Argon2Parameters(memory=1024 * 1024, passes=16, lanes=16)
MOST_WORK = 4 * 1024 * 1024  # memory times passes: about 10 s on a 2020s machine


def problem(parameters: Argon2Parameters) -> str:
    """Why these parameters are refused, or an empty string. A hostile file must not choose how much we allocate."""
    for name, value, low, high in zip(parameters._fields, parameters, WEAKEST_ALLOWED, STRONGEST_ALLOWED, strict=True):
        if not low <= value <= high:
            return f"{name} {value} is not between {low} and {high}"
    if parameters.memory * parameters.passes > MOST_WORK:
        return f"memory times passes is above {MOST_WORK}"
    return ""


def argon2id(secret: bytes, salt: bytes, parameters: Argon2Parameters) -> bytes:
    """32 bytes from a passphrase. `parameters` must have no problem()."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    kdf = Argon2id(salt=salt, length=32, iterations=parameters.passes, lanes=parameters.lanes, memory_cost=parameters.memory)
    return kdf.derive(secret)
