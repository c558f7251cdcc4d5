"""Works played by processes of this machine, which end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from multiprocessing.connection import Connection

from simulation.runs.work import AnyWork, Deaths, Stop, attempt, check


class LocalCrew:
    """Worker processes that stay from one call of `play` to the next, with what they have imported and loaded.

    Args:
        jobs: How many there are at most.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._stack = ExitStack()

    def play(self, works: Sequence[AnyWork]) -> Iterator[AnyWork]:
        """Yield each work as it is finished; retry those of a worker that died. Raises as `play_all` does."""
        left, deaths = list(works), Deaths()
        while left:
            finished: set[AnyWork] = set()
            try:
                for work in self._play_once(left):
                    finished.add(work)
                    deaths.reset()
                    yield work
            except BrokenProcessPool:
                deaths.count()
            left = [work for work in left if work not in finished]

    def _play_once(self, works: Sequence[AnyWork]) -> Iterator[AnyWork]:
        pool = self._pool or self._begin()
        futures: dict[Future[Stop | None], AnyWork] = {pool.submit(attempt, work): work for work in works}
        try:
            for future in as_completed(futures):
                check(future.result())
                yield futures[future]
        except BaseException:
            self._end_at_once()
            raise

    def _begin(self) -> ProcessPoolExecutor:
        context = _context()
        ours, theirs = context.Pipe(duplex=False)
        self._stack.enter_context(ours)
        self._pool = self._stack.enter_context(ProcessPoolExecutor(self._jobs, context, _begin, (ours,)))
        self._stack.enter_context(theirs)
        return self._pool

    def _end_at_once(self) -> None:
        """Close the lifeline first: workers stop as those of a killed parent do."""
        self._pool = None
        self._stack.close()

    def __enter__(self) -> LocalCrew:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True)
        self._end_at_once()


def _context() -> multiprocessing.context.BaseContext:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulation.engine.society", "simulation.tables.run", "pyarrow.parquet", "pandas"])
    return context


def _begin(lifeline: Connection) -> None:
    """Prepare a worker: leave Ctrl-C to the parent, and end when the parent closes the lifeline."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except EOFError:
        os._exit(1)
