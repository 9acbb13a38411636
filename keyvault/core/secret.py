"""A value that must not show up by accident."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Text that reveals itself only when asked in so many words.

    It has no useful repr, cannot be formatted, concatenated, hashed, iterated or pickled; equality is by identity.
    This guards against accidents, not against an attacker in the process: Python cannot erase a `str`.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself. Keep it in as few names, for as short a time, as possible."""
        return self.__text

    def __repr__(self) -> str:
        return "<secret>"

    def __str__(self) -> str:
        raise TypeError("a secret is never printed; call reveal()")

    def __format__(self, _spec: str) -> str:
        raise TypeError("a secret is never formatted; call reveal()")

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is never pickled or copied")
