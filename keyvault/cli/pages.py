"""Opening a vendor's page in the person's browser."""

from __future__ import annotations

import sys

import click

from keyvault.cli import render, terminal
from keyvault.core import settings
from keyvault.core.errors import NotFound
from keyvault.providers.schema import Provider


def open_console(provider: Provider, *, print_url: bool) -> None:
    """Open the page where a vendor's keys are made; `print_url`: on stdout, where there is no browser. Raises NotFound."""
    url = provider.console_url
    if not url:
        raise NotFound(f"the catalogue knows no page of {provider.name} for keys", f"keyvault providers {provider.id}")
    if terminal.is_terminal(2) and _has_browser():
        terminal.say(f"opening {url}")
        click.launch(url)
    elif print_url:
        render.out(url + "\n")
    else:
        terminal.say(f"keys of {provider.name} are made at {url}")
    terminal.tip("a new key is shown once: copy it before you leave the page")


def _has_browser() -> bool:
    """Without a graphical session a browser would take over the terminal."""
    return sys.platform != "linux" or bool(settings.variable("DISPLAY") or settings.variable("WAYLAND_DISPLAY"))
