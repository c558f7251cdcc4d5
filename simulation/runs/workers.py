"""Runs played in processes of their own, as OASIS keeps module globals: one society per process at a time.

Two engines carry out the same works. LOCAL forks processes from a server that has imported OASIS (where the system can;
else each imports it), so that one more costs little memory; RAY has a cluster's workers, which must share the file
system. A worker that dies takes nothing with it: what it had played is in its event log, and its work is finished by
the next. Local workers end with the process that asked for them, however that ends.
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
            for work in play_in_pool(left, jobs):
                finished.add(work)
                deaths.reset()
                yield work
        except BrokenProcessPool:
            deaths.count()
        left = [work for work in left if work not in finished]
