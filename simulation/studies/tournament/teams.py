"""The figures of a tournament of teams: what each composition of a team earns, and what each member adds.

A member's Shapley value and a pair's synergy are linear in what compositions earn, so every episode has its own value.
The interval of the mean is over episodes: all compositions play the same random draws in an episode, and stay together.
Shapley values add up to what the whole team earned, less what the stand-ins earn alone (0 for empty seats).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from simulation.metrics.arrays import Vector
from simulation.metrics.intervals import mean_interval
from simulation.metrics.registry import LEVEL, Interval
from simulation.metrics.shapley import EXACT_UP_TO, Coalition, CoalitionValue, shapley_values, synergies


class Worth(str, Enum):
    """What counts as a team's earnings: its members' share of the reward pool, or their payoffs in the game."""

    REWARD = "reward"
    PAYOFF = "payoff"


@dataclass(frozen=True)
class Composition:
    """What a team earned with these members, stand-ins included: its mean per episode."""

    team: str
    members: tuple[str, ...]
    worth: Worth
    value: Interval


@dataclass(frozen=True)
class Contribution:
    """A member's Shapley value. `error` is the standard error of random orders (beyond eight members), 0 where exact;
    the interval is over episodes and does not include it."""

    team: str
    model_id: str
    worth: Worth
    value: Interval
    error: float


@dataclass(frozen=True)
class TeamSynergy:
    """What two members earn together beyond what each adds alone: their Shapley interaction index."""

    team: str
    first: str
    second: str
    worth: Worth
    value: Interval


class Compositions:
    """The figures of one team and one worth.

    Args:
        team: The team.
        players: Its members.
        worth: What counts as earnings.
        episodes: What the team earned in each episode, per coalition; without the empty coalition, that earns 0.
        orders: Random orders beyond eight members.
        seed: Of the random orders.
        level: Confidence level of the intervals, in (0, 1).
    """

    def __init__(
        self,
        team: str,
        players: Sequence[str],
        worth: Worth,
        episodes: Mapping[Coalition, Vector],
        *,
        orders: int,
        seed: int,
        level: float = LEVEL,
    ) -> None:
        self.team, self.players, self.worth = team, tuple(players), worth
        self._episodes, self._orders, self._seed, self._level = dict(episodes), orders, seed, level
        self.count = len(next(iter(self._episodes.values())))

    def _value(self, episode: int) -> CoalitionValue:
        return lambda coalition: float(self._episodes[coalition][episode]) if self._known(coalition) else 0.0

    def _mean(self, coalition: Coalition) -> float:
        return float(self._episodes[coalition].mean()) if self._known(coalition) else 0.0

    def _known(self, coalition: Coalition) -> bool:
        return bool(coalition) or coalition in self._episodes

    def compositions(self) -> Iterator[Composition]:
        """Every coalition that played, the smallest first."""
        for coalition, values in self._episodes.items():
            members = tuple(player for player in self.players if player in coalition)
            interval = mean_interval(values, level=self._level)
            yield Composition(self.team, members, self.worth, interval)

    def contributions(self) -> Iterator[Contribution]:
        """Every member's Shapley value, in the roster's order."""
        whole = shapley_values(self.players, self._mean, samples=self._orders, seed=self._seed)
        each = [
            shapley_values(self.players, self._value(episode), samples=self._orders, seed=self._seed)
            for episode in range(self.count)
        ]
        for player in self.players:
            values = np.array([values.of(player).value for values in each])
            interval = mean_interval(values, level=self._level)
            yield Contribution(self.team, player, self.worth, interval, whole.of(player).error)

    def synergies(self) -> Iterator[TeamSynergy]:
        """The synergy of every two members; none beyond eight members, as not all coalitions are played."""
        if not 2 <= len(self.players) <= EXACT_UP_TO:
            return
        each = [synergies(self.players, self._value(episode)) for episode in range(self.count)]
        for same in zip(*each, strict=True):
            interval = mean_interval([pair.value for pair in same], level=self._level)
            yield TeamSynergy(self.team, same[0].first, same[0].second, self.worth, interval)
