"""A Ray cluster: the one that RAY_ADDRESS names, or one that is started here for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agents.problems import UsageError

ADDRESS = "RAY_ADDRESS"
_STORE = 400 * 2**20
"""Bytes of shared memory for the messages of a society: a million players' state and cast."""


def ray_package() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("--engine ray needs Ray; install it with: pip install -e '.[ray]'") from error
    return ray


@contextmanager
def cluster_of(jobs: int) -> Iterator[Any]:
    """Give Ray's package with a cluster, for the messages of a society: joined, or started here for the block."""
    ray = ray_package()
    with joined_cluster(ray, jobs, _STORE):
        yield ray


@contextmanager
def joined_cluster(ray: Any, jobs: int, store: int) -> Iterator[None]:
    """Join or start a cluster, unless the caller has one; leave or end it with the block."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if os.environ.get(ADDRESS):
        ray.init(**quiet)
    else:
        ray.init("local", num_cpus=jobs, object_store_memory=store, include_dashboard=False, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
