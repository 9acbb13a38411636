"""`env -o FILE`: put variables into a file of the user's, keeping everything else in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from keyvault.core.errors import InvalidInput, NotCarried, UnsafeFile
from keyvault.core.settings import absolute
from keyvault.core.text import escape
from keyvault.formats.base import Format, Rendered
from keyvault.store.files import OPEN, failure, sync_folder, write_private

LARGEST_FILE = 4 * 1024 * 1024


def merge(path: str, form: Format, pairs: Sequence[tuple[str, str]]) -> Rendered:
    """What `path` should hold: its content, or nothing yet, with the variables assigned.

    Raises NotCarried, InvalidInput for a file that cannot be merged, UnsafeFile, StoreFailed.
    """
    if not form.is_file:
        raise InvalidInput(f"format {form.name} does not go into a file", "leave out -o, or choose another --format")
    if path.endswith(".Renviron") and form.name != "renviron":
        raise InvalidInput(
            f"R would not understand format {form.name} in a .Renviron", "leave out --format, or write a file of another name"
        )
    rendered = form.merge(_read(absolute(path)), pairs)
    if rendered.refused:
        refusal = rendered.refused[0]
        raise NotCarried(f"{refusal.variable} cannot be written as {form.name}: {refusal.reason}", "nothing was written")
    return rendered


def write(path: str, text: str) -> None:
    """Put `text` in place of the file, mode 0600, atomically. Raises UnsafeFile, StoreFailed."""
    path = absolute(path)
    write_private(path, text.encode())
    sync_folder(os.path.dirname(path))


def append(path: str, text: str) -> None:
    """Add to a file that somebody else made and reads, such as a CI runner's. Raises StoreFailed."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | OPEN)
        with open(fd, "ab") as file:
            file.write(text.encode())
    except OSError as exc:
        raise failure("write", path, exc) from exc


def _read(path: str) -> str:
    try:
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode):
            raise UnsafeFile(f"{escape(path)} is not a plain file", "keyvault writes through no links or devices")
        if info.st_size > LARGEST_FILE:
            raise InvalidInput(
                f"{escape(path)} is too large to be an environment file", "nothing was written; name another file"
            )
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{escape(path)} is not UTF-8 text", "nothing was written") from exc
    except OSError as exc:
        raise failure("read", path, exc) from exc


def git_warning(path: str) -> str:
    """A warning if `path` lies in a git worktree that does not ignore it, else an empty string."""
    from keyvault.core import git

    whole = absolute(path)
    if not git.is_inside_one(os.path.dirname(whole)):
        return ""
    ignored = git.is_ignored(whole, also_by_user=True)
    if ignored is None:
        return f"{escape(path)} lies in a git worktree; make sure that git ignores it"
    return "" if ignored else f"git does not ignore {escape(path)}; add it to .gitignore before the keys are committed"
