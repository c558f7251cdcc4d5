"""What those that a user follows published, newest first."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from itertools import islice

from simulation.network.world import World


def followed(world: World, user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield every post of those that the user follows, newest first.

    The newest posts of all users are looked at first: where a user follows many, its feed is found among them.
    """
    follows, last = world.following[user], world.newest + 1
    for post in islice(reversed(world.posts), len(follows)):
        last = post
        if world.author[post] in follows:
            yield post
    yield from (post for post in _merged(world, user) if post < last)


def _merged(world: World, user: int) -> Iterator[int]:
    lists = (world.posts_of[other] for other in sorted(world.following[user]) if other in world.posts_of)
    return heapq.merge(*(reversed(posts) for posts in lists), reverse=True)
