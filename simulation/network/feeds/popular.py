"""The posts with the most reactions, whatever their age."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World


def popular(world: World, _user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield every post, the most popular first; of equal ones the newer first."""
    return world.popular.walk()
