"""Works played by Ray: on the cluster that RAY_ADDRESS names, else on workers started here for the duration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from simulation.runs.ray_cluster import joined_cluster, ray_package
from simulation.runs.work import AnyWork, Deaths, attempt, check

_STORE = 80 * 2**20  # bytes of shared memory: works and their results are tiny, and this is the least Ray accepts


class RayCrew:
    """A cluster's workers, joined or started for the block.

    Args:
        jobs: Works at a time.
    """

    def __init__(self, jobs: int) -> None:
        self._ray, self._jobs = ray_package(), jobs
        self._stack = ExitStack()

    def play(self, works: Sequence[AnyWork]) -> Iterator[AnyWork]:
        """Yield each work as it is finished; retry those of a worker that died. Raises as `play_all` does."""
        ray, waiting, deaths = self._ray, list(reversed(works)), Deaths()
        running: dict[Any, AnyWork] = {}
        # Ray would silently retry a lost work; we retry it and log it, as on one machine
        remote = ray.remote(num_cpus=1, max_retries=0)(attempt)
        lost = (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError)
        while waiting or running:
            while waiting and len(running) < self._jobs:
                work = waiting.pop()
                running[remote.remote(work)] = work
            for done in ray.wait(list(running))[0]:
                work = running.pop(done)
                try:
                    stopped = ray.get(done)
                except lost:
                    deaths.count()
                    waiting.append(work)
                    continue
                check(stopped)
                deaths.reset()
                yield work

    def __enter__(self) -> RayCrew:
        self._stack.enter_context(joined_cluster(self._ray, self._jobs, _STORE))
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
