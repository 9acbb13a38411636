from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repositories import Repo

from keyvault.audit.leaks import history
from keyvault.core import git


@given(st.data())
def test_each_comes_once_and_with_all_that_hangs_on_it_behind_it(data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 60))
    bases = array("i", [data.draw(st.integers(-1, number - 1)) for number in range(length)])
    order = list(history._behind_bases(bases))
    assert sorted(order) == list(range(length))
    place = {number: at for at, number in enumerate(order)}
    below = [{number} for number in range(length)]
    for number in range(length - 1, -1, -1):
        if bases[number] >= 0:
            below[bases[number]] |= below[number]
    for number, family in enumerate(below):
        places = sorted(place[one] for one in family)
        assert places == list(range(place[number], place[number] + len(family)))


@pytest.mark.parametrize("looked_back", [3, 100_000])
def test_each_object_of_a_repository_is_asked_for_once(
    tmp_path: Path, looked_back: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_LOOKED_BACK", looked_back)
    made = Repo(tmp_path)
    lines = [f"line {number} of a file that is long enough to be stored as a difference" for number in range(50)]
    for turn in range(12):
        lines[turn] = f"changed in turn {turn}"
        for name in ("one", "two"):
            made.write(name, "\n".join([name, *lines]))
        made.git("add", ".")
        made.git("commit", "-q", "-m", f"turn {turn}")
        if turn == 7:
            made.git("repack", "-q", "-a", "-d", "-f", "--depth=50")
    told = made.git("cat-file", "--batch-check=%(objectname) %(objecttype) %(deltabase)", "--batch-all-objects")
    objects = [line.split() for line in told.splitlines()]
    repo = git.repository(str(tmp_path))
    batches = list(history.Listing(repo, lambda _: False).batches(1))
    listed = [oid.hex() for batch in batches for oid in history._each(batch.ids, repo.id_size)]
    assert sorted(listed) == sorted(oid for oid, kind, _ in objects if kind != "tree")
    behind = [(base, oid) for oid, kind, base in objects if kind == "blob" and set(base) != {"0"}]
    assert len(behind) > 10
    if looked_back > len(listed):
        assert all(listed.index(base) < listed.index(oid) for base, oid in behind)
