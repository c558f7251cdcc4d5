"""Posts that users of different groups like: a like counts more where the post has few of that group so far.

The score of a post is the sum, over the groups, of the square root of its likes from each: nine likes from one group
give 3, nine from three groups 5.2. The groups are the teams; users without a team are a group each.

Source:
    The idea of Ovadya, Bridging-Based Ranking, Belfer Center (2022); the square root is chosen here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World


def bridging(world: World, _user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield every post, the highest score first; of equal ones the newer first."""
    return world.bridging.walk()
