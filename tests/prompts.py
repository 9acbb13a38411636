"""Real interactive shells on a pseudo-terminal, with the hook in their start-up file."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from typing import Any

import pexpect  # type: ignore[import-untyped]
from people import write
from vaults import COMMAND, VaultHome

from keyvault.environment.hook import script

# How each shell is started, and what its start-up file is.
_START = {
    "bash": (["--rcfile", "RC", "-i"], "bashrc", "PS1='> '\n"),
    "zsh": (["-i"], ".zshrc", "unsetopt zle prompt_cr prompt_sp\nPS1='> '\n"),
    "fish": (["-i"], "fish/config.fish", "set -g fish_greeting\nfunction fish_prompt; echo -n '> '; end\n"),
    "nu": (["--no-std-lib", "--config", "RC"], "config.nu", "$env.config.show_banner = false\n"),
}

# What Nushell's line editor shows when it begins and ends to read a line, and at the end of its prompt.
_EDITOR_BEGINS, _EDITOR_ENDS, _PROMPT_ENDS = b"\x1b[?2004h", b"\x1b[?2004l", b"\x1b]133;B"


class Shell:
    """One interactive shell of a person whose home is `home.folder`. `rc` stands before the hook in its start-up file."""

    def __init__(
        self,
        program: str,
        name: str,
        home: VaultHome,
        *,
        rc: str = "",
        after: str = "",
        hook: bool = True,
        env: dict[str, Any] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.name = name
        words, file, prompt = _START[name]
        self.rc = os.path.join(home.folder, f"{name}-config", file)
        os.makedirs(os.path.dirname(self.rc), exist_ok=True)
        write(self.rc, f"{prompt}{rc}\n{script(name) if hook else ''}\n{after}\n")
        config = os.path.join(home.folder, f"{name}-config")
        bin_folder = os.path.join(home.folder, "bin")  # `keyvault` as people type it
        os.makedirs(bin_folder, exist_ok=True)
        write(os.path.join(bin_folder, "keyvault"), f'#!/bin/sh\nexec {COMMAND[0]} -m {COMMAND[2]} "$@"\n', 0o755)
        if name == "fish":  # else its first start reads all of the system's man pages, in the background
            os.makedirs(os.path.join(home.folder, ".local", "share", "fish", "generated_completions"), exist_ok=True)
        self._folder = home.folder
        self._log = io.BytesIO()
        self._steps = 0
        given = home.environment | {"TERM": "dumb", "ZDOTDIR": config, "XDG_CONFIG_HOME": config, "LC_ALL": "C.UTF-8"}
        given["PATH"] = bin_folder + ":" + given["PATH"]
        self.child: Any = pexpect.spawn(
            program,
            [word.replace("RC", self.rc) for word in words],
            env={name: value for name, value in (given | (env or {})).items() if value is not None},
            cwd=cwd or home.folder,
            timeout=30,
            dimensions=(60, 400),
        )
        self.child.delaybeforesend = None
        self.child.logfile_read = self._log
        self.do("")

    def do(self, line: str) -> str:
        """Type a line; when the prompt after it is done, what the terminal showed since."""
        self._steps += 1
        start = len(self._log.getvalue())
        if self.name == "nu":
            self._type_into_nushell(line)
            return self._since(start)
        done = os.path.join(self._folder, f"done-{id(self)}-{self._steps}")
        self.child.send(f"{line}\n: >{done}\n")
        self._listen_until(lambda: os.path.exists(done), 30)
        return self._since(start).replace(f": >{done}", "")

    def _type_into_nushell(self, line: str) -> None:
        """What is typed before its line editor reads, or while that asks where the cursor is, can get lost."""
        self._listen_until(self._nushell_reads, 30)
        for _ in range(3):
            start = len(self._log.getvalue())
            self.child.send(line + "\r")
            if self._listen_until(lambda: _EDITOR_ENDS in self._log.getvalue()[start:], 10, fail=False):  # noqa: B023
                break
        self._listen_until(self._nushell_reads, 30)

    def _nushell_reads(self) -> bool:
        since = self._log.getvalue().rpartition(_EDITOR_ENDS)[2]
        return _PROMPT_ENDS in since.partition(_EDITOR_BEGINS)[2]

    def _since(self, start: int) -> str:
        return self._log.getvalue()[start:].decode("utf-8", "replace").replace("\r\n", "\n")

    def _listen_until(self, reached: Callable[[], bool], seconds: float, *, fail: bool = True) -> bool:
        until = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > until:
                assert not fail, self.seen
                return False
            self._listen(0.02)
        self._listen(0.2 if self.name == "nu" else 0.05)
        return True

    def _listen(self, seconds: float) -> None:
        """Read until nothing has come for so long."""
        try:
            while self.child.expect([pexpect.TIMEOUT, r".+"], timeout=seconds):
                for _ in range(self.child.after.count(b"\x1b[6n")):  # Nushell asks where the cursor is, and waits
                    self.child.send("\x1b[1;1R")
        except pexpect.EOF:
            raise AssertionError(self.seen) from None

    def quietly(self, *lines: str) -> bool:
        """Type lines that start nothing themselves. Whether the prompts after them started nothing either."""
        self.do("")
        before = self._children_so_far()
        for line in lines:
            self.do(line)
        return self._children_so_far() == before

    @property
    def seen(self) -> str:
        """All that the terminal showed."""
        return self._log.getvalue().decode("utf-8", "replace")

    def cd(self, folder: str) -> str:
        """Change the folder."""
        return self.do(f"cd '{folder}'")

    def set(self, name: str, value: str) -> str:
        """Set and export a variable by hand."""
        forms = {"fish": f"set -gx {name} '{value}'", "nu": f"$env.{name} = '{value}'"}
        return self.do(forms.get(self.name, f"export {name}='{value}'"))

    def environment(self) -> dict[str, bytes]:
        """What a program started now would get."""
        path = os.path.join(self._folder, f"env-{id(self)}")
        self.do(f"^env -0 | save --force --raw {path}" if self.name == "nu" else f"env -0 >{path}")
        with open(path, "rb") as file:
            pairs = (entry.partition(b"=") for entry in file.read().split(b"\0") if entry)
            return {name.decode(): value for name, _, value in pairs}

    def has(self, *names: str) -> dict[str, str | None]:
        """The values of these variables, as a program would see them."""
        found = self.environment()
        return {name: found[name].decode() if name in found else None for name in names}

    def _children_so_far(self) -> int:
        """Grows with every process that the shell has started and waited for: page faults of its children."""
        with open(f"/proc/{self.child.pid}/stat", encoding="utf-8") as file:
            return int(file.read().rpartition(")")[2].split()[8])

    def close(self) -> None:
        """Hang up."""
        self.child.close(force=True)
