from __future__ import annotations

import errno
import os

import pytest
from faults.forks import COUNT, ONCE, Fault, Forks
from vaults import VaultHome, add_key

from keyvault.store.sqlite import open_store


@pytest.mark.parametrize("name", ["EPERM", "EACCES", "ENOTSUP", "ENOSYS"])
def test_a_backup_goes_to_a_file_system_that_has_no_links(home: VaultHome, forks: Forks, name: str) -> None:
    add_key(home.create(), "openai/default", "sk-1")
    calls = forks.run(home, "backup", home.folder + "/one", fault=COUNT).calls
    (at,) = [call.number for call in calls if call.call == "link"]
    done = forks.run(home, "backup", home.folder + "/two", fault=Fault(name, ONCE, getattr(errno, name)), at=at)
    assert (done.code, [call.call for call in done.calls]) == (0, ["link"]), done.told
    one, two = open_store(home.folder + "/one"), open_store(home.folder + "/two")
    assert (one.head(), one.ids()) == (two.head(), two.ids())
    assert not [left for left in os.listdir(home.folder) if left.endswith(".new")]
