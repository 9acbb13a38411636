"""How Sphinx builds the site from these pages; scripts/docs calls it."""

from __future__ import annotations

import os
import re
import runpy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "keyvault"
release = runpy.run_path(os.path.join(os.path.dirname(__file__), "..", "keyvault", "core", "version.py"))["__version__"]
extensions = ["myst_parser"]
exclude_patterns = ["conf.py"]
nitpicky = True  # a link that leads nowhere is a warning, and scripts/docs takes warnings for errors

myst_heading_anchors = 4  # the anchors that GitHub gives to headings, which the pages use
myst_enable_extensions = ["linkify"]  # and addresses in the text are links, as there
myst_linkify_fuzzy_links = False  # "parser.py" is no address

html_theme = "furo"
html_title = f"keyvault {release}"
html_copy_source = False
html_show_copyright = False


def contents_from_links(_app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the tree of pages that Sphinx wants under index.md, from the lists of links that people read there."""
    if docname != "index":
        return
    trees = [("Start", ["tutorial"])]
    for heading, links in re.findall(r"^\*\*(.+?)\*\*(.+?)(?:\n\n|\Z)", source[0], re.MULTILINE | re.DOTALL):
        trees.append((heading, re.findall(r"\]\(([^)#]+)\.md\)", links)))
    for heading, pages in trees:
        source[0] += "\n\n```{toctree}\n:hidden:\n:caption: " + "\n".join([heading, "", *pages]) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", contents_from_links)
