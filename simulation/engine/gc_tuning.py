"""Python's cycle collector, less often at work while an episode is played.

A step of a large society makes many objects that live on; at Python's default the collector passes over all of them
again and again, for a quarter of the step's time, and finds next to nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

ALLOCATIONS = 50_000
RARER = (ALLOCATIONS, 20, 100)


@dataclass
class _Default:
    """What held before the first of the blocks that are open."""

    open: int = 0
    threshold: tuple[int, int, int] = (700, 10, 10)


_default = _Default()


@contextmanager
def reduced_gc() -> Iterator[None]:
    """Within the block, or several at once, the collector looks after more allocations; then as before. One that is
    switched off, or rarer yet, is left alone, and so is what somebody else sets meanwhile."""
    if _default.open == 0:
        _default.threshold = gc.get_threshold()
        if 0 < _default.threshold[0] < ALLOCATIONS:
            gc.set_threshold(*RARER)
    _default.open += 1
    try:
        yield
    finally:
        _default.open -= 1
        if _default.open == 0 and gc.get_threshold() == RARER:
            gc.set_threshold(*_default.threshold)
