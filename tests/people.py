"""A person at a real terminal, and vaults that ask for something."""

from __future__ import annotations

import io
import os
from typing import Any

import pexpect  # type: ignore[import-untyped]
from vaults import COMMAND, VaultHome

from keyvault.crypto.kdf import WEAKEST_ALLOWED, Argon2Parameters
from keyvault.store.sqlite import create_store
from keyvault.unlock import recovery
from keyvault.vault import care, slots
from keyvault.vault.care import SlotSecret

PASSPHRASE = "correct horse battery staple"


class AskingHome(VaultHome):
    """A vault that opens with a passphrase, typed or given; its Argon2 is the cheapest allowed, for speed."""

    passphrase = PASSPHRASE
    code = ""  # the recovery code, if the vault has one

    def create_asking(self, *, with_code: bool = False, kdf: Argon2Parameters = WEAKEST_ALLOWED) -> None:
        """Make the vault without a subprocess."""
        secrets = [SlotSecret(slots.PASSPHRASE, slots.passphrase_bytes(self.passphrase), kdf)]
        if with_code:
            secrets.append(SlotSecret(slots.RECOVERY, slots.new_secret(slots.RECOVERY)))
            self.code = recovery.encode(secrets[1].secret)
        made = care.new_vault(secrets)
        create_store(self.path, made.blobs, made.head)
        assert care.remember(self.anchors, self.path, made) == []

    @property
    def environment(self) -> dict[str, str]:
        kept = super().environment
        del kept["KEYVAULT_KEY_FILE"]
        return kept | {"XDG_RUNTIME_DIR": self.folder}  # no session's keyring is met by accident


class Terminal:
    """A command on a pseudo-terminal of its own. `seen` is all that it showed."""

    eof = pexpect.EOF

    def __init__(
        self,
        home: VaultHome,
        *words: str,
        env: dict[str, str] | None = None,
        program: list[str] | None = None,
        columns: int = 400,
    ) -> None:
        command = program or [*COMMAND, *words]
        self._log = io.BytesIO()
        self.child: Any = pexpect.spawn(
            command[0],
            command[1:],
            env=home.environment | {"XDG_RUNTIME_DIR": home.folder, "TERM": "xterm"} | (env or {}),
            cwd=home.folder,
            timeout=90,
            dimensions=(60, columns),
        )
        self.child.delaybeforesend = None
        self.child.logfile_read = self._log

    @property
    def seen(self) -> str:
        """All of the terminal's output up to now, with plain newlines."""
        return self._log.getvalue().decode().replace("\r\n", "\n")

    def expect(self, text: str) -> None:
        """Wait until the command shows this text."""
        self.child.expect_exact(text.encode())

    def answer(self, prompt: str, typed: str) -> None:
        """Wait for a prompt, and type a line."""
        self.expect(prompt)
        self.child.send(typed + "\n")

    def press(self, prompt: str, key: str) -> None:
        """Wait for a prompt, and press one key with Ctrl."""
        self.expect(prompt)
        self.child.sendcontrol(key)

    def copy_recovery_code(self, *, wrong: int = 0) -> str:
        """Read the recovery code off the screen and type back the group that is asked for; the code."""
        for _ in range(wrong):
            self.answer("of your copy: ", "ZZZZ")
        self.child.expect(r"Type group (\d) of 9 of your copy: ")
        number = int(self.child.match[1])
        lines = self.seen.split("Write it on paper:")[1].split("\n")
        groups = "".join(line.strip() for line in lines[1:5]).split("-")
        assert len(groups) == 9, self.seen
        self.child.send(groups[number - 1] + "\n")
        return "-".join(groups)

    def end(self, code: int = 0) -> str:
        """Wait for the command's end, check its exit code, and return all that it showed."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        assert self.child.exitstatus == code, (self.child.exitstatus, self.child.signalstatus, self.seen)
        return self.seen


def text_of(path: str) -> str:
    """A file's text."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def write(path: str, text: str | bytes, mode: int = 0o600) -> str:
    """Make a file; its path."""
    with open(path, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    os.chmod(path, mode)
    return path


def bytes_of(path: str) -> bytes:
    """A file's bytes."""
    with open(path, "rb") as file:
        return file.read()
