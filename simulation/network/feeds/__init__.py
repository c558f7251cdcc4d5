"""Feeds: which posts a user is shown. One small file a kind, and `FEEDS` is all of them. Pure.

A feed yields posts, best first, and looks at no more of them than it needs to: its cost does not grow with the number
of posts. `feed_of` leaves out what a user published itself, what muted users published, and a second item of one
source.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from enum import Enum

from simulation.network.feeds.bridging import bridging
from simulation.network.feeds.chronological import chronological
from simulation.network.feeds.followed import followed
from simulation.network.feeds.hot import hot
from simulation.network.feeds.popular import popular
from simulation.network.feeds.random_posts import random_posts
from simulation.network.feeds.similar import similar
from simulation.network.world import World


class FeedKind(str, Enum):
    """How the posts of a feed are chosen."""

    CHRONOLOGICAL = "chronological"
    FOLLOWED = "followed"
    HOT = "hot"
    POPULAR = "popular"
    RANDOM = "random"
    SIMILAR = "similar"
    BRIDGING = "bridging"


Feeding = Callable[[World, int, int, random.Random], Iterator[int]]
"""World, user, posts wanted, generator -> posts, best first."""

FEEDS: Mapping[FeedKind, Feeding] = {
    FeedKind.CHRONOLOGICAL: chronological,
    FeedKind.FOLLOWED: followed,
    FeedKind.HOT: hot,
    FeedKind.POPULAR: popular,
    FeedKind.RANDOM: random_posts,
    FeedKind.SIMILAR: similar,
    FeedKind.BRIDGING: bridging,
}


def feed_of(world: World, user: int, kind: FeedKind, length: int, rng: random.Random) -> tuple[int, ...]:
    """Return at most `length` posts for a user, best first."""
    chosen: dict[int, int] = {}
    muted = world.muted.get(user, ())
    for post in FEEDS[kind](world, user, length, rng):
        source = world.source(post)
        hidden = world.author[post] in muted or world.author[source] in muted
        if world.author[source] != user and world.author[post] != user and not hidden:
            chosen.setdefault(source, post)
        if len(chosen) == length:
            break
    return tuple(chosen.values())
