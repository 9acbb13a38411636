"""A large file is searched by windows: whatever it holds, the answer is that of one look at the whole."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from small_searcher import Small, key

from keyvault.audit.leaks import reading
from keyvault.audit.leaks.pieces import Piece

_PARTS = st.one_of(
    st.integers(0, 50).map(lambda number: key(number).encode()),
    st.integers(0, 400).map(lambda count: b"." * count),
    st.sampled_from([b"\n", b" ", b"\r\n", b'"', "ü€𝄞".encode(), b"\n\n\n", b"=", b"a_word_"]),
)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW", 300)
    monkeypatch.setattr(reading, "OVERLAP", 100)


class InCharacters(Small):
    """Columns in characters, as a searcher tells them."""

    def search(self, piece: Piece) -> list[reading.Leak]:
        """As above."""
        found = []
        for leak in super().search(piece):
            line = piece.data.split(b"\n")[leak.line - piece.first_line]
            found.append(leak._replace(column=len(line[: leak.column - 1].decode("utf-8", "replace")) + 1))
        return found


@example(parts=[key(0).encode(), b"." * 161, "ü€𝄞".encode(), *([key(0).encode()] * 4)], short_reads=1)
@given(parts=st.lists(_PARTS, max_size=30), short_reads=st.integers(1, 400))
def test_windows_find_what_one_look_finds(parts: list[bytes], short_reads: int) -> None:
    data = b"x" + b" ".join(parts)  # never the beginning of a compressed file
    stream = io.BytesIO(data)
    piece = Piece(b"", "name")
    found, why = reading.search_through(InCharacters(), lambda most: stream.read(min(most, short_reads)), len(data), piece)
    assert why == ""
    assert sorted(found) == sorted(InCharacters().search(piece._replace(data=data)))
