"""Become another program, or say why not."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from keyvault.core.errors import KeyvaultError
from keyvault.core.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

# As env(1) and timeout(1) do.
FAILED, NOT_STARTED, NOT_FOUND = 125, 126, 127


class RunFailed(KeyvaultError):
    """The command did not run, or its output was cut short; `status` is the exit code, 125 to 127."""

    def __init__(self, message: str, hint: str = "", *, status: int = FAILED) -> None:
        super().__init__(message, hint)
        self.status = status


def not_started(command: str, exc: OSError) -> RunFailed:
    """What to raise when exec failed."""
    status = NOT_FOUND if isinstance(exc, FileNotFoundError) else NOT_STARTED
    return RunFailed(f'cannot run "{escape(command)}": {(exc.strerror or "unknown error").lower()}', status=status)


def become(argv: list[bytes], environment: dict[bytes, bytes], before_exec: Callable[[], None] | None) -> NoReturn:
    """execvpe(3) by the PATH of `environment`, with the signals as this process found them. Raises OSError.

    Python ignores SIGPIPE and SIGXFSZ from its first moment, so nobody knows whether they were ignored before; they
    become the default, as with `subprocess`. Every other ignored signal stays ignored, as nohup(1) wants.
    """
    import errno
    import signal

    if sys.platform != "win32":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if before_exec is not None:
        before_exec()
    command, path = argv[0], environment.get(b"PATH", os.fsencode(os.defpath))
    failure: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for folder in [] if not command else [b""] if b"/" in command else path.split(b":"):
        file = os.path.join(folder, command)
        try:
            os.execve(file, argv, environment)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError, PermissionError) as exc:
            if not isinstance(failure, PermissionError):
                failure = exc
        except OSError as exc:
            if exc.errno != errno.ENOEXEC:
                raise
            # A script without #!: sh reads it, as POSIX wants of execvp.
            os.execve(b"/bin/sh", [b"/bin/sh", file, *argv[1:]], environment)  # noqa: S606
    raise failure
