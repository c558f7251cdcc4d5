"""Runs played in processes of their own, as OASIS keeps module globals: one society per process at a time.

Two engines carry out the same works. LOCAL forks processes from a server that has imported OASIS (where the system can;
else each imports it), so that one more costs little memory; RAY has a cluster's workers, which must share the file
system. A worker that dies takes nothing with it: what it had played is in its event log, and its work is finished by
the next. Local workers end with the process that asked for them, however that ends.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, TypeVar

from agents.problems import SocietyError
from simulation.runs.runner import RunStoppedError

notices = logging.getLogger("society.notice")
Stop = tuple[Path, str]
DEATHS = 3
"""How many workers (locally: pools) in a row may die without a work finished."""


class Engine(str, Enum):
    LOCAL = "local"
    RAY = "ray"


class Work(Protocol):
    """One run to be played: small, hashable, and the same in another process."""

    @property
    def place(self) -> Path:
        """The folder its run lies in."""

    def play(self) -> object:
        """Play it, finish it or find it finished. Raises RunStoppedError."""


AnyWork = TypeVar("AnyWork", bound=Work)


def play_all(works: Sequence[AnyWork], jobs: int, engine: Engine = Engine.LOCAL) -> Iterator[AnyWork]:
    """Play works, `jobs` at a time; yields each as it is finished, in any order.

    With one local job they are played here. Raises RunStoppedError for the first work that stops, and SocietyError
    where workers do nothing but die; what others have played until then is kept.
    """
    if engine is Engine.LOCAL and jobs == 1:
        for work in works:
            work.play()
            yield work
        return
    if engine is Engine.RAY:
        from simulation.runs.ray_workers import play_on_ray

        yield from play_on_ray(works, jobs)
        return
    left, deaths = list(works), Deaths()
    while left:
        finished: set[AnyWork] = set()
        try:
            for work in _play_in_pool(left, jobs):
                finished.add(work)
                deaths.reset()
                yield work
        except BrokenProcessPool:
            deaths.count()
        left = [work for work in left if work not in finished]


class Deaths:
    """Counts what was lost since a work was last finished, and gives up where that is too much."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def reset(self) -> None:
        self._in_a_row = 0

    def count(self) -> None:
        """Note that a worker died; its work is to be taken up again. Raises SocietyError for one too many."""
        self._in_a_row += 1
        if self._in_a_row == DEATHS:
            raise SocietyError(f"{DEATHS} workers died one after the other without a run finished")
        notices.info("a worker died; what it had in hand is taken up again")


def _play_in_pool(works: Sequence[AnyWork], jobs: int) -> Iterator[AnyWork]:
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    size = min(jobs, len(works))
    # the lifeline is let go first, whatever the way out: workers stop at once, as those of a killed parent do
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
    """A worker's first act: leave Ctrl-C to the parent, and end when the parent lets go of the lifeline."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()


def _end_with_parent(lifeline: Connection) -> None:
    try:
        lifeline.recv()
    except EOFError:
        os._exit(1)


def attempt(work: Work) -> Stop | None:
    """Play a work; where and why it stopped, if it did. An error itself would not survive the way back."""
    try:
        work.play()
    except RunStoppedError as error:
        return error.path, error.cause
    except SocietyError as error:
        return work.place, str(error)
    return None


def check(stopped: Stop | None) -> None:
    """Raises RunStoppedError for a work that stopped."""
    if stopped is not None:
        raise RunStoppedError(*stopped)
