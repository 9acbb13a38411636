"""A `keyvault` that dies at a chosen event: before or after a commit, a request, or the swap of a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import keyvault.__main__
from keyvault.net.client import Client
from keyvault.vault.vault import Vault

_count = 0
_kill_at = 0
_report = ""


def run(kill_at: int, report: str, *words: str) -> None:
    """Run a command; SIGKILL at event `kill_at`, 0 for never. The number of events is written to `report`."""
    global _kill_at, _report
    _kill_at, _report = kill_at, report
    import keyvault.rotation.propagate as propagate

    Vault.write = _around(Vault.write)  # type: ignore[method-assign]
    Client._try = _around_async(Client._try)  # type: ignore[method-assign]
    propagate.swap = _around(propagate.swap)
    sys.argv = ["keyvault", *words]
    try:
        keyvault.__main__.main()
    finally:
        with open(report, "w", encoding="utf-8") as file:
            file.write(str(_count))


def _event() -> None:
    global _count
    _count += 1
    if _count == _kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


def _around(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*given: Any, **named: Any) -> Any:
        _event()
        result = call(*given, **named)
        _event()
        return result

    return wrapped


def _around_async(call: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapped(*given: Any, **named: Any) -> Any:
        _event()
        result = await call(*given, **named)
        _event()
        return result

    return wrapped
