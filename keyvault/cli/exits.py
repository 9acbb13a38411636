"""Exit codes, frozen: scripts rely on them."""

from __future__ import annotations

from keyvault.core import errors

DONE, FAILED, USAGE, NOT_FOUND, LOCKED, WRONG_SECRET, CORRUPT, FINDINGS, UNREACHABLE = range(9)
RUN_FAILED = 125  # `run` keeps 0..124 and 126.. for its child
INTERRUPTED = 130
READER_GONE = 141  # 128 + SIGPIPE, as with any other tool

_BY_CLASS: tuple[tuple[type[errors.KeyvaultError], int], ...] = (
    (errors.InvalidInput, USAGE),
    (errors.NotFound, NOT_FOUND),
    (errors.Locked, LOCKED),
    (errors.WrongSecret, WRONG_SECRET),
    (errors.VaultCorrupt, CORRUPT),
    (errors.Unreachable, UNREACHABLE),
)


def code_of(error: errors.KeyvaultError) -> int:
    """The exit code for an error of ours."""
    return next((code for kind, code in _BY_CLASS if isinstance(error, kind)), FAILED)
