"""Whatever keys there are and however they are named, no value of a key marked `confirm` comes out unasked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from vaults import VaultHome, add_key

from keyvault.core.errors import InvalidInput
from keyvault.environment.project import Entry
from keyvault.environment.resolve import resolve
from keyvault.environment.selection import Selection
from keyvault.vault import changes
from keyvault.vault.keys import ApiKey

REFS = ["openai/default", "openai/work", "groq/default", "groq/other", "mistral/one"]
KEYS = st.dictionaries(st.sampled_from(REFS), st.tuples(st.booleans(), st.booleans()), min_size=1)


@settings(max_examples=40)
@given(marks=KEYS, data=st.data())
def test_only_keys_that_were_agreed_to_come_out_and_each_is_asked_once(
    marks: dict[str, tuple[bool, bool]], data: st.DataObject
) -> None:
    refs = tuple(data.draw(st.lists(st.sampled_from(sorted(marks)), unique=True)))
    as_project = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        vault = VaultHome(folder).create()
        for ref, (auto, confirm) in marks.items():
            add_key(vault, ref, f"value of {ref}", ref.upper().replace("/", "_"))
            with vault.transaction("edit") as tx:
                changes.edit(tx, ref, {"auto": auto, "confirm": confirm}, 1)
        entries = tuple(Entry(ref.upper().replace("/", "_"), ref, "", True) for ref in refs)
        selection = Selection((), entries) if as_project else Selection(refs)
        asked: list[str] = []

        def approve(keys: Sequence[ApiKey]) -> None:
            asked.extend(key.ref for key in keys)

        try:
            given_out = {value.removeprefix("value of ") for _, value in resolve(vault, selection, approve).variables}
            unasked = {value.removeprefix("value of ") for _, value in resolve(vault, selection, None).variables}
        except InvalidInput:
            return
        finally:
            vault.store.close()
    marked = {ref for ref, (_, confirm) in marks.items() if confirm}
    assert sorted(asked) == sorted(given_out & marked)
    assert unasked == given_out - marked
    if refs or as_project:
        assert given_out == set(refs)
    else:
        assert not given_out & marked
