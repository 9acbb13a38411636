"""The calls that shells make at every start, parsed by hand. What is not plainly one of them is left to click."""

from __future__ import annotations

from keyvault.cli import guard
from keyvault.cli.exporting import Request, run
from keyvault.cli.session import Session


def parse_env(words: list[str]) -> tuple[Request, bool] | None:
    """What `env WORDS` asks for and whether input is forbidden, or None where click should look at it."""
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


def env(request: Request, no_input: bool) -> int:
    """Answer `env`."""
    session = Session()
    session.no_input = no_input
    return guard.guarded(lambda: run(session, request), session)
