"""How torch uses the processor beside other work: threads that wait do not spin, and there is one thread per core.

An OpenMP thread that waits for the others spins by default: on a busy machine, an episode of the embedded tier takes
several times the processor time that it needs.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock

PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
_one_at_a_time = RLock()
THREADS_VARIABLE = "OMP_NUM_THREADS"


@contextmanager
def passive_waiting() -> Iterator[None]:
    """Use around the first import of torch: its threads then sleep while they wait.

    The OpenMP library reads the variables as it is loaded. They are removed afterwards, because a vLLM server that this
    process starts should not have them. Nothing is set if torch is loaded already, or if the user set one of them.
    One thread at a time: others wait here, also while OASIS is imported, which sees a stand-in for torch.
    """
    with _one_at_a_time:
        if "torch" in sys.modules or PASSIVE.keys() & os.environ.keys():
            yield
            return
        os.environ.update(PASSIVE)
        try:
            yield
        finally:
            for name in PASSIVE:
                os.environ.pop(name, None)


def use_all_cores() -> None:
    """Give torch one thread per core that this process may use, unless the user set OMP_NUM_THREADS."""
    import torch

    if THREADS_VARIABLE not in os.environ:
        torch.set_num_threads(usable_cores())


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of physical cores that this process may use, by its affinity and its control group's quota.

    Args:
        root: The folder that has `sys` and `proc`.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    processors = affinity(0) if affinity else range(os.cpu_count() or 1)
    cores = len({_siblings(root, number) for number in processors})
    return max(1, int(min(cores, _quota(root))))


def _siblings(root: Path, processor: int) -> str:
    """Return a text that is the same for all processors of one physical core."""
    file = root / f"sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    return _text(file) or str(processor)


def _quota(root: Path) -> float:
    """Return how many processors' time the control group may use; infinite without a limit."""
    folder = root / "sys/fs/cgroup"
    limits = [math.inf]
    for place in _own_groups(root):
        limit, _, period = _text(folder / place / "cpu.max").partition(" ")  # version 2: "150000 100000", "max 100000"
        limits.append(_ratio(limit, period))
    first = folder / "cpu"
    limits.append(_ratio(_text(first / "cpu.cfs_quota_us"), _text(first / "cpu.cfs_period_us")))
    return min(limits)


def _own_groups(root: Path) -> Iterator[str]:
    """Yield the path of this process's control group (version 2) and of each group that it is in."""
    line = next((each for each in _text(root / "proc/self/cgroup").splitlines() if each.startswith("0::")), "0::/")
    group = Path(line.removeprefix("0::").lstrip("/"))
    yield from (str(each) for each in (group, *group.parents))


def _ratio(limit: str, period: str) -> float:
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() and int(period) else math.inf


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
