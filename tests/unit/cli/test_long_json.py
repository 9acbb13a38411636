"""A list that is printed in parts is the same document as one that is printed whole."""

from __future__ import annotations

from typing import Any

import pytest

from keyvault.cli import render


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 512, 513])
def test_a_long_list_is_printed_as_json_out_prints_it(count: int, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    items: list[dict[str, Any]] = [{"n": n, "texts": ["a\nb\x7f\u202e", ""], "none": {}} for n in range(count)]
    render.json_out({"keys": items})
    whole = capfdbinary.readouterr().out
    render.json_list_out("keys", iter(items))
    assert capfdbinary.readouterr().out == whole
