"""Batch files and notes of commands for cmd.exe: `set X=...`, `set "X=..."` and `setx X "..."` ("setx /?", "set /?")."""

from __future__ import annotations

import re

from keyvault.discover.sources.scripts import NotLiteral, Script
from keyvault.formats import cmd
from keyvault.formats.lines import LineEditor

_NAME = r"(?P<name>[A-Za-z_]\w*)"
_SETX = rf'[ \t]*(?P<name_start>)@?(?i:setx)[ \t]+"?{_NAME}"?[ \t]+'


class Cmd(Script):
    """.cmd and .bat files."""

    kind = "cmd"
    what = "batch files for cmd"
    comment = "rem"
    end = re.compile(r"[ \t]*(?=\r?\n|\Z)")
    statement = (
        re.compile(rf'[ \t]*(?P<name_start>)@?(?i:set)[ \t]+"{_NAME}=(?P<word>[^"\r\n]*)"'),
        re.compile(rf"[ \t]*(?P<name_start>)@?(?i:set)[ \t]+{_NAME}=(?P<word>[^\r\n\"^&|<>]*)"),
        re.compile(rf'{_SETX}"(?P<word>[^"\r\n\\]*)"(?:[ \t]+/[mM])?'),
        re.compile(rf"{_SETX}(?P<word>[^\s\"^&|<>/]\S*)(?:[ \t]+/[mM])?"),
    )
    mention = re.compile(r"(?i)\bsetx?[ \t]+\"?(?P<name>[A-Za-z_]\w*)[ \t=]")

    def fits(self, name: str, path: str, text: str) -> bool:
        return name.endswith((".cmd", ".bat"))

    def editor(self) -> LineEditor:
        return cmd.Cmd("cmd").editor()

    def decode(self, word: str) -> str:
        if "%" in word.replace("%%", ""):
            raise NotLiteral("refers to other variables")
        if "!" in word:
            raise NotLiteral("means different things with and without delayed expansion")
        return word.replace("%%", "%")
