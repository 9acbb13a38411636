"""Real interactive shells on a pseudo-terminal, with the hook in their start-up file."""

from __future__ import annotations

import io
import os
import time
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
        done = os.path.join(self._folder, f"done-{id(self)}-{self._steps}")
        for typed in (line, f"^touch {done}" if self.name == "nu" else f": >{done}"):
            if self.name == "nu":  # what is typed while it asks the terminal something is lost
                self._listen(0.5)
            self.child.send(typed + ("\r" if self.name == "nu" else "\n"))
        until = time.monotonic() + 30
        while not os.path.exists(done):
            assert time.monotonic() < until, self.seen
            self._listen(0.02)
        self._listen(0.05)
        shown = self._log.getvalue()[start:].decode("utf-8", "replace").replace("\r\n", "\n")
        return shown.replace(f"^touch {done}", "").replace(f": >{done}", "")

    def _listen(self, seconds: float) -> None:
        try:
            while self.child.expect([pexpect.TIMEOUT, r".+"], timeout=seconds):
                if b"\x1b[6n" in self.child.after:  # Nushell asks where the cursor is, and waits
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
