"""Reddit's hot score, as OASIS computes it: likes less dislikes, on a logarithmic scale, and newness."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World


def hot(world: World, _user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield every post, the highest hot score first; of equal ones the older first, as in OASIS."""
    return world.hot.walk()
