"""Runs played in processes of their own. OASIS keeps module globals, so each process plays one society at a time.

Two engines play the same works. LOCAL forks processes from a server that has imported OASIS (where the system can; else
each process imports it), so that one more process needs little memory. RAY uses a cluster's workers, which must share
the file system. A worker that dies loses nothing: what it played is in its event log, and the next worker finishes its
work. Local workers end with the process that started them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from enum import Enum

from simulation.runs.local_workers import play_in_pool
from simulation.runs.work import AnyWork, Deaths


class Engine(str, Enum):
    LOCAL = "local"
    RAY = "ray"


def play_all(works: Sequence[AnyWork], jobs: int, engine: Engine = Engine.LOCAL) -> Iterator[AnyWork]:
    """Play works, `jobs` at a time, and yield each as it is finished, in any order. One local job is played here.

    Raises:
        RunStoppedError: The first work that stopped.
        SocietyError: Workers keep dying. What others have played until then is kept.
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
            for work in play_in_pool(left, jobs):
                finished.add(work)
                deaths.reset()
                yield work
        except BrokenProcessPool:
            deaths.count()
        left = [work for work in left if work not in finished]
