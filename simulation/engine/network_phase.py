"""The social phase of a network task: active models see their feeds, and each does one thing there at the same time.

The game says who is active, what they see and what their acts do; OASIS's database gets the rows that OASIS itself
would write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import orjson

from agents.inference.loops import gather_or_raise
from agents.network import NetworkView, SocialActionName
from agents.social import network_tools
from simulation.engine.feed import social_acted
from simulation.games.base import Move, State
from simulation.games.social_network import TAKE_PART, NetworkAct, NetworkTable, SocialNetwork
from simulation.seeds import stream
from simulation.store.events import SocialActed
from simulation.store.history import recorded_move
from simulation.store.intervention_events import EventHappened
from simulation.store.network_events import PostSeeded

if TYPE_CHECKING:
    from agents.lora_model import Act
    from agents.turn import TurnContext
    from simulation.engine.network_store import NetworkStore
    from simulation.engine.society import Society

NetworkState = State[NetworkTable]
Turn = Callable[[int, NetworkView], "TurnContext"]
"""Player, what it sees -> what its prompt is made from."""
Done = tuple[int, "Act", SocialActed]


class NetworkPhase:
    """The network of one episode, played or stored again."""

    def __init__(self, society: Society, game: SocialNetwork, episode: int) -> None:
        self._society, self.game, self._episode = society, game, episode
        self._store: NetworkStore | None = None

    def begin(self, state: NetworkState) -> list[PostSeeded]:
        """Write the network as it is before the first step, and return its posts."""
        world = state.table.world
        self._store = self._society.network_store(world, self.game.parameters.platform)
        time = world.clock.text(0)
        return [
            PostSeeded(
                episode=self._episode,
                step=0,
                time=time,
                item=item,
                author=world.names[world.author[item]],
                text=world.text[item],
                parent=world.parent[item],
                likes=world.likes[item],
                dislikes=world.dislikes[item],
            )
            for item in range(1, world.newest + 1)
        ]

    def seed_post(self, state: NetworkState, author: str, text: str) -> PostSeeded:
        """Publish a post that no act published, before a step."""
        world, step = state.table.world, state.tally.step
        item = world.add(world.names.index(author), step, text)
        assert self._store is not None, "begin comes first"
        self._store.seed(item, step)
        return PostSeeded(self._episode, step, world.clock.text(step), item, author, text)

    def seed_votes(self, state: NetworkState, item: int, likes: int, dislikes: int) -> None:
        """Give an item votes of nobody in the network, before a step."""
        world, step = state.table.world, state.tally.step
        world.add_votes(world.source(item), likes, dislikes)
        assert self._store is not None, "begin comes first"
        self._store.recount(world.source(item), step)

    async def act(self, state: NetworkState, turn: Turn, absent: Iterable[int]) -> tuple[NetworkState, list[Done]]:
        """Play one step's social phase.

        Args:
            state: The state; its network changes.
            turn: Gives what a player's prompt is made from.
            absent: Players that do not act: people, and those that an event muted.

        Returns:
            The state with the acts, and each act with its event.
        """
        away = frozenset(absent)
        views = self.game.views(state, [player for player in self.game.active(state) if player not in away])
        tools = {player: network_tools(view) for player, view in views.items()}
        turns = {player: turn(player, views[player]) for player in views if tools[player]}
        agents = self._society.agents
        replies = await gather_or_raise(agents[player].act(turns[player], tools[player]) for player in turns)
        acts = dict(zip(turns, replies, strict=True))
        made = [NetworkAct(player, act.move, _shown(views[player])) for player, act in acts.items()]
        state, items = await self.carry_out(state, made)
        names, time = self._society.configs, state.table.world.clock.text(state.tally.step)
        events = (
            social_acted(names[player].model_id, act, turns[player], act.error, time, item)
            for (player, act), item in zip(acts.items(), items, strict=True)
        )
        return state, [(player, act, event) for (player, act), event in zip(acts.items(), events, strict=True)]

    async def carry_out(self, state: NetworkState, acts: Sequence[NetworkAct]) -> tuple[NetworkState, list[int]]:
        """Carry acts out in the network and in OASIS's database; return the items that they published."""
        after, items = self.game.acted(state, acts)
        assert self._store is not None, "begin comes first"
        self._store.write(acts, items, state.tally.step)
        if any(act.move is not None and act.move.action is SocialActionName.SEND_TO_GROUP for act in acts):
            await self._society.listen()  # group chats of the network are read in views, not as strategy messages
        return after, items


def _shown(view: NetworkView) -> tuple[int, ...]:
    return tuple(post.post_id for post in view.shown)


class StoredNetwork:
    """Stores again what a finished episode did in its network, step by step."""

    def __init__(self, society: Society, game: SocialNetwork, episode: int, seed: int) -> None:
        self._phase, self.game = NetworkPhase(society, game, episode), game
        self._number = {config.model_id: player for player, config in enumerate(society.configs)}
        self._state: NetworkState = game.start(stream(seed, "game", episode))
        self._phase.begin(self._state)

    def begin_step(self, step: int, happened: Sequence[EventHappened]) -> None:
        """Go on to a step, and let happen again what happened before it."""
        while self._state.tally.step < step:
            self._state = self.game.resolve(self._state, [Move(TAKE_PART)] * self.game.players)
        for event in happened:
            detail = orjson.loads(event.detail)
            if event.kind == "post":
                self._phase.seed_post(self._state, detail["author"], detail["text"])
            elif event.kind == "vote":
                self._phase.seed_votes(self._state, detail["item"], detail["likes"], detail["dislikes"])

    async def act(self, events: Sequence[SocialActed]) -> None:
        """Carry out the acts of the step again."""
        if not events:
            return
        acts = [NetworkAct(self._number[event.model_id], recorded_move(event), event.seen) for event in events]
        self._state, _ = await self._phase.carry_out(self._state, acts)
