"""The files of a home folder that hold keys on purpose: start-up files, and what tools read their keys from."""

from __future__ import annotations

import os
import sys

from keyvault.core import settings

# One a line: some have blanks in them.
_HOME = """
.bashrc
.bash_profile
.bash_login
.bash_aliases
.bash_exports
.profile
.zshrc
.zshenv
.zprofile
.zlogin
.kshrc
.mkshrc
.cshrc
.tcshrc
.login
.exports
.envrc
.xprofile
.xsessionrc
.Renviron
.env
.netrc
_netrc
.npmrc
.pypirc
.aws/credentials
.aws/config
.cache/huggingface/token
.cache/huggingface/stored_tokens
.huggingface/token
.aider.conf.yml
.continue/config.json
.continue/config.yaml
.continue/.env
.claude.json
.claude/settings.json
.claude/settings.local.json
.cursor/mcp.json
.codeium/windsurf/mcp_config.json
.gemini/settings.json
.gemini/.env
.codex/config.toml
.jupyter/jupyter_ai_config.json
.jupyter/jupyter_jupyter_ai_config.json
.local/share/jupyter/jupyter_ai/config.json
.streamlit/secrets.toml
"""
_CONFIG = """
fish/config.fish
fish/fish_variables
gh/hosts.yml
io.datasette.llm/keys.json
Claude/claude_desktop_config.json
Code/User/mcp.json
Code/User/settings.json
Cursor/User/settings.json
nushell/env.nu
nushell/config.nu
powershell/profile.ps1
powershell/Microsoft.PowerShell_profile.ps1
npm/npmrc
zed/settings.json
opencode/opencode.json
"""
_MACOS = """
Library/Application Support/Claude/claude_desktop_config.json
Library/Application Support/Code/User/mcp.json
Library/Application Support/Code/User/settings.json
Library/Application Support/Cursor/User/settings.json
Library/Application Support/io.datasette.llm/keys.json
Library/Application Support/nushell/env.nu
"""
_WINDOWS = """
Documents/PowerShell/Microsoft.PowerShell_profile.ps1
Documents/WindowsPowerShell/Microsoft.PowerShell_profile.ps1
Documents/PowerShell/profile.ps1
Documents/.Renviron
AppData/Roaming/Claude/claude_desktop_config.json
AppData/Roaming/Code/User/mcp.json
AppData/Roaming/io.datasette.llm/keys.json
AppData/Roaming/GitHub CLI/hosts.yml
AppData/Roaming/nushell/env.nu
"""
_MANY = ("fish/conf.d", "environment.d")  # folders below the configuration folder whose files are all read


def home_files() -> list[str]:
    """The usual places, whether or not there is a file there."""
    home = os.path.expanduser("~")
    config = config_base()
    lists = {"darwin": _MACOS, "win32": _WINDOWS}.get(sys.platform, "")
    found = [os.path.join(home, *name.split("/")) for name in (_HOME + lists).strip().split("\n")]
    found += [os.path.join(config, *name.split("/")) for name in _CONFIG.strip().split("\n")]
    hugging_face = settings.variable("HF_HOME")
    if hugging_face:
        found += [os.path.join(hugging_face, name) for name in ("token", "stored_tokens")]
    for folder in (os.path.join(config, *name.split("/")) for name in _MANY):
        try:
            found += [os.path.join(folder, name) for name in sorted(os.listdir(folder))[:200]]
        except OSError:
            continue
    return found


def config_base() -> str:
    """Where programs keep their settings."""
    return settings.variable("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
