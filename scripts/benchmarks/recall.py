"""`scripts/bench recall`: which planted keys of which vendors are found, and what else is taken for one."""

from __future__ import annotations

import glob
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter

import report

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_KEYS, _KEYS_QUICK = 40, 5
_MOST = 200_000_000  # bytes of other people's text
_KEY = b"r" * 32
_HEAD = """\
Made by `{command}`: {number} random keys of each of the catalogue's {kinds} kinds of secret keys, each planted in {places}
places. "Alone" is a kind whose shape belongs to its vendor, or begins like `sk-`; the others are told from any other text
only by what stands beside them, so bare they are not found. "Right vendor" is of those that were found."""
_TEXT = """\
The text of the Python packages installed beside the benchmark, with 20 own keys. The speed is that of one core, without
reading. `grep -E` of ten beginnings of keys over the same files, reading included, does {grep:.0f} MB/s."""


def measure(*, quick: bool, command: str) -> str:
    """Plant keys, search, and tell the figures in Markdown. Needs keyvault and hyperscan beside this Python."""
    sys.path[:0] = [_ROOT, os.path.join(_ROOT, "tests")]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = folder  # no vendor files of one's own
        number = _KEYS_QUICK if quick else _KEYS
        by_place, by_vendor, engines = _planted(number)
        return "\n\n".join(
            (
                _HEAD.format(command=command, number=number, places=len(by_place), **engines),
                report.table(("place", "alone", "with a name", "right vendor"), by_place),
                "Kinds that are not always found, by the places in which they were missed:",
                report.table(("kind", "found of planted", "missed in"), by_vendor) if by_vendor else "none.",
                _others(),
            )
        )


def _planted(number: int) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]], dict[str, int]]:
    import shaped_keys

    from keyvault.audit.leaks.pieces import Piece, Plan
    from keyvault.audit.leaks.rules import is_public, is_told_bare
    from keyvault.audit.leaks.searching import searcher
    from keyvault.crypto.primitives import hmac_sha256
    from keyvault.providers import catalogue

    search, chance = searcher(Plan((), _KEY)), random.Random(1)
    planted: Counter[tuple[str, bool]] = Counter()
    found: Counter[tuple[str, bool]] = Counter()
    right: Counter[str] = Counter()
    missed: dict[tuple[str, str], Counter[str]] = {}
    kinds = 0
    for vendor in catalogue.our_own():
        for pattern in vendor.patterns:
            if is_public(vendor, pattern):
                continue
            kinds += 1
            alone = is_told_bare(pattern)
            for value in (shaped_keys.key(pattern, chance) for _ in range(number)):
                wanted = hmac_sha256(_KEY, value.encode()).hex()[:16]
                for place, write in shaped_keys.PLACES.items():
                    leaks = search.search(Piece(write(shaped_keys.variable(vendor, pattern), value), "file"))
                    hit = [leak for leak in leaks if leak.fingerprint == wanted]
                    planted[place, alone] += 1
                    found[place, alone] += bool(hit)
                    right[place] += any(leak.provider == vendor.id for leak in hit)
                    if not hit and (alone or place != "bare"):
                        missed.setdefault((vendor.name, pattern.kind), Counter())[place] += 1
    by_place = [
        (
            f"`{place}`" if "=" in place else place,
            _share(found[place, True], planted[place, True]),
            _share(found[place, False], planted[place, False]),
            _share(right[place], found[place, True] + found[place, False]),
        )
        for place in shaped_keys.PLACES
    ]
    each = number * len(shaped_keys.PLACES)
    by_kind = [
        (f"{name}: {kind}", _share(each - places.total(), each), ", ".join(places))
        for (name, kind), places in sorted(missed.items(), key=lambda item: -item[1].total())
    ]
    return by_place, by_kind, {"kinds": kinds}


def _others() -> str:
    """Text in which there should be none: installed packages and the standard library."""
    from keyvault.audit.leaks.pieces import OwnKey, Piece, Plan
    from keyvault.audit.leaks.searching import searcher
    from keyvault.core.secret import Secret

    texts, size = [], 0
    for path in sorted(glob.glob(os.path.join(sys.prefix, "lib", "**", "*"), recursive=True)):
        if size < _MOST and os.path.isfile(path) and not os.path.islink(path):
            with open(path, "rb") as file:
                data = file.read()
            if b"\0" not in data[:8192]:
                texts.append((path, data))
                size += len(data)
    own = tuple(OwnKey(f"own/{n}", "own", Secret(f"sk-{random.Random(n).randbytes(24).hex()}"), True) for n in range(20))
    rows = []
    for engine, share in (("hyperscan", 1.0), ("plain", 0.05)):
        search = searcher(Plan(own, _KEY, engine))
        part = texts[: max(1, int(len(texts) * share))]
        start = time.process_time()
        leaks = [leak for path, data in part for leak in search.search(Piece(data, path))]
        took, searched = time.process_time() - start, sum(len(data) for _, data in part)
        speed = searched / took / 1e6
        rows.append((engine, str(len(part)), f"{searched / 1e6:.0f} MB", str(len(leaks)), f"{speed:.0f} MB/s"))
    grep = _grep([path for path, _ in texts])
    return _TEXT.format(grep=size / grep / 1e6) + "\n\n" + report.table(("engine", "files", "text", "findings", "speed"), rows)


def _grep(paths: list[str]) -> float:
    """Processor seconds of something that everybody has, for comparison."""
    before = os.times()
    pattern = "sk-[A-Za-z0-9]{32}|ghp_|gho_|AKIA|AIza|hf_[A-Za-z]{30}|gsk_|xoxb-|r8_|glpat-"
    for start in range(0, len(paths), 2000):
        subprocess.run(["grep", "-lE", pattern, "--", *paths[start : start + 2000]], stdout=subprocess.DEVNULL, check=False)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _share(found: int, planted: int) -> str:
    return f"{100 * found / planted:.1f} %" if planted else "-"
