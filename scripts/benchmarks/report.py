"""What every benchmark needs to tell its figures: tables, the machine, and the place in the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first hold figures."""
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def seconds(value: float) -> str:
    """A time with three digits and a unit that fits."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if value * factor >= 1:
            scaled = value * factor
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return f"{value * 1e9:.0f} ns"


def size(value: float) -> str:
    """Bytes with a unit that fits."""
    for factor, unit in ((2**20, "MiB"), (2**10, "KiB")):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} B"


def machine(folder: str) -> str:
    """The machine, without its name: processor, cores, memory, system, and where the vaults lay."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parts = [
        f"{os.cpu_count()} cores of {_processor()}",
        f"{memory / 2**30:.0f} GiB memory",
        f"{platform.system()} {platform.release().partition('-')[0]}",
        f"vaults on {_file_system(folder)}",
    ]
    return ", ".join(parts)


def load() -> float:
    """Processes that wanted a core over the last minute."""
    return os.getloadavg()[0]


def put_between_markers(path: str, verb: str, text: str) -> None:
    """Replace what stands between `<!-- bench VERB -->` and `<!-- end bench VERB -->` in a file."""
    begin, end = f"<!-- bench {verb} -->", f"<!-- end bench {verb} -->"
    with open(path, encoding="utf-8") as file:
        old = file.read()
    if old.count(begin) != 1 or old.count(end) != 1 or old.index(begin) > old.index(end):
        raise SystemExit(f"{path} needs one line {begin} and below it one line {end}")
    before, after = old.partition(begin)[0], old.partition(end)[2]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{begin}\n\n{text}\n\n{end}{after}")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), platform.machine())
    except OSError:
        return platform.processor() or platform.machine()


def _file_system(folder: str) -> str:
    """The kind of the file system that holds `folder`."""
    found = ("", "an unknown file system")
    try:
        with open("/proc/self/mounts", encoding="utf-8") as file:
            for line in file:
                _, place, kind, *_ = line.split(" ")
                if os.path.realpath(folder).startswith(place) and len(place) >= len(found[0]):
                    found = (place, kind)
    except OSError:
        pass
    return found[1]
