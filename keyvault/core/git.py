"""The `git` program, asked about repositories that may be a stranger's: nothing of theirs runs, and nothing is fetched."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import IO, NamedTuple

from keyvault.core import programs, settings
from keyvault.core.errors import KeyvaultError
from keyvault.core.text import escape

# What a repository's configuration could have git start, switched off: the command line wins over every file (git-config(1)).
_OFF = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.pager": "",
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.askPass": "false",
    "core.editor": "false",
    "core.alternateRefsCommand": "false",
    "credential.helper": "",
    "diff.external": "",
    "gpg.program": "false",
    "log.showSignature": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "core.bigFileThreshold": "32m",  # larger blobs are streamed, and not held whole
    "core.deltaBaseCacheLimit": "8m",  # of 96: objects of history are asked for behind their bases, so more is of no use
}
_VARIABLES = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # git before 2.44 does not know the line above; so its fetch fails at once
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_PAGER": "",
    "LC_ALL": "C",
}
_OF_USER = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")
# Which repository and index a hook is about (githooks(5)).
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")

NO_GIT = "git is not installed"
FOREIGN = "the repository belongs to another user, so git does not open it"


class GitFailed(KeyvaultError):
    """Git did not do what it was asked; the message is the reason."""


class Repository(NamedTuple):
    """A repository. `folder`: where git is asked; `shown`: what its paths begin with, empty or ending in a slash."""

    folder: str
    common: str
    bare: bool
    shallow: bool
    id_size: int
    shown: str = ""


@cache
def program() -> str | None:
    """The path of git, or None."""
    return programs.find("git")


def command(folder: str, *words: str) -> list[str]:
    """The command line that asks git in `folder`. Raises GitFailed where there is no git."""
    path = program()
    if not path:
        raise GitFailed(NO_GIT, "install git")
    off = [word for name, value in _OFF.items() for word in ("-c", f"{name}={value}")]
    return [path, "--no-pager", *off, "-C", folder, *words]


def environment(*, of_hook: bool = False) -> dict[str, str]:
    """What git gets to see of the environment; `of_hook`: also the repository that a running hook is about."""
    made = settings.helper_environment() | _VARIABLES
    if of_hook:
        made |= {name: value for name in _OF_HOOKS if (value := settings.variable(name))}
    return made


def ask(folder: str, *words: str, data: bytes = b"", of_hook: bool = False) -> bytes:
    """What git prints. Raises GitFailed."""
    try:
        done = subprocess.run(
            command(folder, *words), input=data, capture_output=True, env=environment(of_hook=of_hook), check=False
        )
    except (OSError, ValueError) as exc:
        raise GitFailed(f"cannot be run: {exc}") from exc
    if done.returncode:
        raise GitFailed(reason(done.stderr))
    return done.stdout


@contextmanager
def running(folder: str, *words: str, of_hook: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A git that runs on, with pipes for input and output; it is ended with the block. Raises GitFailed."""
    try:
        process = subprocess.Popen(
            command(folder, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=1 << 20,
            env=environment(of_hook=of_hook),
        )
    except (OSError, ValueError) as exc:
        raise GitFailed(f"cannot be run: {exc}") from exc
    try:
        yield process
    finally:
        process.kill()
        for pipe in (process.stdin, process.stdout):
            _close(pipe)
        process.wait()


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe:
            pipe.close()
    except OSError:
        return  # what was still to be written has no reader any more


def reason(stderr: bytes) -> str:
    """Why git failed, in a few words."""
    text = stderr.decode("utf-8", "replace").strip()
    if "dubious ownership" in text:
        return FOREIGN
    first = text.split("\n", 1)[0].removeprefix("fatal: ").removeprefix("error: ")
    return f"git itself says: {escape(first)[:200]}" if first else "git failed without a word"


def is_inside_one(folder: str) -> bool:
    """Whether there is a `.git` in `folder` or above it."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return False
        folder = above
    return True


def repository(folder: str, *, of_hook: bool = False) -> Repository:
    """The repository that `folder` lies in. Raises GitFailed."""
    flags = ("--is-bare-repository", "--is-shallow-repository", "--show-object-format", "--path-format=absolute")
    answer = os.fsdecode(ask(folder, "rev-parse", *flags, "--git-common-dir", of_hook=of_hook))
    if answer.count("\n") < 4:
        raise GitFailed("git does not tell what kind of repository this is", "update git")
    bare, shallow, object_format, common = answer.split("\n", 3)
    return Repository(
        folder, common.removesuffix("\n"), bare == "true", shallow == "true", 32 if object_format == "sha256" else 20
    )


def top_of(folder: str, *, of_hook: bool = False) -> str:
    """The root of the working tree that `folder` lies in. Raises GitFailed."""
    return os.fsdecode(ask(folder, "rev-parse", "--show-toplevel", of_hook=of_hook)).removesuffix("\n")


def names(folder: str, *words: str) -> Iterator[str]:
    """The names that a git command prints with NUL after each, as they come. Raises GitFailed where it ends badly."""
    with running(folder, *words) as process:
        yield from split(process.stdout)
        if process.wait():
            raise GitFailed("git could not list all files")


def split(stream: IO[bytes] | None) -> Iterator[str]:
    """The parts of a stream that end in NUL."""
    rest = b""
    while stream and (block := stream.read1(1 << 16)):  # type: ignore[attr-defined]  # a BufferedReader
        *whole, rest = (rest + block).split(b"\0")
        yield from map(os.fsdecode, whole)


def is_ignored(path: str, *, also_by_user: bool = False) -> bool | None:
    """Whether git ignores the file or folder `path`; None where git cannot tell. `also_by_user`: the user's settings count."""
    folder, name = os.path.split(path)
    seen = environment()
    if also_by_user:  # a list of theirs may be named there
        seen = {key: value for key, value in seen.items() if key not in _OF_USER}
    try:
        words = command(folder, "check-ignore", "--quiet", "--", "./" + name)
        done = subprocess.run(words, env=seen, capture_output=True, timeout=10, check=False)
    except (GitFailed, OSError, ValueError, subprocess.SubprocessError):
        return None
    return {0: True, 1: False}.get(done.returncode)


def as_partial(repo: Repository) -> Sequence[str]:
    """Why a repository does not hold all of its history; nothing where it does."""
    said = []
    if repo.shallow:
        said.append("a shallow clone: incomplete, what is older is not here")
    packs = os.path.join(repo.common, "objects", "pack")
    try:
        if any(name.endswith(".promisor") for name in os.listdir(packs)):
            said.append("a partial clone: incomplete, what was not fetched was not searched")
    except OSError:
        return said
    return said
