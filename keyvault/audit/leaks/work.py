"""Deals tasks out to those who search: to an executor that is handed in, to processes of its own, or to nobody but itself.

Only `Executor.submit` is used, with a module level function and arguments that pickle, so executors of clusters fit. What is
sought goes to the workers in memory, with each task; each worker makes its searcher once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from keyvault.audit.leaks.pieces import Plan, Searcher
from keyvault.audit.leaks.reading import Done
from keyvault.core.errors import KeyvaultError

if TYPE_CHECKING:  # a hook before a commit waits for what is imported here
    from concurrent.futures import Executor, Future
    from multiprocessing.process import BaseProcess

ALONE = 12 << 20  # bytes: below it, starting processes takes longer than they save
_MOST_WORKERS = 16
_IN_FLIGHT = 3  # tasks for each worker: enough to keep it busy, few enough to stop at once
_BETWEEN_TELLING = 0.1
_MOST_DEATHS = 10
DIED = "the process that searched it died"

Make = Callable[[Plan], Searcher]


class Task(Protocol):
    """A part of the work. It pickles."""

    @property
    def size(self) -> int:
        """Bytes, for the progress."""
        ...

    @property
    def title(self) -> str:
        """What to call it, should it fail."""
        ...

    def __call__(self, searcher: Searcher) -> Done:
        """Do it."""
        ...


class Progress(NamedTuple):
    """How far a search is, in bytes; `total` is 0 until it is known. `what`: a few words. `rate`: bytes a second."""

    done: int
    total: int
    what: str
    rate: float = 0.0


class Order(NamedTuple):
    """What goes with each task. `token` tells the searches of one worker apart."""

    token: bytes
    make: Make
    plan: Plan


_own = threading.local()  # of each thread: the searcher that it made last, and for which order


def do(order: Order, task: Task) -> Done:
    """One task, in whichever process or thread this is."""
    _get_ready(order)
    done: Done = task(_own.searcher)
    cut_short = getattr(_own.searcher, "skipped", None)
    if cut_short:
        done = done._replace(notes=done.notes + tuple((one.why, one.path, 1) for one in cut_short))
        cut_short.clear()
    return done


def _get_ready(order: Order) -> None:
    if getattr(_own, "token", None) != order.token:
        _own.searcher, _own.token = order.make(order.plan), order.token


def _prepare() -> None:
    """The first thing in a process of ours: keep the plan to itself, leave Ctrl-C to the parent, end when it has."""
    import multiprocessing
    import signal
    from multiprocessing.connection import wait as wait_for

    from keyvault.core.harden import harden_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    harden_process()
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent:
            wait_for([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keeps Ctrl-C from processes that start meanwhile: they inherit what is blocked."""
    import signal

    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cores() -> int:
    """How many processes are worth having here."""
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, _MOST_WORKERS)


