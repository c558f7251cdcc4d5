"""Posts like those that a user wrote and liked, by the words that they share: TF-IDF and the cosine.

The newest posts are compared (`simulation.network.vectors.RECENT`). A user that wrote and liked nothing gets the newest
posts, as does a feed that finds too few similar ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulation.network.world import World

TASTE = 20
"""A user's own posts, and liked posts, that say what it likes: the newest of each."""


def similar(world: World, user: int, _length: int, _rng: random.Random) -> Iterator[int]:
    """Yield the posts most like what the user wrote and liked, most similar first; then the others, newest first."""
    scores = world.vectors.similarities(taste(world, user))
    yield from sorted(scores, key=lambda item: (-scores[item], -item))
    yield from (item for item in reversed(world.posts) if item not in scores)


def taste(world: World, user: int) -> list[int]:
    """Return the posts that say what a user likes."""
    liked = [item for item in world.likes_of.get(user, [])[-TASTE:] if user in world.liked[item]]
    own = [world.source(item) for item in world.posts_of.get(user, [])[-TASTE:]]
    return sorted({*liked, *own})
