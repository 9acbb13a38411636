"""What `keyvault` alone says where nothing is set up yet."""

from __future__ import annotations

from keyvault.cli.language import said
from keyvault.environment.shell import detect_shell, loading


def text() -> str:
    """Four lines: what this is, and the three commands that matter."""
    rows = (
        ("keyvault init", "make a vault for your API keys; there is none yet"),
        ("keyvault add openai", "put a key in, or many: keyvault import .env"),
        (loading(detect_shell()), "use them here; for one program: keyvault run -- PROGRAM"),
        ("keyvault --help", "all commands"),
    )
    width = max(len(call) for call, _ in rows)
    return "".join(f"{call.ljust(width)}  {said(what)}\n" for call, what in rows)
