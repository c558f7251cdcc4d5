"""Posts drawn by the seed, each as likely as any other: OASIS's random recommendation."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World

PORTION = 4
"""Posts drawn for each that is wanted: some of them are the user's own, or of muted users."""


def random_posts(world: World, _user: int, length: int, rng: random.Random) -> Iterator[int]:
    """Yield posts in a random order; all of them where there are few."""
    drawn = rng.sample(world.posts, min(len(world.posts), length * PORTION))
    return iter(drawn)
