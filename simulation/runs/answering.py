"""Who computes the answers of one society that is played in columns: this process, several, or a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from simulation.engine.batch.answering import Answering
from simulation.engine.batch.processes import ProcessWorker
from simulation.engine.batch.workers import Desk, LostWorkerError, SplitAnswering, packed, unpacked
from simulation.runs.engines import Engine, Workers


@contextmanager
def answering_of(workers: Workers) -> Iterator[Answering | None]:
    """Give who computes answers for the block; None is this process. Workers start when a society is large enough."""
    if workers.engine is Engine.RAY:
        from simulation.runs.ray_cluster import cluster_of

        with cluster_of(workers.jobs) as ray, closing(SplitAnswering(lambda: RayWorker(ray), workers.jobs)) as split:
            yield split
    elif workers.jobs == 1:
        yield None
    else:
        with closing(SplitAnswering(ProcessWorker, workers.jobs)) as split:
            yield split


class RayWorker:
    """An `AnswerWorker` that is an actor of a Ray cluster.

    Args:
        ray: The package, with a cluster.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        # Ray would start a lost actor again without what it was given; it is replaced as on one machine
        self._actor = ray.remote(num_cpus=1, max_restarts=0)(RayDesk).remote()
        self._last: Any = None

    def submit(self, order: bytes) -> None:
        """Send an order, as `AnswerWorker.submit`."""
        self._last = self._actor.carry_out.remote(order)

    def result(self) -> object:
        """Wait for the answer to the last question, as `AnswerWorker.result`."""
        try:
            return unpacked(self._ray.get(self._last))
        except self._ray.exceptions.RayError as error:
            raise LostWorkerError(str(error)) from error

    def end(self) -> None:
        """End the actor."""
        self._ray.kill(self._actor)


class RayDesk:
    """The desk of an actor."""

    def __init__(self) -> None:
        self._desk = Desk()

    def carry_out(self, order: bytes) -> bytes:
        """Carry out an order, as `Desk.carry_out`."""
        return packed(self._desk.carry_out(order))

    def pid(self) -> int:
        """Return the number of the actor's process."""
        import os

        return os.getpid()
