"""Run a command as a child whose output is masked, and be as invisible as a parent can be. POSIX."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from keyvault.environment.become import FAILED, RunFailed, become, not_started
from keyvault.environment.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

assert sys.platform != "win32"  # for the type checker

# How long output is still passed on, after the command ended, of what it left running in the background.
_GRACE = 0.25
_CHUNK = 1 << 20  # as much as a pipe can hold, so that one read has all that the ended command wrote

# The terminal sends these to the whole group. What stops is here too, lest we stop while the command handles it.
_FROM_TERMINAL = {signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_FORWARDED = _FROM_TERMINAL | {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT}
_WATCHED = _FORWARDED | {signal.SIGCHLD}


def relay(
    argv: list[bytes],
    environment: dict[bytes, bytes],
    values: Sequence[str],
    streams: Collection[tuple[int, ...]],
    before_exec: Callable[[], None] | None,
) -> int:
    """`run`, with each group of `streams` passed through one `Redactor`. Raises RunFailed."""
    pipes = [(group, Redactor(values), *os.pipe()) for group in streams]
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    # Some systems drop these even when blocked, unless there is a handler; an ignored SIGCHLD loses the exit code.
    previous = {n: signal.signal(n, _held) for n in (signal.SIGCHLD, signal.SIGCONT, signal.SIGWINCH)}

    def start() -> None:
        for group, _, _, sink in pipes:
            for fd in group:
                os.dup2(sink, fd)
        for number, handler in previous.items():
            signal.signal(number, handler)
        for number in _WATCHED:
            if callable(signal.getsignal(number)):  # Python's own; exec would reset it a moment later
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        become(argv, environment, before_exec)

    ended, end = os.pipe()
    failures: list[OSError] = []
    try:
        child = _fork(os.fsdecode(argv[0]), start)
        copiers = []
        for group, redactor, source, sink in pipes:
            os.close(sink)
            copy = threading.Thread(target=_copy, args=(source, group[0], redactor, ended, failures), daemon=True)
            copy.start()
            copiers.append(copy)
        status = _follow(child)
        os.close(end)
        while signal.sigpending() & _WATCHED:  # the Ctrl-C that ended the command shall not interrupt us now
            signal.sigwait(_WATCHED)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    for copy in copiers:
        copy.join()
    if failures:
        reason = (failures[0].strerror or "unknown error").lower()
        raise RunFailed(f"the command's output is not complete: {reason}") from failures[0]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _held(_number: int, _frame: object) -> None:
    """Never called: the signal stays blocked."""


def _fork(command: str, start: Callable[[], None]) -> int:
    """The id of a child in which `start` has become another program. Raises RunFailed if it could not."""
    report, reporter = os.pipe()
    try:
        child = os.fork()
    except OSError as exc:
        raise RunFailed(f"cannot start a process: {(exc.strerror or 'unknown error').lower()}") from exc
    if child == 0:
        try:
            start()
        except OSError as exc:
            os.write(reporter, str(exc.errno).encode())
        finally:
            os._exit(FAILED)
    os.close(reporter)
    number = os.read(report, 16)  # nothing, once exec has closed the other end
    os.close(report)
    if number:
        os.waitpid(child, 0)
        raise not_started(command, OSError(int(number), os.strerror(int(number))))
    return child


def _follow(child: int) -> int:
    """Forward signals, stop when the child stops, and return its wait status.

    The child is in our process group, so it has whatever the terminal sends already (si_code > 0: from the kernel),
    and what it sends to the group itself. A group signal from another process reaches it twice: nothing tells it
    from one for us alone. If that came while both were stopped, the second can be late. sudo(8) does much the same.
    """
    while True:
        if sys.platform == "darwin":  # no sigwaitinfo(2)
            number = signal.sigwait(_WATCHED)
            forward = number not in _FROM_TERMINAL
        else:
            info = signal.sigwaitinfo(_WATCHED)
            number, forward = info.si_signo, info.si_code <= 0 and info.si_pid != child
        pid = status = 0
        if number in (signal.SIGCHLD, signal.SIGCONT):
            # Had it been continued with us, a second SIGCONT could come late and undo its next stop.
            continued = os.WCONTINUED if number == signal.SIGCONT else 0
            pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED | continued)
        if not pid:
            if forward and number != signal.SIGCHLD:
                os.kill(child, number)
        elif os.WIFSTOPPED(status):
            _stop(os.WSTOPSIG(status))
        elif not os.WIFCONTINUED(status):
            return status


def _stop(number: int) -> None:
    """Stop as the child did, so that the shell sees it; returns when the shell continues the group."""
    os.kill(os.getpid(), number)  # while it is blocked, so that it is one with the terminal's, if that waits still
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _copy(source: int, sink: int, redactor: Redactor, ended: int, failures: list[OSError]) -> None:
    """Pass `source` on to `sink` until it ends, or nobody reads `sink`: then the command gets SIGPIPE, as it would."""
    try:
        _pass_on(source, sink, redactor, ended)
        _write(sink, redactor.finish())
    except BrokenPipeError:
        pass
    except OSError as exc:
        failures.append(exc)
    finally:
        os.close(source)


def _pass_on(source: int, sink: int, redactor: Redactor, ended: int) -> None:
    """Until `ended` closes: all. From then on what is in the pipe, and for a moment what comes from elsewhere."""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(ended, select.POLLIN)
    deadline: float | None = None
    while deadline is None or time.monotonic() < deadline:
        ready = [fd for fd, _ in poll.poll(None if deadline is None else _GRACE * 1000)]
        if ended in ready:
            poll.unregister(ended)
            deadline = time.monotonic() + _GRACE
        if source in ready:  # what the ended command wrote is there, if anything: this read has it
            data = os.read(source, _CHUNK)
            if not data:
                return
            _write(sink, redactor.feed(data))


def _write(sink: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(sink, data) :]
        except BlockingIOError:  # somebody who shares the file made it non-blocking
            poll = select.poll()
            poll.register(sink, select.POLLOUT)
            poll.poll()
