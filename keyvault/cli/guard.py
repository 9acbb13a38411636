"""The outermost border: whatever happens becomes one line on stderr and a frozen exit code, and no secret gets out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable

from keyvault.cli import exits, streams, terminal
from keyvault.cli.session import Session
from keyvault.core.errors import KeyvaultError

# Shapes that only keys have. Coarse on purpose: it guards the command line, where no key may be.
_KEY_SHAPE = (
    r"(?:sk|pk|rk|ak|gsk|xai|hf|pplx|fw|r8|jina|tvly|glpat|pypi|npm|nvapi|AIza|AKIA|ASIA|ghp|gho|ghu|ghs|ghr|github_pat|xox[abeprs]|eyJ)"
    r"[-_.A-Za-z0-9]{16,}|[A-Za-z0-9+/=_.-]*T3BlbkFJ.*"
)


def looks_like_key(word: str) -> bool:
    """A word of the command line that is most likely an API key."""
    return len(word) >= 20 and re.fullmatch(_KEY_SHAPE, word) is not None


def guarded(action: Callable[[], int], session: Session, *, failure_code: int | None = None) -> int:
    """Run `action`; its exit code, or the one of its error. `failure_code` replaces the latter, for `run`."""
    code = exits.INTERRUPTED
    try:
        return action()
    except KeyvaultError as exc:
        terminal.error(exc)
        own_status = getattr(exc, "status", None)  # RunFailed knows its code better
        code = own_status or (exits.code_of(exc) if failure_code is None else failure_code)
        _explain(exc, session)
    except (terminal.Interrupted, KeyboardInterrupt):
        terminal.say("")
    except BrokenPipeError:
        return exits.READER_GONE
    except streams.NotServed:
        raise
    except streams.Answered as exc:
        return exc.code
    except Exception as exc:  # noqa: BLE001 - the border itself: a traceback could show a value
        streams.only_here()  # the client tries it by itself, and says what is wrong if it still is
        terminal.error(
            _exhausted(exc)
            or KeyvaultError(f"internal error ({type(exc).__name__})", "please report it; --debug shows where it happened")
        )
        code = exits.FAILED if failure_code is None else failure_code
        _explain(exc, session)
    if session.on_failure:
        session.on_failure(code)
    return code


def _exhausted(exc: Exception) -> KeyvaultError | None:
    """Our error where the system had no memory, process or file descriptor left, which can happen anywhere."""
    number = errno.ENOMEM if isinstance(exc, MemoryError) else exc.errno if isinstance(exc, OSError) else None
    if number not in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN):
        return None
    return KeyvaultError(
        f"the system refused: {os.strerror(number).lower()}", "raise the limit (ulimit -a), or stop other programs"
    )


def _explain(exc: BaseException, session: Session) -> None:
    """With --debug: where it happened, and what caused it. Kinds and places only: messages of libraries may quote values."""
    if not session.debug:
        return
    import traceback

    cause: BaseException | None = exc
    while cause is not None:
        terminal.say(f"{type(cause).__module__}.{type(cause).__name__}")
        for frame in traceback.extract_tb(cause.__traceback__):
            terminal.say(f"  {frame.filename}:{frame.lineno} in {frame.name}")
        cause = cause.__cause__
