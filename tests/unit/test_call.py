"""The fastest way in: what it does with an answer of the agent, and without one. As a process: test_native_client.py."""

from __future__ import annotations

import os
import posix
import runpy
import site
import sys

import pytest

import keyvault
from keyvault import __main__
from keyvault.agent import client

FOLDER = os.path.dirname(os.path.abspath(keyvault.__file__))
CALL = os.path.join(FOLDER, "call.py")
MAIN = os.path.join(FOLDER, "__main__.py")


class Ended(Exception):
    """In place of the end of the process, or of this program."""


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words given; no process ends, or becomes another."""
    given = ["env", "--format", "bash"]
    monkeypatch.setattr(sys, "argv", [CALL, *given])
    monkeypatch.setattr(sys, "path", list(sys.path))

    def end(*told: object) -> None:
        raise Ended(*told)

    for module, name in ((posix, "_exit"), (os, "execv"), (__main__, "main")):
        monkeypatch.setattr(module, name, end if name != "main" else lambda *, asked: end("main", asked, list(sys.argv)))
    monkeypatch.setattr(site, "main", lambda: None)
    return given


def test_the_agents_answer_is_the_exit_code(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    heard: list[list[str]] = []
    monkeypatch.setattr(client, "ask", lambda given: heard.append(given) or 7)
    before = list(sys.path)
    with pytest.raises(Ended) as ended:
        runpy.run_path(CALL, run_name="keyvault.call")
    assert ended.value.args == (7,)
    assert heard == [words]
    assert sys.path == before  # the folder of the package is no place for other modules


def test_without_an_answer_the_program_goes_on_and_does_not_ask_again(
    monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(client, "ask", lambda _: None)
    monkeypatch.setattr(site, "getuserbase", lambda: "/home/me/.local")
    with pytest.raises(Ended) as ended:
        runpy.run_path(CALL, run_name="keyvault.call")
    assert ended.value.args == ("main", True, ["keyvault", *words])


@pytest.mark.parametrize(("base", "options"), [("", ["-E", "-P"]), ("/home/me/else", ["-P"])])
def test_a_users_own_installation_is_started_anew_for_its_folder(
    monkeypatch: pytest.MonkeyPatch, words: list[str], base: str, options: list[str]
) -> None:
    monkeypatch.setenv("PYTHONUSERBASE", base)
    monkeypatch.setattr(site, "getuserbase", lambda: os.path.dirname(FOLDER))
    with pytest.raises(Ended) as ended:
        __main__.without_site()
    assert ended.value.args == (sys.executable, [sys.executable, *options, MAIN, "--asked", *words])


def test_a_base_that_only_begins_alike_is_another(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    monkeypatch.setattr(site, "getuserbase", lambda: FOLDER[:-1])
    with pytest.raises(Ended) as ended:
        __main__.without_site()
    assert ended.value.args[0] == "main"
