from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from repositories import Repo
from small_searcher import cut_short, deadly, dumpable, key, slow, small

import keyvault
from keyvault.audit.leaks import work
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.run import Found, Where, leaks
from keyvault.audit.leaks.work import Make, Progress
from keyvault.core.errors import KeyvaultError

FILES = 60


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty megabytes with a key in each file, and the same in history."""
    folder = tmp_path_factory.mktemp("tree")
    repo = Repo(folder)
    for number in range(FILES):
        repo.write(f"{number:02}.txt", f"an ordinary line of {number}\n" * 14000 + key(number))
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "all")
    return folder


def search(tree: Path, executor: Executor | None = None, workers: int = 2, make: Make = small, **more: Any) -> Found:
    return leaks(Plan(), Where((str(tree),), history=True), executor=executor, workers=workers, make=make, **more)


def children() -> set[int]:
    """All processes below this one."""
    made = set()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == os.getpid():
                made.add(int(name))
    return made


def test_every_way_to_deal_the_work_out_gives_the_same_answer(tree: Path) -> None:
    alone = search(tree, workers=1)
    assert len(alone.leaks) == 2 * FILES
    assert search(tree) == alone
    with ThreadPoolExecutor(3) as threads:
        assert search(tree, threads) == alone
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        assert search(tree, processes) == alone


class OnlySubmit(Executor):
    """What a cluster's executor has at least: each task goes through pickle, and is done some time later."""

    def __init__(self) -> None:
        self.tasks = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As `Executor.submit`."""
        import pickle

        self.tasks += 1
        future: Future[Any] = Future()
        carried = pickle.dumps((fn, args, kwargs))

        def later() -> None:
            function, given, named = pickle.loads(carried)
            future.set_result(function(*given, **named))

        threading.Timer(0.01, later).start()
        return future


def test_an_executor_that_can_only_submit_is_enough(tree: Path) -> None:
    executor = OnlySubmit()
    assert search(tree, executor) == search(tree, workers=1)
    assert executor.tasks > 4


def test_processes_are_used_for_much_work_only_and_are_gone_afterwards(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = children()
    seen: list[int] = []

    def watch(_: Progress) -> None:
        seen.append(len(children() - before))

    search(tree, progress=watch)
    assert max(seen) >= 2
    assert children() == before
    seen.clear()
    leaks(Plan(), Where((str(tree / "01.txt"),)), make=small, workers=2, progress=watch)
    assert max(seen) == 0


def test_with_other_threads_about_processes_do_not_come_from_a_fork(tree: Path) -> None:
    done = threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        assert len(search(tree).leaks) == 2 * FILES
    finally:
        done.set()
        other.join()


def test_progress_comes_at_most_ten_times_a_second_and_ends_at_the_total(tree: Path) -> None:
    told: list[tuple[float, Progress]] = []
    search(tree, make=slow, progress=lambda one: told.append((time.monotonic(), one)))
    for what in ("files", "history"):
        some = [(at, one) for at, one in told if one.what == what]
        assert some[-1][1].done == some[-1][1].total > 0
        assert some[-1][1].rate > 0
        assert [one.done for _, one in some] == sorted(one.done for _, one in some)
        gaps = [later[0] - earlier[0] for earlier, later in pairwise(some[:-1])]
        assert all(gap > 0.09 for gap in gaps)


def test_a_process_that_dies_is_told_and_the_rest_is_searched(tree: Path, tmp_path: Path) -> None:
    for number in range(FILES):
        (tmp_path / f"{number:02}").write_bytes((tree / f"{number:02}.txt").read_bytes())
    (tmp_path / "30a").write_bytes(b"DIE HERE" + b" " * (5 << 20))
    found = leaks(Plan(), Where((str(tmp_path),)), make=deadly, workers=2)
    assert len(found.leaks) == FILES
    assert [one.why for one in found.skipped] == [work.DIED]
    assert found.skipped[0].path.endswith("30a")


def test_an_executor_whose_process_dies_is_an_error(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"DIE HERE")
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool,
        pytest.raises(KeyvaultError, match="worker"),
    ):
        leaks(Plan(), Where((str(tmp_path),)), make=deadly, executor=pool)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_searcher_did_not_look_at_is_said_once(tree: Path, workers: int) -> None:
    names = {f"{number:02}.txt" for number in range(8)}
    paths = tuple(str(tree / name) for name in names)
    found = leaks(Plan(), Where(paths), make=cut_short, workers=workers)
    assert [(os.path.basename(one.path), one.why) for one in found.skipped] == [
        (name, "packed too often") for name in sorted(names)
    ]


class Stop(Exception):
    """Somebody has seen enough."""


def test_an_error_in_the_middle_leaves_no_process(tree: Path) -> None:
    before = children()

    def stop(_: Progress) -> None:
        if len(children() - before) >= 2:
            raise Stop

    with pytest.raises(Stop):
        search(tree, progress=stop, make=slow)
    assert children() == before


_PROGRAM = """
import sys, threading
sys.path[:0] = [{tests!r}, {source!r}]
from small_searcher import slow
from keyvault.audit.leaks.pieces import Plan
from keyvault.audit.leaks.run import Where, leaks
if __name__ == "__main__":
    if {threads}: threading.Thread(target=threading.Event().wait, daemon=True).start()
    try:
        leaks(Plan(), Where(({tree!r},), history={history}, state={state!r}), make=slow, workers=2)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def in_session(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(name))
    return found


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("threads", [False, True])
@pytest.mark.parametrize(("number", "whole_group"), [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGKILL, False)])
def test_a_search_that_is_ended_leaves_nothing_behind(
    tree: Path, tmp_path: Path, number: int, whole_group: bool, history: bool, threads: bool
) -> None:
    program = tmp_path / "program.py"
    many = tmp_path / "many"
    many.mkdir()
    if not history:
        for copy in range(400):
            os.link(tree / f"{copy % FILES:02}.txt", many / str(copy))
    program.write_text(
        _PROGRAM.format(
            tests=os.path.dirname(sys.modules["small_searcher"].__file__ or ""),
            source=os.path.dirname(os.path.dirname(keyvault.__file__)),
            tree=str(tree if history else many),
            state=str(tmp_path / "state"),
            history=history,
            threads=threads,
        )
    )
    temporary, searchers = tmp_path / "tmp", tmp_path / "searchers"
    temporary.mkdir()
    searchers.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(program)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(temporary), "KV_SEARCHERS": str(searchers)},
    )
    # one that is still starting when its parent is gone may say so, for Python's own part of that is not ours
    deadline = time.monotonic() + 20
    while len(os.listdir(searchers)) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(os.listdir(searchers)) == 2
    assert len(in_session(process.pid)) >= 3
    if whole_group:
        os.killpg(process.pid, number)
    else:
        os.kill(process.pid, number)
    said = process.communicate(timeout=20)[0]
    code = process.returncode
    assert code == (130 if number == signal.SIGINT else -number)
    deadline = time.monotonic() + 5
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert in_session(process.pid) == []
    assert b"Traceback" not in said
    assert os.listdir(temporary) == []


def test_workers_keep_their_memory_to_themselves(tree: Path) -> None:
    """0: no core file, and no look into it by other processes of the same user (prctl(2), PR_GET_DUMPABLE)."""
    assert {leak.tail for leak in search(tree, make=dumpable).leaks} == {"0"}


def test_an_interrupted_search_of_history_goes_on_where_it_was(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    for number in range(24):
        repo.write(f"{number}", os.urandom(500_000).hex() + "\n" + key(number))
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "all")
    state = str(tmp_path / "state")
    where = Where((repo.folder,), history=True, state=state)

    def stop(told: Progress) -> None:
        if told.what == "history" and told.done > 16 << 20:
            raise Stop

    for number in range(24):  # nothing found: else all is searched again
        repo.write(f"{number}", os.urandom(500_000).hex())
    repo.git("add", ".")
    repo.git("commit", "-q", "-m", "no keys")
    with pytest.raises(Stop):
        leaks(Plan(), where, make=slow, workers=1, progress=stop)
    found = leaks(Plan(), where, make=small, workers=1)
    assert any("earlier run" in one.why for one in found.skipped)
    assert {leak.tail for leak in found.leaks if leak.source == "history"} == {f"{number:04}" for number in range(24)}
