"""Keys made from every pattern of the catalogue are recognised, near misses are not, and generic ones stay open."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from re import _parser as parser  # type: ignore[attr-defined]

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from keyvault.providers import catalogue, identify
from keyvault.providers.schema import Pattern

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PATTERNS = [
    pytest.param(vendor.id, pattern, id=f"{vendor.id}-{number}")
    for vendor in catalogue.our_own()
    for number, pattern in enumerate(vendor.patterns)
]
OWN = [param for param in PATTERNS if not param.values[1].generic]  # type: ignore[union-attr]
few = settings(max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck), database=None, deadline=None)
many = settings(few, max_examples=100)


@pytest.fixture(autouse=True, scope="module")
def no_own_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


def checksum(text: str) -> str:
    """CRC-32 in six digits of base 62, from the published description; not keyvault's code."""
    number = binascii.crc32(text.encode("ascii"))
    digits = []
    for _ in range(6):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


def with_checksum(pattern: Pattern, value: str) -> str:
    if pattern.checksum != "crc32-base62":
        return value
    start = value.index("_") + 1
    return value[:-6] + checksum(value[start:-6])


def owners(value: str) -> set[str]:
    """The vendors that have a pattern of their own for it."""
    return {v.id for v in catalogue.our_own() if any(not p.generic and re.fullmatch(p.regex, value) for p in v.patterns)}


def keys_of(pattern: Pattern) -> st.SearchStrategy[str]:
    return st.from_regex(pattern.regex, fullmatch=True).map(lambda value: with_checksum(pattern, value))


def assert_recognised(vendor: str, pattern: Pattern, value: str) -> None:
    found = identify.candidates(value)
    ids = [candidate.provider.id for candidate in found]
    assert vendor in ids
    assert len(set(ids)) == len(ids), "at most one entry each"
    sure = owners(value)
    assert {c.provider.id for c in found if c.certain} == (sure if len(sure) == 1 else set())
    if not pattern.generic:
        both = {"google-gemini", "google-vertex"} if value.startswith("AQ.") else set()
        if value.startswith("sk-ws"):  # so may a key of 48 small letters begin
            both = {"alibaba-bailian"}
        assert sure == {vendor} | both
        assert not next(c for c in found if c.provider.id == vendor).pattern.generic
    certain = [c.certain for c in found]
    assert certain == sorted(certain, reverse=True), "the sure one first"
    generic = [c.pattern.generic for c in found]
    assert generic == sorted(generic), "then those with a shape of their own"
    owner = identify.owner_of(value)
    assert (owner.id if owner else None) == (next(iter(sure)) if len(sure) == 1 else None)


@pytest.mark.parametrize(("vendor", "pattern"), PATTERNS)
def test_a_key_of_that_shape_is_recognised(vendor: str, pattern: Pattern) -> None:
    @few
    @given(keys_of(pattern))
    def recognised(value: str) -> None:
        assert_recognised(vendor, pattern, value)

    recognised()


@pytest.mark.nightly
@pytest.mark.parametrize(("vendor", "pattern"), PATTERNS)
def test_many_keys_of_that_shape_are_recognised(vendor: str, pattern: Pattern) -> None:
    @many
    @given(keys_of(pattern))
    def recognised(value: str) -> None:
        assert_recognised(vendor, pattern, value)

    recognised()


def near_misses(pattern: Pattern, value: str, place: int) -> Iterator[tuple[str, str]]:
    least, most = parser.parse(pattern.regex).getwidth()
    place %= len(value)
    yield "a wrong character", value[:place] + "\u20ac" + value[place + 1 :]
    yield "a blank within", value[:place] + " " + value[place:]
    yield "a line end", value + "\n"
    yield "quotes", f'"{value}"'
    yield "the name before it", f"KEY={value}"
    if pattern.prefix:
        yield "prefix in the other case", value.replace(pattern.prefix, pattern.prefix.swapcase(), 1)
        yield "no prefix", value.removeprefix(pattern.prefix)
    if len(value) == least:
        yield "one less", value[:-1]
    if most < 500:
        yield "one more", value + "A" * (most - len(value) + 1)


@pytest.mark.parametrize(("vendor", "pattern"), OWN)
def test_a_near_miss_is_not_certain_for_that_vendor(vendor: str, pattern: Pattern) -> None:
    @few
    @given(keys_of(pattern), st.integers(0, 10_000))
    def refused(value: str, place: int) -> None:
        if "{" in pattern.regex[:3]:
            return  # a whole file, in which any character may stand
        for what, missed in near_misses(pattern, value, place):
            sure = [c.provider.id for c in identify.candidates(missed) if c.certain]
            assert vendor not in sure, (what, missed)

    refused()


@pytest.mark.parametrize(("vendor", "pattern"), [p for p in PATTERNS if p.values[1].checksum])  # type: ignore[union-attr]
def test_a_key_with_a_wrong_checksum_is_not_certain_and_says_so(vendor: str, pattern: Pattern) -> None:
    @few
    @given(keys_of(pattern), st.integers(0, 100), st.sampled_from(DIGITS))
    def told(value: str, place: int, digit: str) -> None:
        start = value.index("_") + 1
        at = start + place % (len(value) - start)
        changed = value[:at] + digit + value[at + 1 :]
        (found,) = [c for c in identify.candidates(changed) if c.provider.id == vendor]
        assert found.checksum_wrong == (changed != value)
        assert found.certain == (changed == value)

    told()


@few
@given(st.text(max_size=200))
def test_any_text_at_all_gets_an_answer(value: str) -> None:
    for candidate in identify.candidates(value):
        assert re.fullmatch(candidate.pattern.regex, value)


@few
@given(st.from_regex("sk-[0-9a-f]{32}", fullmatch=True))
def test_a_shape_that_several_vendors_share_stays_open(value: str) -> None:
    found = identify.candidates(value)
    assert {"deepseek", "alibaba-bailian", "baichuan"} <= {c.provider.id for c in found}
    assert not any(c.certain for c in found)
    assert identify.owner_of(value) is None
