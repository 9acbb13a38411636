"""The clipboard, for a short while. A process of its own fills and clears it: clipboard tools outlive their caller."""

from __future__ import annotations

import os
import subprocess
import sys

from keyvault.core.errors import Unreachable

_COPIED = b"copied\n"


def copy(text: str, seconds: int) -> None:
    """Put `text` on the clipboard, and have it cleared later if it is still there. Raises Unreachable."""
    holder = subprocess.Popen(
        [sys.executable, "-P", "-m", "keyvault.cli.clipboard", str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # or it would end with the window that we run in
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        try:
            holder.stdin.write(text.encode())
            holder.stdin.close()
        except BrokenPipeError:
            pass  # it says why below, by saying nothing
        if holder.stdout.readline() != _COPIED:
            raise Unreachable("there is no clipboard here", "install xclip, xsel or wl-clipboard; or use --reveal")
    holder.returncode = 0  # it goes on without us, so nobody waits for it


def _hold(seconds: int) -> None:
    import time

    from keyvault.core.harden import harden_process

    harden_process()
    text = sys.stdin.buffer.read().decode()
    report = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the clipboard tool would keep our caller's pipe open
    import pyperclip

    pyperclip.copy(text)
    os.write(report, _COPIED)
    os.close(report)
    time.sleep(seconds)
    if pyperclip.paste() == text:
        pyperclip.copy("")


if __name__ == "__main__":
    os.chdir(os.path.abspath(os.sep))
    _hold(int(sys.argv[1]))
