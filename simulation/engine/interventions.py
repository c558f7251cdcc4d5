"""What happens to one episode before its steps: the scenario's events, and those that come from outside."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from agents.adapter_sources import AdapterSwap
from agents.roster import ModelConfig
from simulation.interventions.intervention import ALL, Intervention, Team
from simulation.seats import Seat
from simulation.seeds import stream
from simulation.store.intervention_events import SCENARIO, EventHappened


class Asked(NamedTuple):
    """An intervention and where it came from: the scenario, or the id of a line of `society say`."""

    event: Intervention
    source: str = SCENARIO


notices = logging.getLogger("society.notice")  # shown without --verbose
Live = Callable[[int, int], Sequence[Asked]]
"""Episode and step -> what came from outside before the step."""


def nothing_live(_episode: int, _step: int) -> Sequence[Asked]:
    """Return nothing: no one from outside."""
    return ()


class Happening(NamedTuple):
    """An intervention that happens now, and the players it happens to."""

    event: Intervention
    players: tuple[int, ...]
    record: EventHappened


@dataclass
class StandingEvents:
    """What events have done to the players of an episode: `announced` for one step, the rest until it is undone.

    Attributes:
        announced: The texts shown, by player.
        muted: The players that say and do nothing in the society.
        adapters: The adapter that a player is asked for in place of its row's, by player.
        parameters: The parameters of the game that were set.
    """

    announced: dict[int, tuple[str, ...]] = field(default_factory=dict)
    muted: frozenset[int] = frozenset()
    adapters: dict[int, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def begin_step(self) -> None:
        """Forget what was shown in the last step."""
        self.announced = {}

    def forget_parameters(self, names: Collection[str]) -> None:
        """Forget what was set of these parameters of the game."""
        self.parameters = {name: value for name, value in self.parameters.items() if name not in names}

    def swap(self, player: int, rows: Sequence[ModelConfig]) -> AdapterSwap | None:
        """Return the adapter that a player is asked for in place of its row's; None for scripted players and people."""
        name = self.adapters.get(player)
        if name is None or not rows[player].model_name:
            return None
        return AdapterSwap(name, next(row.adapter for row in rows if row.model_name == name))

    def apply(self, event: Intervention, players: Sequence[int]) -> None:
        """Let an event happen to players."""
        if event.show is not None:
            for player in players:
                self.announced[player] = (*self.announced.get(player, ()), event.show)
        elif event.mute is not None:
            self.muted = self.muted | set(players) if event.mute else self.muted - set(players)
        elif event.adapter is not None:
            self.adapters |= dict.fromkeys(players, event.adapter)
        elif event.set is not None:
            self.parameters |= event.set


def happenings(
    events: Sequence[Intervention],
    live: Live,
    seats: Sequence[Seat],
    seed: int,
    episode: int,
    step: int,
    refusal: Callable[[Intervention], str] = lambda _event: "",
) -> Iterator[Happening]:
    """Yield what happens before a step: the scenario's events in their order, then those from outside.

    Args:
        events: The scenario's.
        live: Gives those from outside.
        seats: The players.
        seed: The run's seed; a share of the players is drawn by it.
        episode: The episode's number.
        step: The step's number.
        refusal: Says why an event cannot happen now; it is then left out, with a notice. Empty where it can.
    """
    due = [Asked(event) for event in events if event.is_due(episode, step)]
    number = 0
    for event, source in (*due, *live(episode, step)):
        players = addressed(event, seats, seed, episode, step, number)
        missing = refusal(event) if players else f"{event.kind}: {event.to} reaches nobody"
        if missing:
            notices.warning("episode %d, step %d: %s; the event is left out", episode + 1, step + 1, missing)
            continue
        names = tuple(seats[player].model_id for player in players)
        detail = orjson.dumps(event.detail).decode()
        record = EventHappened(episode, step, number, event.kind, names, detail, source)
        number += 1
        yield Happening(event, players, record)


def addressed(
    event: Intervention, seats: Sequence[Seat], seed: int, episode: int, step: int, number: int
) -> tuple[int, ...]:
    """Return the players that an event happens to, in their order."""
    everyone = range(len(seats))
    if event.to == ALL:
        return tuple(everyone)
    if isinstance(event.to, Team):
        return tuple(player for player in everyone if seats[player].team_id == event.to.team)
    if isinstance(event.to, float):
        drawn = stream(seed, "event", episode, step, number).sample(everyone, round(event.to * len(seats)))
        return tuple(sorted(drawn))
    return tuple(player for player in everyone if seats[player].model_id in event.to)
