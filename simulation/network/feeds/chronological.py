"""All posts, newest first."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World


def chronological(world: World, _user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield every post, newest first."""
    return reversed(world.posts)
