"""Start a command with variables added, and be invisible while it runs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from keyvault.core.text import escape
from keyvault.environment.become import NOT_FOUND, RunFailed, become, not_started

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from io import FileIO
    from typing import IO


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    redact: Sequence[str] = (),
    before_exec: Callable[[], None] | None = None,
) -> int:
    """Run `argv` with exactly `environment`; its exit code, or 128 + n if signal n ended it.

    With nothing to mask this process becomes the command, and the call does not return. With `redact`, stdout and
    stderr pass through a `Redactor` where they are not terminals, and this process stays to carry bytes and signals.
    `before_exec` runs last in the process that becomes the command, to undo what that must not inherit. Call from the
    main thread. Raises RunFailed.
    """
    if not argv:
        raise RunFailed("no command given")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    if sys.platform == "win32":
        return _run_on_windows(argv, environment, redact)
    else:  # noqa: RET505  so that the type checker sees one platform
        arguments, variables = _encode(argv, environment)
        streams = _streams_to_mask() if redact else []
        if streams:
            from keyvault.environment.relay import relay

            return relay(arguments, variables, redact, streams, before_exec)
        try:
            become(arguments, variables, before_exec)
        except OSError as exc:
            raise not_started(argv[0], exc) from exc


def _encode(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[list[bytes], dict[bytes, bytes]]:
    """What execve(2) takes. The errors of the codec hold the value, so none is chained."""
    variables = {}
    for name, value in environment.items():
        encoded = _fsencode(name), _fsencode(value)
        if not encoded[0] or encoded[1] is None or b"=" in encoded[0]:
            raise RunFailed(f'an environment cannot hold the variable "{escape(name)}" as it is')
        variables[encoded[0]] = encoded[1]
    arguments = []
    for argument in argv:
        encoded_argument = _fsencode(argument)
        if encoded_argument is None:
            raise RunFailed("an argument holds characters that cannot be passed on")
        arguments.append(encoded_argument)
    return arguments, variables


def _fsencode(text: str) -> bytes | None:
    try:
        return None if "\0" in text else os.fsencode(text)
    except UnicodeEncodeError:
        return None


def _streams_to_mask() -> list[tuple[int, ...]]:
    """Of stdout and stderr those that are no terminals; together if they are one file, for the order of its lines."""
    if sys.platform == "win32":
        return []
    import fcntl

    found = []
    for fd in (1, 2):
        try:
            mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        except OSError:
            continue  # closed, and the command shall find it so
        # Nothing can be written to what is open for reading only, which is what SQLite puts where it finds a stream closed.
        if mode != os.O_RDONLY and not os.isatty(fd):
            found.append(fd)
    if found == [1, 2] and os.path.sameopenfile(1, 2):
        return [(1, 2)]
    return [(fd,) for fd in found]


if sys.platform == "win32":

    def _run_on_windows(argv: Sequence[str], environment: Mapping[str, str], redact: Sequence[str]) -> int:
        """There is no exec: wait for a child. The console gives Ctrl-C to both, so here it is ignored."""
        import errno
        import signal
        import subprocess
        import threading

        from keyvault.core import programs
        from keyvault.environment.redact import Redactor

        path = next((value for name, value in environment.items() if name.upper() == "PATH"), os.defpath)
        program = programs.find(argv[0], path, scripts=True)
        if program is None:
            raise RunFailed(f'cannot run "{escape(argv[0])}": not found', status=NOT_FOUND)
        pipes = [subprocess.PIPE if redact and not os.isatty(fd) else None for fd in (1, 2)]
        signal.signal(signal.SIGINT, lambda *_: None)
        try:
            child = subprocess.Popen([program, *argv[1:]], env=dict(environment), stdout=pipes[0], stderr=pipes[1])
        except OSError as exc:
            raise not_started(argv[0], exc) from exc
        except ValueError:
            raise RunFailed("the arguments or the environment hold what Windows cannot pass on") from None

        turns, failed = [0, 0, 0], list[OSError]()  # a stream's number is odd while something of it is being written

        def copy(source: IO[bytes], sink: int) -> None:
            redactor = Redactor(redact)
            try:
                with source, open(sink, "wb", buffering=0, closefd=False) as out:
                    while data := os.read(source.fileno(), 65536):
                        turns[sink] += 1
                        write_all(out, redactor.feed(data))
                        turns[sink] += 1
                    write_all(out, redactor.finish())
            except OSError as exc:  # the pipe is closed by now, so the command is not kept waiting
                failed.append(exc)

        copiers = [
            (fd, threading.Thread(target=copy, args=(stream, fd), daemon=True))
            for fd, stream in ((1, child.stdout), (2, child.stderr))
            if stream is not None
        ]
        for _, copier in copiers:
            copier.start()
        status = child.wait()
        for fd, copier in copiers:
            before = -1
            # What the command left in the background may hold its pipe, and say nothing for ever.
            while copier.is_alive() and (turns[fd] != before or before % 2):
                before = turns[fd]
                copier.join(1)
        # A reader that went away shall be no fault, as without --redact; Windows calls that EINVAL too.
        if told := [exc for exc in failed if exc.errno not in (errno.EPIPE, errno.EINVAL)]:
            reason = (told[0].strerror or "unknown error").lower()
            raise RunFailed(f"the command's output is not complete: {reason}") from told[0]
        return status

    def write_all(out: FileIO, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[out.write(view) or 0 :]
