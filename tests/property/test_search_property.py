"""Both engines tell the same of any text; nothing that is read can make a search fail or grow."""

from __future__ import annotations

import base64
import gzip
import random
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import shaped_keys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keyvault.audit.leaks import searching, views
from keyvault.audit.leaks.pieces import OwnKey, Piece, Plan
from keyvault.audit.leaks.searching import Search
from keyvault.core.secret import Secret
from keyvault.providers import catalogue

KEYS = [(vendor, pattern) for vendor in catalogue.our_own() for pattern in vendor.patterns]
OWN = ("own-Value/with+odd chars", "密钥 key ünder", 'quo"te\\and more')
_made: dict[str, Search] = {}
steady = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(autouse=True, scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder: Path = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        own = tuple(OwnKey(f"own/{n}", "own", Secret(value), True) for n, value in enumerate(OWN))
        for name in ("hyperscan", "plain"):
            _made[name] = searching.searcher(Plan(own, b"k" * 32, name, str(folder / "cache")))
        yield


WORDS = (
    'key token secret = : " \' \\n \\" \\u003d %3D bearer value hash sha256- / // + _ - . .. mistral deepseek api_key= AWS'
    " \n \r\n \t , ; { } [ ] sk- ghp_ eyJ AKIA xoxb- https:// @ # == keyvault:ignore \x00 é 密"
).split(" ")


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Text with keys, parts of keys and much that is near them, perhaps wrapped."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    parts: list[bytes] = []
    for _ in range(draw(st.integers(1, 8))):
        vendor, pattern = chance.choice(KEYS)
        value = chance.choice([shaped_keys.key(pattern, chance), chance.choice(OWN)])
        name = shaped_keys.variable(vendor, pattern)
        part = chance.choice(list(shaped_keys.PLACES.values()))(name, value) if chance.random() < 0.5 else value.encode()
        if chance.random() < 0.3:
            part = part[chance.randrange(len(part)) :] if chance.random() < 0.5 else part[: chance.randrange(len(part))]
        parts += [part, *(chance.choice(WORDS).encode() for _ in range(chance.randrange(5)))]
    data = b"".join(parts)
    for _ in range(chance.randrange(3)):
        wrap = chance.choice([gzip.compress, base64.b64encode, base64.encodebytes, base64.urlsafe_b64encode, wide])
        data = chance.choice([b"", b"x: ", b"\n"]) + wrap(data) + chance.choice([b"", b"\n", b'"'])
    return data


def wide(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode(random.Random(len(data)).choice(["utf-16", "utf-16-le", "utf-16-be"]))


@steady
@given(texts())
def test_both_engines_tell_the_same(data: bytes) -> None:
    fast, slow = (_made[name].search(Piece(data, "file")) for name in ("hyperscan", "plain"))
    assert fast == slow


@steady
@given(st.binary(max_size=3000), st.integers(0, 2999), st.integers(0, 3))
def test_nothing_that_is_read_makes_a_search_fail(data: bytes, place: int, quarter: int) -> None:
    for prefix in (b"", b"\x1f\x8b\x08\x00", b"\xff\xfe", gzip.compress(b"x" * 50)[:-9]):
        _made["hyperscan"].search(Piece(prefix + data, "file"))
    views.wide(data)
    if place < len(data) and (run := views.run_around(data, place)):
        view = views.decoded(data, run, run.phase(place, quarter))
        assert all(0 <= view.place(offset) <= len(data) for offset in range(len(view.data)))


@steady
@given(st.text(alphabet="abcXYZ019+/_-\\nr \n\r", max_size=300))
def test_a_run_of_base64_is_found_from_any_place_in_it(text: str) -> None:
    data = text.encode()
    for start, end in views.solid_runs(data):
        run = views.run_around(data, end - 1)
        assert run is not None
        assert run.holds(end - 1)
        assert list(run.parts) == sorted(run.parts)
        assert start <= run.parts[-1][1]


def test_a_gzip_bomb_takes_little_memory() -> None:
    machine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(machine.compress(b"\0" * (1 << 20)) for _ in range(1024)) + machine.flush()
    assert len(bomb) < 2 << 20
    search = _made["hyperscan"]
    tracemalloc.start()
    try:
        search.search(Piece(bomb, "bomb.gz"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 << 20
    assert search.skipped.pop().path == "bomb.gz"
