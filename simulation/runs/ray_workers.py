"""Works played by Ray: on the cluster that RAY_ADDRESS names, else on workers started here for the duration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from agents.problems import UsageError
from simulation.runs.work import AnyWork, Deaths, attempt, check

ADDRESS = "RAY_ADDRESS"
_STORE = 80 * 2**20  # bytes of shared memory: works and their results are tiny, and this is the least Ray accepts


def play_on_ray(works: Sequence[AnyWork], jobs: int) -> Iterator[AnyWork]:
    """Yield each work as it is finished. Raises as `play_all` does."""
    ray = _ray()
    waiting, deaths = list(reversed(works)), Deaths()
    running: dict[Any, AnyWork] = {}
    with _cluster(ray, jobs):
        # Ray would silently retry a lost work; we retry it and log it, as on one machine
        remote = ray.remote(num_cpus=1, max_retries=0)(attempt)
        while waiting or running:
            while waiting and len(running) < jobs:
                work = waiting.pop()
                running[remote.remote(work)] = work
            for done in ray.wait(list(running))[0]:
                work = running.pop(done)
                try:
                    stopped = ray.get(done)
                except (
                    ray.exceptions.WorkerCrashedError,
                    ray.exceptions.NodeDiedError,
                    ray.exceptions.OutOfMemoryError,
                ):
                    deaths.count()
                    waiting.append(work)
                    continue
                check(stopped)
                deaths.reset()
                yield work


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray needs Ray; install it with: pip install -e '.[ray]'") from error
    return ray


@contextmanager
def _cluster(ray: Any, jobs: int) -> Iterator[None]:
    """Join or start a cluster, unless the caller has one; leave or end it with the block."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if os.environ.get(ADDRESS):
        ray.init(**quiet)
    else:
        ray.init(num_cpus=jobs, object_store_memory=_STORE, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
