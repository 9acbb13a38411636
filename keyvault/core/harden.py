"""Keep other processes of the same user, and core files, away from the memory of a process that unlocks."""

from __future__ import annotations

import sys
from typing import Any

_PR_SET_DUMPABLE = 4  # linux/prctl.h
# As cffi's emit_python_code() writes `int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);`
PRCTL: dict[str, Any] = {
    "_version": 0x2601,
    "_types": b"\0\0\1\r\0\0\7\1\0\0\n\1\0\0\n\1\0\0\n\1\0\0\n\1\0\0\0\x0f",
    "_globals": (b"\0\0\0#prctl", 0),
}
_limit_before: list[int] = []  # the soft limit on core files, while ours is in force


def harden_process() -> None:
    """Forbid core files and, on Linux, `ptrace` and `/proc` reads by processes without privileges; before any secret.

    Best effort, and may be called again. The limit outlives an exec: see `restore_limits`. The second measure ends
    with exec (execve(2)); until then the process cannot open its own `/proc/self/environ` or `/proc/self/mem` either.
    """
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if not _limit_before:
        _limit_before.append(soft)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # The kernel ignores the limit where cores go to a program (core(5), core_pattern with "|"); this it heeds.
        _not_dumpable()


def _not_dumpable() -> None:
    try:
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # a Python without ctypes, or a libc without prctl: the limit stays


def _libc() -> Any:
    """What reaches prctl(2). Nothing in the standard library does but ctypes, which costs 2 ms; cryptography loads cffi."""
    try:
        from _cffi_backend import FFI  # type: ignore[import-untyped]  # what modules that cffi writes import

        return FFI("keyvault.core.harden", **PRCTL).dlopen(None)
    except ImportError:
        import ctypes

        return ctypes.CDLL(None)


def restore_limits() -> None:
    """Put back what a child would inherit: the soft limit on core files. Does nothing if `harden_process` did not run."""
    if sys.platform == "win32" or not _limit_before:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (_limit_before[0], hard))
    except (ValueError, OSError):
        return  # somebody lowered the hard limit since: the child has no core files
    _limit_before.clear()
