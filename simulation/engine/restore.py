"""Stores finished episodes again, so that the oasis.db of a resumed run is that of an unbroken one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from simulation.engine.network_phase import StoredNetwork
from simulation.games.base import Game
from simulation.games.social_network import SocialNetwork
from simulation.store.events import MessageSent, SocialActed
from simulation.store.history import recorded_move
from simulation.store.intervention_events import EventHappened

if TYPE_CHECKING:
    from simulation.engine.batch.society import BatchSociety
    from simulation.engine.society import Society

Happened = TypeVar("Happened", MessageSent, SocialActed, EventHappened)


async def store_again(
    society: Society,
    games: Mapping[int, Game[Any]],
    seed: int,
    messages: Iterable[MessageSent],
    acts: Iterable[SocialActed],
    happened: Iterable[EventHappened] = (),
) -> None:
    """Store what was said and done in the finished episodes, in the order in which it happened.

    Args:
        society: Where to.
        games: The games of the finished episodes, by episode.
        seed: The run's seed.
        messages: What was said.
        acts: What was done in social networks.
        happened: What happened before steps.
    """
    number = {config.model_id: player for player, config in enumerate(society.configs)}
    said, done, events = _by_step(messages), _by_step(acts), _by_step(happened)
    for episode, game in sorted(games.items()):
        network = StoredNetwork(society, game, episode, seed) if isinstance(game, SocialNetwork) else None
        for step in sorted({*said[episode], *done[episode], *(events[episode] if network else ())}):
            if network is not None:
                network.begin_step(step, events[episode][step])
            for _, messages_of_round in groupby(said[episode][step], key=attrgetter("talk_round")):
                society.store_again(
                    (number[each.sender], [number[model_id] for model_id in each.addressees], each.text)
                    for each in messages_of_round
                )
            if network is not None:
                await network.act(done[episode][step])
                continue
            moves = ((act.model_id, recorded_move(act)) for act in done[episode][step])
            for model_id, move in moves:
                if move is not None:
                    await society.perform(number[model_id], move)


def store_messages_again(society: BatchSociety, messages: Iterable[MessageSent]) -> None:
    """Store what was said in the finished episodes of a society that is played in columns, round by round."""
    number = {config.model_id: player for player, config in enumerate(society.configs)}
    for _, part in groupby(messages, key=lambda message: (message.episode, message.step, message.talk_round)):
        said = list(part)
        speakers = [number[message.sender] for message in said]
        reached = [[number[model_id] for model_id in message.addressees] for message in said]
        groups = society.groups(dict(zip(speakers, reached, strict=True)), speakers)
        society.post(groups, speakers, range(len(said)), [message.text for message in said])


def _by_step(events: Iterable[Happened]) -> defaultdict[int, defaultdict[int, list[Happened]]]:
    """Return events by episode and step."""
    found: defaultdict[int, defaultdict[int, list[Happened]]] = defaultdict(lambda: defaultdict(list))
    for event in events:
        found[event.episode][event.step].append(event)
    return found
