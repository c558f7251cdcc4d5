"""Matches played in processes of their own, as OASIS keeps module globals: one society per process at a time.

Processes are forked from a server that has imported OASIS (where the system can; else each imports it), so that one
more costs little memory. A worker that dies takes nothing with it: what it had played is in its event log, and its
match is finished by the next. Workers end with the process that asked for them, however that ends.
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
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

from agents.problems import SocietyError
from simulation.runner import RunStoppedError
from simulation.tournament import Match, Tournament, place_of, play_match, read_tournament

notices = logging.getLogger("society.notice")
Stop = tuple[Path, str]
DEATHS = 3
"""How many pools in a row may break without a match finished."""


def play_all(folder: Path, tournament: Tournament, matches: Sequence[Match], jobs: int) -> Iterator[Match]:
    """Play matches, `jobs` at a time; yields each as it is finished, in any order.

    With one job they are played here. Raises RunStoppedError for the first match that stops, and SocietyError where
    workers do nothing but die; what others have played until then is kept.
    """
    if jobs == 1:
        for match in matches:
            play_match(folder, tournament, match)
            yield match
        return
    left, deaths = list(matches), 0
    while left:
        finished: list[Match] = []
        try:
            for match in _play_in_pool(folder, left, jobs):
                finished.append(match)
                yield match
        except BrokenProcessPool:
            deaths = 0 if finished else deaths + 1
            if deaths == DEATHS:
                raise SocietyError(f"{DEATHS} workers died one after the other without a match finished") from None
            notices.info("a worker died; the matches it and its like had in hand are taken up again")
        left = [match for match in left if match not in finished]


def _play_in_pool(folder: Path, matches: Sequence[Match], jobs: int) -> Iterator[Match]:
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    size = min(jobs, len(matches))
    # the lifeline is let go first, whatever the way out: workers stop at once, as those of a killed parent do
    with ours, ProcessPoolExecutor(size, context, _begin, (ours,)) as pool, theirs:
        futures: dict[Future[Stop | None], Match] = {pool.submit(_play, folder, match): match for match in matches}
        for future in as_completed(futures):
            stopped = future.result()
            if stopped is not None:
                raise RunStoppedError(*stopped)
            yield futures[future]
        pool.shutdown(wait=True)


def _context() -> multiprocessing.context.BaseContext:
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulation.platform", "simulation.outcomes", "pyarrow.parquet", "pandas"])
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


@cache
def _tournament(folder: Path) -> Tournament:
    return read_tournament(folder)


def _play(folder: Path, match: Match) -> Stop | None:
    """Play one match; where and why it stopped, if it did. An error itself would not survive the way back."""
    tournament = _tournament(folder)
    try:
        play_match(folder, tournament, match)
    except RunStoppedError as error:
        return error.path, error.cause
    except SocietyError as error:
        return place_of(folder, tournament, match), str(error)
    return None
