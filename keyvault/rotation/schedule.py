"""Entries for the timers of operating systems, which run `keyvault rotate --due` each day. Printed; nothing is installed."""

from __future__ import annotations

import os
import shlex
import sys
from xml.sax.saxutils import escape as xml

KINDS = ("cron", "systemd", "launchd", "windows")
_WORDS = ("rotate", "--due", "--yes", "--no-input")


def usual() -> str:
    """The timer that this system has."""
    return {"darwin": "launchd", "win32": "windows"}.get(
        sys.platform, "systemd" if os.path.isdir("/run/systemd/system") else "cron"
    )


def entry(kind: str, program: str) -> str:
    """The text for one kind of timer, with a line on what to do with it. `program`: the path of keyvault."""
    command = " ".join((shlex.quote(program), *_WORDS))
    if kind == "cron":
        return f"# crontab -e, and add:\n17 9 * * * {command.replace('%', chr(92) + '%')}\n"
    if kind == "systemd":
        exec_start = " ".join((_systemd(program), *_WORDS))
        return (
            "# ~/.config/systemd/user/keyvault-rotate.service\n"
            "[Unit]\nDescription=Rotate API keys that are due\n\n"
            f"[Service]\nType=oneshot\nExecStart={exec_start}\n\n"
            "# ~/.config/systemd/user/keyvault-rotate.timer\n"
            "[Unit]\nDescription=Rotate API keys that are due, once a day\n\n"
            "[Timer]\nOnCalendar=*-*-* 09:17:00\nPersistent=true\n\n"
            "[Install]\nWantedBy=timers.target\n\n"
            "# then: systemctl --user enable --now keyvault-rotate.timer\n"
        )
    if kind == "launchd":
        words = "".join(f"    <string>{xml(word)}</string>\n" for word in (program, *_WORDS))
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
            "<!-- ~/Library/LaunchAgents/keyvault-rotate.plist, then:\n"
            "     launchctl bootstrap gui/$UID ~/Library/LaunchAgents/keyvault-rotate.plist -->\n"
            '<plist version="1.0">\n<dict>\n  <key>Label</key>\n  <string>keyvault-rotate</string>\n'
            f"  <key>ProgramArguments</key>\n  <array>\n{words}  </array>\n"
            "  <key>StartCalendarInterval</key>\n  <dict>\n    <key>Hour</key>\n    <integer>9</integer>\n"
            "    <key>Minute</key>\n    <integer>17</integer>\n  </dict>\n</dict>\n</plist>\n"
        )
    inside = " ".join((f'\\"{program}\\"', *_WORDS))
    return f'schtasks /Create /SC DAILY /ST 09:17 /TN keyvault-rotate /TR "{inside}"\n'


def _systemd(path: str) -> str:
    """A path as ExecStart= takes it: quoted, with what systemd expands doubled."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'
