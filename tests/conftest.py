from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import ROOT
from hypothesis import Phase, settings
from internet import Internet

settings.register_profile("suite", deadline=None)  # on a shared machine, a slow example says nothing
# for scripts/mutate: that a test fails is enough to know, and it is to be the same each time
settings.register_profile(
    "mutation", deadline=None, database=None, derandomize=True, max_examples=30, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("suite")

TOOLS = os.path.join(ROOT, ".tools", "node_modules")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so it is for what a script starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
for also in (signal.SIGHUP, signal.SIGQUIT):  # and for what nohup starts
    if signal.getsignal(also) is signal.SIG_IGN:
        signal.signal(also, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="also run the long fault and fuzz tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--nightly"):
        return
    left_out = [item for item in items if item.get_closest_marker("nightly")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]


class Programs:
    """Real programs by name. One that is missing fails the test that wants it: a skipped test proves nothing."""

    node_modules = TOOLS

    def __getitem__(self, name: str) -> str:
        beside = os.path.join(TOOLS, ".bin", name)
        found = beside if os.access(beside, os.X_OK) else shutil.which(name)
        if not found:
            pytest.fail(f"the program {name} is missing; scripts/test installs it, or says how")
        return found


@pytest.fixture(scope="session")
def programs() -> Programs:
    return Programs()


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Internet]:
    """An internet of our own, in which nobody answers yet."""
    made = Internet(tmp_path)
    yield made
    made.close()
