"""Vaults for tests: in this process with a cheap slot, and a whole home for the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from keyvault.store.sqlite import create_store, open_store
from keyvault.unlock import key_file
from keyvault.vault import care, changes, slots
from keyvault.vault.anchor import Anchors
from keyvault.vault.care import SlotSecret
from keyvault.vault.codec import Header
from keyvault.vault.vault import Vault


class VaultHome:
    """A vault in `folder`/vault with its state in `folder`/state, opened by a key file in `folder`/key (not in the vault)."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.home = os.path.join(folder, "vault")
        self.state = os.path.join(folder, "state")
        self.key_file = os.path.join(folder, "key")
        self.path = os.path.join(self.home, "vault.db")
        self.anchors = Anchors(self.state)

    def create(self) -> Vault:
        """Make the vault, without a subprocess, and open it."""
        secret = slots.new_secret(slots.KEY_FILE)
        key_file.write(self.key_file, secret)
        made = care.new_vault([SlotSecret(slots.KEY_FILE, secret)])
        create_store(self.path, made.blobs, made.head)
        assert care.remember(self.anchors, self.path, made) == []
        return self.open()

    def unlock(self, header: Header) -> bytes:
        return slots.unwrap(header, slots.decode_all(header), slots.KEY_FILE, key_file.read(self.key_file))[1]

    def open(self, *, believe_store: bool = False) -> Vault:
        return Vault(open_store(self.path), self.unlock, self.anchors, believe_store=believe_store)

    @property
    def environment(self) -> dict[str, str]:
        """What the command needs: nothing of the caller's but PATH, locale and HOME."""
        passed = ("PATH", "LANG", "LC_ALL")
        kept = {name: os.environ[name] for name in passed if name in os.environ}
        kept = {name: value for name, value in kept.items() if not value.startswith("zh")}  # tests read English
        return kept | {
            "HOME": self.folder,
            "KEYVAULT_HOME": self.home,
            "KEYVAULT_STATE": self.state,
            "KEYVAULT_KEY_FILE": self.key_file,
            "KEYVAULT_NO_AGENT": "1",  # else unlocking would leave an agent behind
            "XDG_RUNTIME_DIR": self.folder,  # so that no session's keyring is met by accident
        }

    def run(
        self, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None, code: int | None = 0, cwd: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the installed command without a terminal. `code` is the expected exit code; None: any."""
        done = without_terminal([*COMMAND, *words], self.environment | (env or {}), cwd or self.folder, stdin)
        if code is not None:
            assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done


COMMAND: Sequence[str] = (sys.executable, "-m", "keyvault")


def without_terminal(
    words: Sequence[str], env: Mapping[str, str], cwd: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in a session of its own, so that nothing in it finds a terminal to ask at."""
    return subprocess.run(
        words, input=stdin, env=env, capture_output=True, timeout=120, check=False, cwd=cwd, start_new_session=True
    )


def add_key(vault: Vault, ref: str, value: str, variable: str = "", at: int = 1_790_000_000) -> None:
    """Put a key in, the short way."""
    name = variable or ref.upper().replace("/", "_").replace("-", "_").replace(".", "_")
    with vault.transaction("add") as tx:
        changes.add(tx, ref, {"": value}, {"variables": {name: ""}}, at)
