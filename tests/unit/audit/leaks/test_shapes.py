"""Beginnings of expressions, and what they look like in base64."""

from __future__ import annotations

import base64
import random
import re

import pytest
import shaped_keys

from keyvault.audit.leaks import shapes
from keyvault.providers import catalogue

PATTERNS = [(vendor.id, pattern) for vendor in catalogue.our_own() for pattern in vendor.patterns]


@pytest.mark.parametrize(("vendor", "pattern"), PATTERNS)
def test_every_key_begins_with_one_of_its_shapes(vendor: str, pattern: object) -> None:
    chance = random.Random(vendor)
    begins = shapes.beginnings(pattern.regex)  # type: ignore[attr-defined]
    for _ in range(20):
        value = shaped_keys.key(pattern, chance).encode()  # type: ignore[arg-type]
        assert any(re.match(shapes.expression(shape).encode(), value) for shape in begins)


@pytest.mark.parametrize("lead", range(3))
def test_base64_of_a_shape_has_its_characters_at_the_right_place(lead: int) -> None:
    chance = random.Random(lead)
    for vendor in catalogue.our_own():
        for pattern in vendor.patterns:
            value = shaped_keys.key(pattern, chance).encode()
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                text = encode(chance.randbytes(lead) + value + b"...")
                for shape in shapes.beginnings(pattern.regex):
                    if not re.match(shapes.expression(shape).encode(), value):
                        continue
                    chars, place = shapes.in_base64(shape)[lead]
                    places = [m.start() % 4 for m in re.finditer(b"(?=" + shapes.expression(chars).encode() + b")", text)]
                    assert place in places


@pytest.mark.parametrize(
    ("regex", "texts"),
    [
        ("(?i)ab[c-e]x", ["aBDx", "ABcX"]),
        ("a?b{2,3}c", ["abbc", "bbbc"]),
        (r"\d\w\s[^a]", ["0_ b"]),
        ("(?:a|bc|d)e+f", ["aef", "bceeef"]),
        ("(?=a)ab$", ["ab"]),
        (".*x", ["x", "abcx"]),
    ],
)
def test_any_expression_of_ones_own_has_beginnings(regex: str, texts: list[str]) -> None:
    begins = shapes.beginnings(regex)
    for text in texts:
        assert re.fullmatch(regex, text)
        assert any(re.match(shapes.expression(shape), text, re.DOTALL) for shape in begins)
