"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess

_WHO = {
    **{f"GIT_{role}_{part}": f"{role} {part}".lower() for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


class Repo:
    """A repository in a folder, made by the real git."""

    def __init__(self, folder: str | os.PathLike[str], *options: str) -> None:
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *words: str, data: str = "", status: int = 0, **variables: str) -> str:
        """What git prints. Fails where git does not end with `status`."""
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, **_WHO, **variables}
        command = ["git", "-c", "protocol.file.allow=always", *words]
        done = subprocess.run(
            command, cwd=self.folder, input=data, capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == status, done.stderr
        return done.stdout.strip()

    def write(self, name: str, text: str | bytes) -> str:
        """Put a file there."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        return path

    def commit(self, name: str, text: str | bytes, message: str = "a change") -> str:
        """Put a file there, and commit it; the commit's id."""
        self.write(name, text)
        self.git("add", "-f", "--", name)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")
