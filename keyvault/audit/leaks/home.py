"""Where keys lie in a home folder beyond the files that hold them on purpose: histories, transcripts, clipboards."""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Iterator

from keyvault.audit.findings import HOME
from keyvault.audit.leaks.notes import LINK, Notes
from keyvault.audit.leaks.reading import FileBatch
from keyvault.audit.leaks.tree import Walk, grouped
from keyvault.core import settings
from keyvault.core.usual_places import config_base, home_files

# One a line; a folder stands for all that is in it, and `*` for part of a name.
_HISTORIES = """
.bash_history
.bash_sessions
.sh_history
.zsh_history
.zsh_sessions
.zhistory
.histfile
.ksh_history
.mksh_history
.history
.python_history
.ipython/profile_default/history.sqlite
.Rhistory
.node_repl_history
.deno_history
.irb_history
.pry_history
.irb-history
.php_history
.scala_history
.julia/logs/repl_history.jl
.psql_history
.pgcli_history
.mysql_history
.mycli-history
.sqlite_history
.duckdb_history
.rediscli_history
.mongosh/mongosh_repl_history
.dbshell
.lesshst
.viminfo
.vim/viminfo
.wget-hsts
.local/share/fish/fish_history
.local/share/powershell/PSReadLine
.local/share/nushell
.local/share/atuin/history.db
.local/share/mcfly/history.db
.local/state/nvim/shada
.local/share/nvim/shada
.local/state/warp-terminal/warp.sqlite
.local/share/radian_history
.local/share/jupyter/runtime
"""
_ASSISTANTS = """
.claude
.claude.json.backup*
.codex
.gemini
.continue
.copilot
.qwen
.kimi
.aider
.aider.chat.history.md
.aider.input.history
.aider.llm.history
.cursor/mcp.json
.cursor/projects
.cursor/chats
.codeium/windsurf/memories
.codeium/windsurf/mcp_config.json
.local/share/opencode
.local/share/goose
.local/share/io.datasette.llm
.local/share/zed
.local/share/crush
.openhands
"""
_EDITORS = ("Code", "Code - Insiders", "VSCodium", "Cursor", "Windsurf", "Trae", "Positron")
_OF_EDITORS = "User/settings.json User/mcp.json User/History User/globalStorage User/workspaceStorage User/profiles".split()
_CONFIG = """
io.datasette.llm
goose
crush
rstudio
RStudio
JetBrains/*/options
JetBrains/*/consoles
JetBrains/*/scratches
nushell
copyq
clipcat
"""
_CLIPBOARDS = """
.local/share/copyq
.local/share/klipper
.local/share/gpaste
.local/share/clipman.json
.local/share/parcellite
.local/share/clipit
.local/share/clipboard
.local/share/pano@elhan.io
.cache/xfce4/clipman
.cache/cliphist
.cache/clipmenu*
.cache/clipcat
.cache/greenclip.history
.cache/clipboard-indicator@tudmotu.com
"""
_MACOS = """
Library/Application Support/io.datasette.llm
Library/Application Support/Claude/claude_desktop_config.json
Library/Application Support/Alfred/Databases/clipboard.alfdb
Library/Containers/org.p0deji.Maccy/Data/Library/Application Support/Maccy
"""
_WINDOWS = """
AppData/Roaming/Microsoft/Windows/PowerShell/PSReadLine
AppData/Roaming/Claude/claude_desktop_config.json
AppData/Roaming/Ditto/Ditto.db
AppData/Local/Ditto/Ditto.db
AppData/Roaming/copyq
"""


def batches(base: str, said: Notes) -> Iterator[FileBatch]:
    """The usual places that exist, in batches; databases too, since text lies in them as it is."""
    return grouped(_files(Walk(base, said), said), base, HOME, binary_too=True)


def _files(walk: Walk, said: Notes) -> Iterator[tuple[str, int]]:
    seen = set()
    for place in places():
        if os.path.islink(place):
            said.add(LINK, walk.shown(place))
            continue
        if not os.path.lexists(place):
            continue
        for name, size in walk.plain(place) if os.path.isdir(place) else walk.files([place]):
            if name not in seen:
                seen.add(name)
                yield name, size


def places() -> list[str]:
    """Files and folders, whether or not they are there; names with a `*` only as they are found."""
    home, config = os.path.expanduser("~"), config_base()
    lists = _HISTORIES + _ASSISTANTS + _CLIPBOARDS + {"darwin": _MACOS, "win32": _WINDOWS}.get(sys.platform, "")
    wanted = [os.path.join(home, *line.split("/")) for line in lists.split("\n") if line]
    wanted += [os.path.join(config, *line.split("/")) for line in _CONFIG.split("\n") if line]
    roots = {"darwin": ["Library", "Application Support"], "win32": ["AppData", "Roaming"]}.get(sys.platform)
    editors = os.path.join(home, *roots) if roots else config
    wanted += [os.path.join(editors, editor, *part.split("/")) for editor in _EDITORS for part in _OF_EDITORS]
    history = settings.variable("HISTFILE")
    if history:
        wanted.append(os.path.expanduser(history))
    return home_files() + [path for name in wanted for path in _expanded(name)]


def _expanded(path: str) -> list[str]:
    """`path`, or what fits it where it has a `*`."""
    if "*" not in path:
        return [path]
    before, _, after = path.partition("*")
    folder, start = os.path.split(before)
    rest, slash, below = after.partition(os.sep)
    try:
        names = sorted(name for name in os.listdir(folder) if fnmatch.fnmatchcase(name, f"{start}*{rest}"))
    except OSError:
        return []
    return [os.path.join(folder, name) + slash + below for name in names]
