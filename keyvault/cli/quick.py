"""The calls that shells make at every start, parsed by hand. What is not plainly one of them is left to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyvault.cli import guard
from keyvault.cli.session import Session

if TYPE_CHECKING:
    from keyvault.cli.exporting import Request


def run(words: list[str], session: Session | None = None) -> int:
    """Run one command line; the exit code."""
    session = session or Session(words)
    if words[:1] == ["env"] and (request := parse_env(words[1:])) is not None:
        return env(*request, session)
    if words[:1] == ["hook"] and (asked := parse_hook(words[1:])) is not None:
        return hook(*asked, session)
    from keyvault.cli import app

    return app.run(words, session)


def parse_env(words: list[str]) -> tuple[Request, bool] | None:
    """What `env WORDS` asks for and whether input is forbidden, or None where click should look at it."""
    from keyvault.cli.exporting import Request

    request, no_input, at = Request(), False, 0
    while at < len(words):
        word, at = words[at], at + 1
        if word == "--no-input":
            no_input = True
        elif word == "--unset":
            request = request._replace(unset=True)
        elif word == "--profile" and at < len(words):
            request, at = request._replace(profile=words[at]), at + 1
        elif word == "--format" and at < len(words):
            request, at = request._replace(format=words[at]), at + 1
        elif word.startswith("--format="):
            request = request._replace(format=word[9:])
        elif word.startswith("-") or guard.looks_like_key(word):
            return None
        else:
            request = request._replace(refs=(*request.refs, word))
    return request, no_input


def env(request: Request, no_input: bool, session: Session) -> int:
    """Answer `env`."""
    from keyvault.cli import exporting

    session.no_input = no_input
    return guard.guarded(lambda: exporting.run(session, request), session)


def parse_hook(words: list[str]) -> tuple[str, bool] | None:
    """The shell, and whether it asks for a plan; or None where click should look at it."""
    plan = words[1:] == ["--plan"]
    if not words or (words[1:] and not plan) or words[0].startswith("-"):
        return None
    return words[0], plan


def hook(shell: str, plan: bool, session: Session) -> int:
    """Answer `hook`."""
    from keyvault.cli import hooking

    return guard.guarded(lambda: hooking.run(session, shell, plan=plan), session)
