"""What a person meets on Windows: questions, language, colours. The code of that system, run on this one."""

from __future__ import annotations

import ctypes
import getpass
import importlib
import io
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from keyvault.cli import clipboard, language, progress, terminal
from keyvault.cli.language import CHINESE, ENGLISH
from keyvault.cli.terminal import Interrupted
from keyvault.core.errors import Unreachable


class Typed(io.StringIO):
    """Standard input of a console."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEYVAULT_LANG", "LC_ALL", "LC_MESSAGES", "LC_CTYPE", "LANG", "LANGUAGE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.usefixtures("windows")
def test_questions_are_asked_on_the_console_of_windows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KEYVAULT_LANG", "en")
    monkeypatch.setattr(sys, "stdin", Typed("yes\r\n\n"))
    assert terminal.can_ask()
    assert terminal.ask("go on? ") == "yes"
    assert terminal.ask("go on? ") == ""
    assert capsys.readouterr().err == "go on? go on? "
    with pytest.raises(Interrupted):  # Ctrl-Z: as where the terminal is gone
        terminal.ask("go on? ")
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert not terminal.can_ask()


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_what_is_typed_hidden_is_asked_by_getpass(monkeypatch: pytest.MonkeyPatch, end: type[BaseException]) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "sk-typed"

    monkeypatch.setenv("KEYVAULT_LANG", "en")
    monkeypatch.setattr(getpass, "getpass", answer)
    assert terminal.ask_hidden("key for a\x1b[2J: ") == "sk-typed"
    assert asked == ["key for a\\x1b[2J: "]

    def stop(_prompt: str) -> str:
        raise end

    monkeypatch.setattr(getpass, "getpass", stop)
    with pytest.raises(Interrupted):
        terminal.ask_hidden("key: ")


@pytest.mark.usefixtures("windows")
def test_no_sequences_are_written_to_a_console_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(terminal, "is_terminal", lambda _: True)
    assert not terminal.shows_colour(1)
    try:
        assert "\x1b" not in importlib.reload(progress)._AFRESH
    finally:
        monkeypatch.undo()
        assert "\x1b" in importlib.reload(progress)._AFRESH


# [MS-LCID]: 0x0804 is zh-CN, 0x0404 zh-TW, 0x0409 en-US; 936 is the code page of simplified Chinese
@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("lcid", "page", "console", "expected"),
    [
        (0x0804, 65001, False, CHINESE),
        (0x0804, 936, True, CHINESE),
        (0x0804, 936, False, ENGLISH),
        (0x0404, 65001, True, ENGLISH),
        (0x0409, 65001, True, ENGLISH),
        (0x9999, 65001, True, ENGLISH),
    ],
)
def test_the_language_is_that_of_windows_where_it_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, lcid: int, page: int, console: bool, expected: str
) -> None:
    kernel = SimpleNamespace(GetConsoleOutputCP=lambda: page, GetUserDefaultUILanguage=lambda: lcid)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(os, "isatty", lambda _: console)
    assert language.wanted() == expected
    monkeypatch.setenv("KEYVAULT_LANG", "en")
    assert language.wanted() == ENGLISH


def test_a_mac_without_a_locale_is_spoken_to_in_english(monkeypatch: pytest.MonkeyPatch, windows: None) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert language.wanted() == ENGLISH
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")  # what its terminal sets
    assert language.wanted() == CHINESE


def test_the_holder_of_the_clipboard_has_no_window_that_could_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def refuse(_words: list[str], **options: Any) -> None:
        asked.update(options)
        raise Unreachable("not here")

    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x0800_0000, raising=False)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(Unreachable):
        clipboard.copy("text", 1)
    assert asked["creationflags"] == 0x0800_0000
