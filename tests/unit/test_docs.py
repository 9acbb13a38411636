"""The pages that people read: links lead somewhere, and commands and options exist."""

from __future__ import annotations

import os
import re

import click
import pytest
from checkout import ROOT

from keyvault.cli.app import COMMANDS, app

PAGES = sorted(
    [name for name in os.listdir(ROOT) if name.endswith(".md")]
    + [
        os.path.relpath(os.path.join(folder, name), ROOT)
        for folder, _, names in os.walk(os.path.join(ROOT, "docs"))
        for name in names
        if name.endswith(".md")
    ]
)
# A call in a code block or between backquotes, up to what ends a command in a shell.
CALL = re.compile(r"(?<![\w./-])keyvault ((?:[a-z][a-z-]*|--[a-z-]+|-[a-z])\b[^`\n|)]*)")


def read(page: str) -> str:
    with open(os.path.join(ROOT, page), encoding="utf-8") as file:
        return file.read()


def code_in(text: str) -> str:
    """Fenced blocks, indented blocks and code spans, one a line."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [a or b for a, b in re.findall(r"``\s?(.+?)\s?``|`([^`]+)`", rest)]
    return "\n".join([*fenced, *re.findall(r"^ {4}(.*)$", rest, re.MULTILINE), *spans])


def anchors_of(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", read(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
        assert os.path.exists(os.path.join(ROOT, found)), f"{page}: {target}"
        if anchor:
            assert anchor in anchors_of(found), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str) -> None:
    context = click.Context(app)
    for call in CALL.findall(code_in(read(page))):
        words = re.split(r"\s+", re.split(r" -- |\s#|;|&&|\|\|", call + " ")[0].strip())
        if words[0].startswith("-"):
            assert words[0] in {"--version", "--help"}, f"{page}: keyvault {call}"
            continue
        assert words[0] in COMMANDS, f"{page}: keyvault {call}"
        command = app.get_command(context, words[0])
        if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
            command = command.commands[words[1]]
        assert command is not None
        given = {word.split("=")[0].rstrip(",.\"'") for word in words if re.match(r"--?[a-z]", word)}
        assert given <= options_of(command), f"{page}: keyvault {call}"


@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_told_to_install_a_strangers_project(page: str) -> None:
    for match in re.finditer(r"(?:pip|pipx|uv tool|uv pip) install ([\w.\[\]-]+)", read(page)):
        sentence = read(page)[max(0, match.start() - 60) : match.start()].lower()
        if match[1].startswith("keyvault"):
            assert "not" in sentence or "不要" in sentence or "telling somebody to" in sentence, f"{page}: {match[0]}"


def test_every_page_of_the_documentation_is_reachable_from_the_index() -> None:
    index = read(os.path.join("docs", "index.md"))
    linked = {os.path.normpath(os.path.join("docs", target)) for target in re.findall(r"\]\(([^)#\s]+)", index)}
    assert {page for page in PAGES if page.startswith("docs")} - {os.path.join("docs", "index.md")} <= linked
