"""`--version` alone, without what an open vault needs."""

from __future__ import annotations

from keyvault.cli import exits, render, terminal
from keyvault.core.errors import StoreFailed
from keyvault.core.version import __version__


def show() -> int:
    """Print the version; the exit code."""
    try:
        render.out(f"keyvault {__version__}\n")
    except StoreFailed as exc:
        terminal.error(exc)
        return exits.FAILED
    except BrokenPipeError:
        return exits.READER_GONE
    return exits.DONE
