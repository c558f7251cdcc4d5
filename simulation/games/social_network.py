"""The social network: users see a feed, and each active one does one thing. Nothing is decided but what to do there.

Players: two or more users.
Decision: which social action to take, and about what: one act in each step in which the user is active.
Payoff: what `score` names, for each step.

    none        payoff = 0: the network is only watched
    reach       payoff = users that were shown one of its posts in this step
    engagement  payoff = likes, comments and shares by others that its posts received in this step
    agreement   payoff = likes / (likes + dislikes) by others that they received in this step, 0 without any

Information: the user's feed and what its last search found; the simulated time. A user follows those whose posts reach
it in the scenario's topology when the episode begins. `platform` names the actions, `actions` narrows or widens them,
`feed` says which posts are shown, `activity` who is active, `clock` when each step is, and `posts` what was published
before step 1. All users of a step act at the same time, on what they were shown.

Nash (named here): none is known.
Optimum: the most that a step can pay. reach: every user is shown a post of as many others as a feed and a search have
room for; engagement and agreement: 1 a user and step. Play may not be able to reach it.
Message: group messages are off unless the scenario sets talk_rounds; posts and comments are the messages.

accuracy: legal acts / acts; 1 for a user that never acted.
cooperation: 1 for an act that gives another user attention or approval (share, quote, like, comment, follow), 0 for
one that refuses or takes it back (dislike, unlike, unfollow, mute, report), else 0.5. It measures support of others'
posts, not goodwill.
Source: Yang et al., OASIS: Open Agent Social Interaction Simulations with One Million Agents, arXiv 2411.11581 (2024).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field

from agents.language import Language
from agents.network import NetworkView, SocialActionName, SocialMove, target_of
from simulation.games.base import Game, GameParameters, Move, Round, Setting, State
from simulation.games.measures import Meaning
from simulation.games.score import EpisodeScore
from simulation.network.acts import PLATFORM_ACTIONS, REJECTION, SUPPORT, NetworkPlatform, carry_out
from simulation.network.feeds import feed_of
from simulation.network.search import FOUND
from simulation.network.setting import ActivityRule, ClockRule, FeedRule, FirstComment, FirstPost, NetworkScore
from simulation.network.view import Viewer
from simulation.network.world import ItemKind, World

TAKE_PART = "take part"


def _or_a_file(schema: dict[str, Any]) -> None:
    """Add to a JSON Schema the form that reading a scenario turns into posts (`simulation.sections.posts`)."""
    listed = {key: schema.pop(key) for key in ("type", "items")}
    keys = {"file": {"type": "string"}, "sample": {"type": "integer", "minimum": 1}, "seed": {"type": "integer"}}
    words = {"group": {"type": "string"}, "vote": {"enum": ["up", "control", "down"]}}
    named = {"type": "object", "required": ["file"], "properties": {**keys, **words}, "additionalProperties": False}
    schema["anyOf"] = [listed, named]


class SocialNetworkParameters(GameParameters):
    platform: NetworkPlatform = NetworkPlatform.REDDIT
    actions: tuple[SocialActionName, ...] | None = Field(default=None, min_length=1)
    feed: FeedRule = FeedRule()
    activity: ActivityRule = ActivityRule()
    clock: ClockRule = ClockRule()
    posts: Annotated[tuple[FirstPost, ...], Field(json_schema_extra=_or_a_file)] = ()
    score: NetworkScore = NetworkScore.NONE

    @property
    def offered(self) -> tuple[SocialActionName, ...]:
        """Return the actions that users have."""
        return PLATFORM_ACTIONS[self.platform] if self.actions is None else self.actions


@dataclass(frozen=True)
class NetworkAct:
    """What a user did in a step: its move (None is illegal), and the posts that it was shown."""

    player: int
    move: SocialMove | None
    seen: tuple[int, ...] = ()


@dataclass(frozen=True)
class NetworkTable:
    """The network, and what was done in the step that is being played.

    `world`, `acts` and `illegal` (acts by player) are one object for all states of an episode, and change in place.
    `support` is the cooperation level of each player that acted for or against another.
    """

    world: World
    seed: int
    acts: list[int]
    illegal: list[int]
    done: tuple[NetworkAct, ...] = ()
    support: Mapping[int, float] = field(default_factory=dict)


_RULES = {
    Language.EN: "In each step the users that are active see a feed of posts, and each does one thing.",
    Language.ZH: "每一步中，活跃的用户看到一个信息流，每人做一件事。",
}
_PAYS = {
    Language.EN: {
        NetworkScore.NONE: "",
        NetworkScore.REACH: " You get a point for each user that is shown one of your posts.",
        NetworkScore.ENGAGEMENT: " You get a point for each like, comment and share of your posts.",
        NetworkScore.AGREEMENT: " You get the share of likes among the likes and dislikes of your posts.",
    },
    Language.ZH: {
        NetworkScore.NONE: "",
        NetworkScore.REACH: "每有一名用户看到你的帖子，你得1分。",
        NetworkScore.ENGAGEMENT: "你的帖子每得到一个赞、一条评论或一次转发，你得1分。",
        NetworkScore.AGREEMENT: "你的得分是你的帖子所得赞在赞与踩中的比例。",
    },
}
_LABELS = {Language.EN: TAKE_PART, Language.ZH: "参与"}
_LIKES = (SocialActionName.LIKE_POST, SocialActionName.LIKE_COMMENT)
_DISLIKES = (SocialActionName.DISLIKE_POST, SocialActionName.DISLIKE_COMMENT)
_ENGAGING = (
    *_LIKES,
    SocialActionName.CREATE_COMMENT,
    SocialActionName.REPOST,
    SocialActionName.QUOTE_POST,
)


class SocialNetwork(Game[NetworkTable]):
    task_type = "social_network"
    cooperation_meaning = Meaning("support", "1 for acts that support others' posts, 0 for acts against them, else 0.5")
    accuracy_meaning = Meaning("legal acts", "share of its acts in the network that were legal")
    Parameters = SocialNetworkParameters
    parameters: SocialNetworkParameters

    @classmethod
    def refuse(cls, setting: Setting, parameters: SocialNetworkParameters) -> str:
        names = {seat.model_id for seat in setting.seats}
        strangers = sorted({author for post in parameters.posts for author in post.authors} - names)
        if strangers:
            return f"posts: no model is called {', '.join(strangers)}"
        return super().refuse(setting, parameters)

    def _open(self, rng: random.Random) -> NetworkTable:
        world = World(
            names=tuple(seat.model_id for seat in self.setting.seats),
            clock=self.parameters.clock.clock,
            following=self._following(),
            team=self._teams(),
        )
        seed = rng.getrandbits(32)
        self._publish_first(world, random.Random(f"authors/{seed}"))
        return NetworkTable(world, seed, [0] * self.players, [0] * self.players)

    def _publish_first(self, world: World, rng: random.Random) -> None:
        """Publish what stands in the network before step 1; who wrote what names no author is drawn."""
        number = {name: user for user, name in enumerate(world.names)}

        def published(entry: FirstComment, kind: ItemKind = ItemKind.POST, parent: int = 0) -> int:
            author = rng.randrange(self.players) if entry.author is None else number[entry.author]
            item = world.add(author, 0, entry.text, kind, parent)
            world.add_votes(item, entry.likes, entry.dislikes)
            return item

        for post in self.parameters.posts:
            item = published(post)
            for comment in post.comments:
                published(comment, ItemKind.COMMENT, item)

    def _teams(self) -> tuple[int, ...]:
        """Return each user's team by number; a user without one is a team of its own."""
        names = [seat.team_id or f"no team {user}" for user, seat in enumerate(self.setting.seats)]
        number = {name: place for place, name in enumerate(dict.fromkeys(names))}
        return tuple(number[name] for name in names)

    def _following(self) -> list[set[int]]:
        """Return whom each user follows: those whose posts reach it."""
        if not self.setting.neighbours:
            return [set(range(self.players)) - {user} for user in range(self.players)]
        following: list[set[int]] = [set() for _ in range(self.players)]
        for author, readers in enumerate(self.setting.neighbours):
            for reader in readers:
                following[reader].add(author)
        return following

    # -- the play: the engine asks who is active and what they see, and gives back what they did -----------

    def active(self, state: State[NetworkTable]) -> list[int]:
        """Return who acts in this step."""
        step = state.tally.step
        return self.parameters.activity.active(self.players, state.table.world.clock.at(step), step, state.table.seed)

    def views(self, state: State[NetworkTable], players: Sequence[int]) -> dict[int, NetworkView]:
        """Return what each of `players` sees in this step."""
        p, world, step = self.parameters, state.table.world, state.tally.step
        viewer, found = Viewer(world, step), {}
        for player in players:
            rng = random.Random(f"feed/{state.table.seed}/{step}/{player}")
            feed = feed_of(world, player, p.feed.kind, p.feed.length, rng)
            found[player] = viewer.view(player, feed, p.platform, p.offered)
        return found

    def acted(self, state: State[NetworkTable], acts: Sequence[NetworkAct]) -> tuple[State[NetworkTable], list[int]]:
        """Carry out what players did in this step, in the order given.

        Returns:
            The state with these acts, and for each act the number of the item that it published, else 0.
        """
        table, step = state.table, state.tally.step
        for act in acts:
            table.world.show(act.player, act.seen)
            table.world.found.pop(act.player, None)
            table.world.found_users.pop(act.player, None)
            table.acts[act.player] += 1
            table.illegal[act.player] += act.move is None
        items = [0 if act.move is None else carry_out(table.world, act.player, act.move, step) for act in acts]
        return replace(state, table=replace(table, done=tuple(acts), support=_support(acts))), items

    # -- the rules ---------------------------------------------------------------------------------------

    def _options(self, state: State[NetworkTable], player: int) -> tuple[tuple[str, float], ...]:
        return ((TAKE_PART, state.table.support.get(player, 0.5)),)

    def _play(self, state: State[NetworkTable], moves: Sequence[Move]) -> Round[NetworkTable]:
        paid = self._paid(state.table)
        payoffs = tuple(
            0.0 if move.action is None else float(paid.get(player, 0.0)) for player, move in enumerate(moves)
        )
        legal = {act.player: float(act.move is not None) for act in state.table.done}
        accuracies = tuple(0.0 if move.action is None else legal.get(player, 1.0) for player, move in enumerate(moves))
        return Round(payoffs, accuracies, replace(state.table, done=(), support={}))

    def _paid(self, table: NetworkTable) -> Mapping[int, float]:
        """Return what the acts of a step pay each user."""
        if self.parameters.score is NetworkScore.NONE:
            return {}
        if self.parameters.score is NetworkScore.REACH:
            return _reach(table)
        likes, dislikes = _received(table, _LIKES), _received(table, _DISLIKES)
        if self.parameters.score is NetworkScore.ENGAGEMENT:
            return _received(table, _ENGAGING)
        return {user: likes[user] / (likes[user] + dislikes[user]) for user in likes | dislikes}

    def rules(self, language: Language) -> str:
        return _RULES[language] + _PAYS[language][self.parameters.score]

    def observation_text(self, state: State[NetworkTable], player: int, language: Language) -> str:
        return ""

    def label(self, action: str, language: Language) -> str:
        return _LABELS[language]

    def optimum(self) -> float:
        room = {
            NetworkScore.NONE: 0,
            NetworkScore.REACH: min(self.parameters.feed.length + FOUND, self.players - 1),
            NetworkScore.ENGAGEMENT: 1,
            NetworkScore.AGREEMENT: 1,
        }
        return float(room[self.parameters.score] * self.players * self.setting.max_steps)

    def nash(self) -> float:
        return math.nan

    def score(self, state: State[NetworkTable]) -> EpisodeScore:
        found, table = super().score(state), state.table
        players = tuple(
            replace(each, accuracy=1 - illegal / acts) if acts else each
            for each, acts, illegal in zip(found.players, table.acts, table.illegal, strict=True)
        )
        return replace(found, players=players)


def _support(acts: Sequence[NetworkAct]) -> Mapping[int, float]:
    """Return by player 1 for an act that supports another user, and 0 for one against another."""
    moves = {act.player: act.move.action for act in acts if act.move is not None}
    return {player: float(action in SUPPORT) for player, action in moves.items() if action in SUPPORT | REJECTION}


def _reach(table: NetworkTable) -> Mapping[int, float]:
    """Return by author how many users were shown one of its posts."""
    world = table.world
    shown = {(world.author[world.source(item)], act.player) for act in table.done for item in act.seen}
    return Counter(author for author, _ in shown)


def _received(table: NetworkTable, actions: Sequence[SocialActionName]) -> Counter[int]:
    """Return by author how many of these acts were about its items."""
    world, found = table.world, Counter[int]()
    for act in table.done:
        if act.move is not None and act.move.action in actions:
            author = world.author[world.source(target_of(act.move) or 0)]
            found[author] += author != act.player
    return found


GAME = SocialNetwork
