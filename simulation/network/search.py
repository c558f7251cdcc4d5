"""Search and trend: what a user is shown next time. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice

from simulation.network.words import words_of
from simulation.network.world import World

FOUND = 5
"""Posts or users that a search shows."""
TREND_DAYS = 7
"""Days that OASIS's trend looks back."""


def find_posts(world: World, query: str) -> tuple[int, ...]:
    """Return the newest posts that have every word of a query."""
    lists = [world.index.get(word, []) for word in words_of(query)]
    if not lists:
        return ()
    rarest, *others = sorted(lists, key=len)
    return tuple(islice((item for item in reversed(rarest) if all(_has(found, item) for found in others)), FOUND))


def _has(ascending: Sequence[int], item: int) -> bool:
    place = bisect_left(ascending, item)
    return place < len(ascending) and ascending[place] == item


def find_users(world: World, query: str) -> tuple[int, ...]:
    """Return the first users whose name has the query in it."""
    asked = query.strip().lower()
    return tuple(islice((user for user, name in enumerate(world.lower_names) if asked in name), FOUND))


def trend(world: World, step: int) -> tuple[int, ...]:
    """Return the most popular posts of the last seven days.

    Args:
        world: The network.
        step: The step now.
    """
    since = world.clock.seconds(step) - TREND_DAYS * 86400
    recent = (item for item in world.popular.walk() if world.clock.seconds(world.step[item]) >= since)
    return tuple(islice(recent, FOUND))
