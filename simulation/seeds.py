"""Named random streams: a new draw in one place changes no draw elsewhere."""

from __future__ import annotations

import operator
import random
from zlib import crc32

from agents.file_model import MAX_WHOLE
from agents.problems import UsageError


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 32-bit seed for the stream called `names` under the run's `seed` (numpy's SeedSequence, spawn keys)."""
    from numpy.random import SeedSequence

    key = tuple(name if isinstance(name, int) else crc32(name.encode()) for name in names)
    return int(SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def stream(seed: int, *names: str | int) -> random.Random:
    """Return the generator of the stream called `names`."""
    return random.Random(derive_seed(seed, *names))


def whole_seed(value: int) -> int:
    """Return a seed as a plain integer. Raises UsageError where it is none, or not in the range of a run's seed."""
    try:
        seed = operator.index(value)
    except TypeError:
        raise UsageError(f"seed={value!r}: not a whole number") from None
    if isinstance(value, bool) or not 0 <= seed <= MAX_WHOLE:
        raise UsageError(f"seed={value!r}: give a whole number from 0 to {MAX_WHOLE}")
    return seed
