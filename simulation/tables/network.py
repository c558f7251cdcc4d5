"""The tables of social networks, from events alone: what was published, and what each model's items brought it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from agents.inference.provenance import Tier, lowest_tier
from agents.network import SocialActionName, SocialMove
from simulation.network.acts import carry_out
from simulation.network.clock import StepClock
from simulation.network.world import ItemKind, World
from simulation.store.events import SocialActed
from simulation.store.intervention_events import EventHappened
from simulation.store.network_events import PostSeeded

Row = dict[str, Any]
_NO_CLOCK = StepClock(datetime(2000, 1, 1), 1)  # no table depends on it: events have their times
_UNSEEN = frozenset(
    {
        SocialActionName.SEARCH_POSTS,
        SocialActionName.SEARCH_USER,
        SocialActionName.TREND,
        SocialActionName.CREATE_GROUP,
        SocialActionName.JOIN_GROUP,
        SocialActionName.LEAVE_GROUP,
        SocialActionName.SEND_TO_GROUP,
    }
)
"""Actions that change nothing in these tables."""


@dataclass
class NetworkEpisode:
    """One episode's network, rebuilt from its events.

    Args:
        names: The models, in the roster's order.
        synthetic: As in every table.
    """

    names: Sequence[str]
    synthetic: bool
    times: list[str] = field(default_factory=lambda: [""])
    tiers: list[str] = field(default_factory=lambda: ["none"])
    impressions: Counter[int] = field(default_factory=Counter)
    reached: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    acts: Counter[str] = field(default_factory=Counter)
    by_tier: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def __post_init__(self) -> None:
        self.world = World(tuple(self.names), _NO_CLOCK, [set() for _ in self.names])
        self.number = {name: user for user, name in enumerate(self.names)}

    def seed(self, event: PostSeeded) -> None:
        """Add a post or comment that no act published."""
        kind = ItemKind.COMMENT if event.parent else ItemKind.POST
        item = self.world.add(self.number[event.author], event.step, event.text, kind, event.parent)
        self.world.add_votes(item, event.likes, event.dislikes)
        self._dated(event.time, "none")

    def vote(self, event: EventHappened) -> None:
        """Add votes of nobody in the network."""
        votes = orjson.loads(event.detail)
        self.world.add_votes(self.world.source(votes["item"]), votes["likes"], votes["dislikes"])

    def act(self, event: SocialActed, move: SocialMove | None) -> None:
        """Add what a model was shown and did."""
        self.acts[event.model_id] += 1
        self.by_tier[event.model_id][event.tier] += 1
        for source in map(self.world.source, event.seen):
            self.impressions[source] += 1
            self.reached[self.world.author[source]].add(event.model_id)
        if move is None or move.action in _UNSEEN:
            return
        if carry_out(self.world, self.number[event.model_id], move, event.step):
            self._dated(event.time, event.tier)

    def _dated(self, time: str, tier: str) -> None:
        self.times.append(time)
        self.tiers.append(tier)

    def posts(self, episode: int) -> Iterator[Row]:
        """Yield a row for each item."""
        world = self.world
        for item in range(1, world.newest + 1):
            yield {
                "episode": episode,
                "step": world.step[item],
                "time": self.times[item],
                "item": item,
                "author": self.names[world.author[item]],
                "kind": world.kind[item].value,
                "parent": world.parent[item],
                "root": world.root[item],
                "text": world.text[item],
                "likes": world.likes[item],
                "dislikes": world.dislikes[item],
                "shares": world.shares[item],
                "comments": world.comments[item],
                "reports": world.reports[item],
                "impressions": self.impressions[item],
                "tier": self.tiers[item],
                "synthetic": self.synthetic,
            }

    def models(self, episode: int) -> Iterator[Row]:
        """Yield a row for each model."""
        world, influence = self.world, self._influence()
        sums: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for item in range(1, world.newest + 1):
            own = sums[world.author[item]]
            own["comments_made" if world.kind[item] is ItemKind.COMMENT else "posts"] += 1
            for name in ("likes", "dislikes", "shares", "comments"):
                own[name] += getattr(world, name)[item]
            own["impressions"] += self.impressions[item]
        for user, name in enumerate(self.names):
            counted = ("posts", "comments_made", "impressions", "likes", "dislikes", "shares", "comments")
            yield {
                "episode": episode,
                "model_id": name,
                "acts": self.acts[name],
                **{column: sums[user][column] for column in counted},
                "reach": len(self.reached[user]),
                "followers_gained": world.followers[user],
                "influence": influence[user],
                "tier": lowest_tier(Counter({Tier(tier): count for tier, count in self.by_tier[name].items()})),
                "synthetic": self.synthetic,
            }

    def _influence(self) -> Counter[int]:
        """Return by model how many items of others are below one of its own in a cascade.

        An author's topmost item has all of its tree below it; what the author published further down is not of others.
        """
        world, found = self.world, Counter[int]()
        below = self._tree_sizes()
        for item, topmost in self._topmost():
            found[world.author[item]] += below[item] - 1 if topmost else -1
        return found

    def _tree_sizes(self) -> list[int]:
        """Return how many items the tree below each item has, itself included; a parent has a smaller number."""
        sizes = [1] * (self.world.newest + 1)
        for item in range(self.world.newest, 0, -1):
            sizes[self.world.parent[item]] += sizes[item]
        return sizes

    def _topmost(self) -> Iterator[tuple[int, bool]]:
        """Yield every item, and whether its author has none above it."""
        world, children = self.world, defaultdict[int, list[int]](list)
        for item in range(1, world.newest + 1):
            children[world.parent[item]].append(item)
        above, waiting = Counter[int](), [(item, False) for item in children[0]]
        while waiting:
            item, left = waiting.pop()
            author = world.author[item]
            if left:
                above[author] -= 1
                continue
            yield item, not above[author]
            above[author] += 1
            waiting.append((item, True))
            waiting += [(child, False) for child in children[item]]
