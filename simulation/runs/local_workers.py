"""Works played by processes of this machine, which end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing.connection import Connection

from simulation.runs.work import AnyWork, Stop, attempt, check


def play_in_pool(works: Sequence[AnyWork], jobs: int) -> Iterator[AnyWork]:
    """Play works, `jobs` at a time; yield each as it is finished.

    Raises:
        BrokenProcessPool: A worker process died.
        RunStoppedError: A work stopped.
    """
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    size = min(jobs, len(works))
    # the lifeline is closed first on every way out: workers stop at once, as those of a killed parent do
    with ours, ProcessPoolExecutor(size, context, _begin, (ours,)) as pool, theirs:
        futures: dict[Future[Stop | None], AnyWork] = {pool.submit(attempt, work): work for work in works}
        for future in as_completed(futures):
            check(future.result())
            yield futures[future]
        pool.shutdown(wait=True)


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
