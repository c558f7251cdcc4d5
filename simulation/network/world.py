"""The state of a social network: what was published, who follows whom, who liked what. Pure.

A world is changed in place and only grows: nothing of it is copied in a step, so that a step costs what is new in it.
The columns (`author`, `step`, `kind`, `parent`, `root`, `text`, and the counts) are indexed by an item's number, from
1; place 0 is empty. `parent` is the item that an item answers or shares, as it was shown, and 0 for a post; `root` is
the post at the beginning. So a cascade is the tree of the items of one root. `original` is what OASIS names so: the
item whose counts a repost, quote or comment adds to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from simulation.network.clock import StepClock
from simulation.network.ranking import RankedItems
from simulation.network.scores import bridging_score, hot_score, popularity
from simulation.network.vectors import TextVectors
from simulation.network.words import words_of


class ItemKind(str, Enum):
    """What an item of a network is."""

    POST = "post"
    REPOST = "repost"
    QUOTE = "quote"
    COMMENT = "comment"


Users = defaultdict[int, set[int]]
"""Users by item, or by user."""


def _users() -> Users:
    return defaultdict(set)


@dataclass
class ChatGroup:
    """A group chat: its members by number, and its messages as (author, text)."""

    name: str
    members: set[int]
    messages: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class World:
    """A social network.

    Args:
        names: The users' names.
        clock: When each step is.
        following: Whom each user follows.
        team: The group of each user, for feeds that bridge groups; each user is its own where it is empty.
    """

    names: tuple[str, ...]
    clock: StepClock
    following: list[set[int]]
    team: tuple[int, ...] = ()
    followers: list[int] = field(default_factory=list)
    author: list[int] = field(default_factory=lambda: [-1])
    step: list[int] = field(default_factory=lambda: [-1])
    kind: list[ItemKind] = field(default_factory=lambda: [ItemKind.POST])
    parent: list[int] = field(default_factory=lambda: [0])
    root: list[int] = field(default_factory=lambda: [0])
    original: list[int] = field(default_factory=lambda: [0])
    text: list[str] = field(default_factory=lambda: [""])
    likes: list[int] = field(default_factory=lambda: [0])
    dislikes: list[int] = field(default_factory=lambda: [0])
    shares: list[int] = field(default_factory=lambda: [0])
    comments: list[int] = field(default_factory=lambda: [0])
    reports: list[int] = field(default_factory=lambda: [0])
    posts: list[int] = field(default_factory=list)
    posts_of: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    replies: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    index: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    likes_of: defaultdict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    likes_by_team: defaultdict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    liked: Users = field(default_factory=_users)
    disliked: Users = field(default_factory=_users)
    shared: Users = field(default_factory=_users)
    reported: Users = field(default_factory=_users)
    muted: Users = field(default_factory=_users)
    seen: Users = field(default_factory=_users)
    groups: list[ChatGroup] = field(default_factory=list)
    found: dict[int, tuple[int, ...]] = field(default_factory=dict)
    found_users: dict[int, tuple[int, ...]] = field(default_factory=dict)
    hot: RankedItems = field(default_factory=lambda: RankedItems(newest_first=False))
    popular: RankedItems = field(default_factory=RankedItems)
    bridging: RankedItems = field(default_factory=RankedItems)
    vectors: TextVectors = field(default_factory=TextVectors, compare=False)

    def __post_init__(self) -> None:
        self.lower_names = tuple(name.lower() for name in self.names)
        if not self.followers:
            self.followers = [0] * len(self.names)
            for followed in self.following:
                for user in followed:
                    self.followers[user] += 1

    @property
    def newest(self) -> int:
        """Return the number of the newest item, 0 without one."""
        return len(self.author) - 1

    def source(self, item: int) -> int:
        """Return the item that has the text and the counts of `item`: for a repost, what it shares."""
        return self.original[item] if self.kind[item] is ItemKind.REPOST else item

    def _original(self, kind: ItemKind, parent: int) -> int:
        if kind is ItemKind.QUOTE and self.kind[parent] is not ItemKind.POST:
            return self.original[parent]
        return self.source(parent)

    def add(self, author: int, step: int, text: str, kind: ItemKind = ItemKind.POST, parent: int = 0) -> int:
        """Publish an item and return its number.

        Args:
            author: Who publishes it.
            step: When.
            text: Its own text; empty for a repost.
            kind: What it is.
            parent: The item that it shares, quotes or comments on; 0 for a post.
        """
        item = len(self.author)
        root = self.root[parent] if parent else item
        self.original.append(self._original(kind, parent))
        for column, value in ((self.author, author), (self.step, step), (self.parent, parent), (self.root, root)):
            column.append(value)
        self.kind.append(kind)
        self.text.append(text)
        for counts in (self.likes, self.dislikes, self.shares, self.comments, self.reports):
            counts.append(0)
        self._file(item)
        return item

    def _file(self, item: int) -> None:
        """Enter a new item into the indexes, and count it at what it is about."""
        kind, about = self.kind[item], self.original[item]
        if kind is ItemKind.COMMENT:
            self.replies[about].append(item)
            self.comments[about] += 1
            self.rescore(about)
            return
        self.posts.append(item)
        self.posts_of[self.author[item]].append(item)
        if kind is not ItemKind.POST:
            self.shares[about] += 1
            self.shared[about].add(self.author[item])
            self.rescore(about)
        if kind is not ItemKind.REPOST:
            self.vectors.add(item, self.text[item])
            for word in words_of(self.text[item]):
                self.index[word].append(item)
        self.rescore(item)

    def rescore(self, item: int) -> None:
        """Rank an item by its counts as they are now."""
        if self.kind[item] is ItemKind.COMMENT:
            return
        when = self.clock.seconds(self.step[item])
        self.hot.put(item, hot_score(self.likes[item], self.dislikes[item], when))
        if self.kind[item] is not ItemKind.REPOST:
            counts = (self.likes[item], self.dislikes[item], self.shares[item], self.comments[item])
            self.popular.put(item, popularity(*counts))
            self.bridging.put(item, bridging_score(self.likes_by_team.get(item, {})))

    def vote(self, item: int, user: int, up: bool, undo: bool = False) -> None:
        """Like or dislike an item, or take it back."""
        users, counts = (self.liked, self.likes) if up else (self.disliked, self.dislikes)
        (users[item].discard if undo else users[item].add)(user)
        counts[item] += -1 if undo else 1
        if up:
            self.likes_by_team[item][self.team[user] if self.team else user] += -1 if undo else 1
            if not undo:
                self.likes_of[user].append(item)
        self.rescore(item)

    def add_votes(self, item: int, likes: int, dislikes: int) -> None:
        """Add likes and dislikes of nobody in the network to an item."""
        self.likes[item] += likes
        self.dislikes[item] += dislikes
        self.rescore(item)

    def follow(self, user: int, other: int, undo: bool = False) -> None:
        """Let a user follow another, or stop."""
        (self.following[user].discard if undo else self.following[user].add)(other)
        self.followers[other] += -1 if undo else 1

    def show(self, user: int, items: Sequence[int]) -> None:
        """Note that items were shown to a user."""
        self.seen[user].update(self.source(item) for item in items)