class Crew:
    """Does tasks. A context manager: processes of its own are gone afterwards, however it ended."""

    def __init__(
        self, make: Make, plan: Plan, executor: Executor | None, workers: int | None, progress: Callable[[Progress], None]
    ) -> None:
        self._order = Order(os.urandom(16), make, plan)
        self._executor = executor
        self.workers = max(workers if workers is not None else cores(), 1)
        self._progress = progress
        self._pool: Executor | None = None
        self._processes: list[BaseProcess] = []
        self._before: set[int | None] = set()
        self._deaths = 0
        self._began = self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._dismiss(at_once=kind is not None)
        _own.__dict__.clear()

    def run(self, tasks: Iterable[Task], what: str) -> Iterator[tuple[Task, Done]]:
        """Do them all, in any order; each task and its result as soon as it is there. Raises KeyvaultError."""
        self._began, self._told = time.monotonic(), 0.0
        coming = iter(tasks)
        at_hand: deque[Task] = deque()
        size = 0
        if self._executor is None and self._pool is None:
            for task in coming:
                at_hand.append(task)
                size += task.size
                if size > ALONE and self.workers > 1:
                    break
            else:
                yield from self._alone(at_hand, size, what)
                return
        yield from self._together(at_hand, coming, size, what)

    def _alone(self, tasks: deque[Task], total: int, what: str) -> Iterator[tuple[Task, Done]]:
        done = 0
        for task in tasks:
            yield task, do(self._order, task)
            done += task.size
            self._tell(done, total, what)
        self._tell(done, total, what, last=True)

    def _together(self, at_hand: deque[Task], coming: Iterator[Task], size: int, what: str) -> Iterator[tuple[Task, Done]]:
        """Lists on while others search, so that the total is known early."""
        flying: dict[Future[Done], Task] = {}
        try:
            yield from self._until_done(flying, at_hand, coming, size, what)
        finally:
            if self._executor is not None:
                for future in flying:
                    future.cancel()

    def _until_done(
        self, flying: dict[Future[Done], Task], at_hand: deque[Task], coming: Iterator[Task], size: int, what: str
    ) -> Iterator[tuple[Task, Done]]:
        from concurrent.futures import FIRST_COMPLETED, wait

        done, listing = 0, True
        most = self.workers * _IN_FLIGHT
        while listing or at_hand or flying:
            while at_hand and len(flying) < most:
                task = at_hand.popleft()
                flying[self._submit(task)] = task
            if listing:
                next_one = next(coming, None)
                listing = next_one is not None
                if next_one:
                    at_hand.append(next_one)
                    size += next_one.size
            free = len(flying) < most and (listing or at_hand)
            finished = wait(flying, timeout=0 if listing or free else _BETWEEN_TELLING, return_when=FIRST_COMPLETED).done
            for future, task in [(future, flying.pop(future)) for future in finished]:
                for one, result in self._result(future, task, flying):
                    yield one, result
                    done += one.size
            self._tell(done, 0 if listing else size, what)
        self._tell(done, size, what, last=True)

    def _result(self, future: Future[Done], task: Task, flying: dict[Future[Done], Task]) -> Iterator[tuple[Task, Done]]:
        from concurrent.futures import BrokenExecutor

        try:
            result = future.result()
        except BrokenExecutor as exc:
            if self._executor is not None:
                raise KeyvaultError("a worker of the executor died", "look at its own log") from exc
            lost = [task, *flying.values()]
            flying.clear()
            yield from self._one_by_one(lost)
            return
        yield task, result

    def _one_by_one(self, lost: list[Task]) -> Iterator[tuple[Task, Done]]:
        """A process died, and which task was at fault nobody knows: each again, with nothing beside it."""
        from concurrent.futures import BrokenExecutor

        self._dismiss(at_once=True)
        for task in lost:
            try:
                yield task, self._submit(task).result()
            except BrokenExecutor as exc:
                self._dismiss(at_once=True)
                self._deaths += 1
                if self._deaths > _MOST_DEATHS:
                    raise KeyvaultError("the processes that search keep dying", "is there enough memory?") from exc
                yield task, Done(notes=((DIED, task.title, 1),))

    def _submit(self, task: Task) -> Future[Done]:
        if self._executor is not None:
            return self._executor.submit(do, self._order, task)
        if self._pool is None:
            self._pool = self._recruit()
        from concurrent.futures import BrokenExecutor, Future

        try:
            with _no_interrupt():
                future = self._pool.submit(do, self._order, task)
        except BrokenExecutor as exc:
            future = Future()
            future.set_exception(exc)
        return future

    def _recruit(self) -> Executor:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        # A fork takes over the locks of other threads as they are, so it is only for a process without any. It is faster,
        # and what is sought does not pass through a pipe.
        forks = sys.platform == "linux" and threading.active_count() == 1
        if forks:
            _get_ready(self._order)  # once for all: they inherit it
        context = multiprocessing.get_context("fork" if forks else "spawn")
        self._before = {process.pid for process in multiprocessing.active_children()}
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=_prepare)

    def _dismiss(self, *, at_once: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        import multiprocessing

        if at_once:
            for process in multiprocessing.active_children():
                if process.pid not in self._before:
                    process.kill()
        pool.shutdown(wait=True, cancel_futures=True)

    def _tell(self, done: int, total: int, what: str, *, last: bool = False) -> None:
        now = time.monotonic()
        if last or now - self._told >= _BETWEEN_TELLING:
            self._told = now
            self._progress(Progress(done, total, what, done / max(now - self._began, 1e-6)))
