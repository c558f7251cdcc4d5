"""Runs played in processes of their own. OASIS keeps module globals, so each process plays one society at a time.

Two engines play the same works. LOCAL forks processes from a server that has imported OASIS (where the system can; else
each process imports it), so that one more process needs little memory. RAY uses a cluster's workers, which must share
the file system. A worker that dies loses nothing: what it played is in its event log, and the next worker finishes its
work. Local workers end with the process that started them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from simulation.runs.engines import Engine, Workers
from simulation.runs.local_workers import LocalCrew
from simulation.runs.work import AnyWork


class Crew(Protocol):
    """Workers that are there for a block."""

    def play(self, works: Sequence[AnyWork]) -> Iterator[AnyWork]:
        """Yield each work as it is finished. Raises as `play_all` does."""


class Alone:
    """Plays works in this process, one after the other."""

    def play(self, works: Sequence[AnyWork]) -> Iterator[AnyWork]:
        """Yield each work as it is finished."""
        for work in works:
            work.play()
            yield work


@contextmanager
def crew_of(workers: Workers) -> Iterator[Crew]:
    """Give workers that stay for the block, with what they have loaded. One local job is played here."""
    if workers.engine is Engine.RAY:
        from simulation.runs.ray_workers import RayCrew

        with RayCrew(workers.jobs) as cluster:
            yield cluster
    elif workers.jobs == 1:
        yield Alone()
    else:
        with LocalCrew(workers.jobs) as processes:
            yield processes


def play_all(works: Sequence[AnyWork], jobs: int, engine: Engine = Engine.LOCAL) -> Iterator[AnyWork]:
    """Play works, `jobs` at a time, and yield each as it is finished, in any order. One local job is played here.

    Raises:
        RunStoppedError: The first work that stopped.
        SocietyError: Workers keep dying. What others have played until then is kept.
    """
    few = jobs if engine is Engine.RAY or jobs == 1 else max(1, min(jobs, len(works)))
    with crew_of(Workers(few, engine)) as crew:
        yield from crew.play(works)
