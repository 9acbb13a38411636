"""What was not searched, gathered: a few of a kind by name, the rest as a count, so that a large tree stays readable."""

from __future__ import annotations

from collections.abc import Iterable

from keyvault.audit.findings import Skipped

NAMED = 10  # of each reason, so many are named

BINARY = "binary"
LINK = "a link, which is not followed; name what it leads to"
SPECIAL = "not a plain file"
NO_PERMISSION = "no permission to read it"
IGNORED = "git ignores it; name it, or its folder, to have it searched"
SEARCHED_BEFORE = "unchanged since it was searched before"

# Nobody wants to read the names of these; they are counted.
_COUNTED = {
    BINARY: ("binary file or object, which holds no text", "binary files and objects, which hold no text"),
    IGNORED: (
        "file that git ignores; name it, or its folder, to have it searched",
        "files that git ignores; name them, or their folder, to have them searched",
    ),
    SEARCHED_BEFORE: (
        "object that an earlier run searched without a finding",
        "objects that an earlier run searched without a finding",
    ),
}


class Notes:
    """Gathers notes; memory is bounded by the number of reasons."""

    def __init__(self, place: str = ".") -> None:
        self._place = place
        self._named: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, why: str, path: str, count: int = 1) -> None:
        """Note `count` things for the reason `why`, one of them at `path`."""
        self._counts[why] = self._counts.get(why, 0) + count
        names = self._named.setdefault(why, [])
        if why not in _COUNTED and len(names) < NAMED:
            names.append(path)

    def take(self, notes: Iterable[tuple[str, str, int]]) -> None:
        """Add what a task noted: reason, path and count of each."""
        for why, path, count in notes:
            self.add(why, path, count)

    def told(self) -> tuple[Skipped, ...]:
        """All of it, in a lasting order."""
        lines = []
        for why, count in self._counts.items():
            if why in _COUNTED:
                lines.append(Skipped(self._place, f"{count:,} {_COUNTED[why][count != 1]}"))
                continue
            names = sorted(set(self._named[why]))
            lines += [Skipped(name, why) for name in names]
            if count > NAMED:
                lines.append(Skipped(self._place, f"{count - NAMED:,} others like it: {why}"))
        return tuple(sorted(lines))
