"""Python's cycle collector runs less often while an episode is played.

A step of a large society makes many objects that live on. At Python's default the collector scans all of them again
and again, which takes a quarter of the step's time and frees next to nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

ALLOCATIONS = 50_000
RARER = (ALLOCATIONS, 20, 100)


@dataclass
class _Default:
    """The collector's setting from before the first open block."""

    open: int = 0
    threshold: tuple[int, int, int] = (700, 10, 10)


_default = _Default()
_lock = Lock()  # runs may be played in several threads


@contextmanager
def reduced_gc() -> Iterator[None]:
    """Collect less often within the block; blocks may overlap.

    A collector that is switched off, that collects less often already, or that somebody else sets meanwhile is left
    alone.
    """
    with _lock:
        if _default.open == 0:
            _default.threshold = gc.get_threshold()
            if 0 < _default.threshold[0] < ALLOCATIONS:
                gc.set_threshold(*RARER)
        _default.open += 1
    try:
        yield
    finally:
        with _lock:
            _default.open -= 1
            if _default.open == 0 and gc.get_threshold() == RARER:
                gc.set_threshold(*_default.threshold)
