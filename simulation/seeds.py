"""Named random streams: a new draw in one place changes no draw elsewhere."""

from __future__ import annotations

import random
from zlib import crc32


def derive_seed(seed: int, *names: str | int) -> int:
    """Return a 32-bit seed for the stream called `names` under the run's `seed` (numpy's SeedSequence, spawn keys)."""
    from numpy.random import SeedSequence

    key = tuple(name if isinstance(name, int) else crc32(name.encode()) for name in names)
    return int(SeedSequence(seed, spawn_key=key).generate_state(1)[0])


def stream(seed: int, *names: str | int) -> random.Random:
    """Return the generator of the stream called `names`."""
    return random.Random(derive_seed(seed, *names))
