"""What a tournament of teams shows: what each composition of a team earns, and what each member adds.

A member's Shapley value and a pair's synergy are linear in what compositions earn, so each episode has its own, and
their mean's interval is a bootstrap over episodes: compositions of one round play the same draws and stay together.
Values add up to what the whole team earned, less what the stand-ins earn alone (nothing where seats stay empty).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from simulation.metrics.arrays import Vector
from simulation.metrics.inference import LEVEL, paired_bootstrap
from simulation.metrics.registry import Interval
from simulation.metrics.shapley import EXACT_UP_TO, Coalition, CoalitionValue, shapley_values, synergies


class Worth(str, Enum):
    """What a team's episode is worth: its members' part of the reward pool, or what they earned in the game."""

    REWARD = "reward"
    PAYOFF = "payoff"


@dataclass(frozen=True)
class Composition:
    """What a team earned with these members, mean per episode, stand-ins' part included."""

    team: str
    members: tuple[str, ...]
    worth: Worth
    value: Interval


@dataclass(frozen=True)
class Contribution:
    """A member's Shapley value. `error` is the standard error of drawn orders (beyond eight members), which the
    interval, of episodes alone, does not hold; 0 where exact."""

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
    """The figures of one team and one worth. `episodes` holds, per coalition, what the team earned in each episode;
    the coalition of nobody earns nothing unless it is among them."""

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
        """Every coalition played, the smallest first."""
        for coalition, values in self._episodes.items():
            members = tuple(player for player in self.players if player in coalition)
            interval = paired_bootstrap(values, level=self._level)
            yield Composition(self.team, members, self.worth, interval)

    def contributions(self) -> Iterator[Contribution]:
        """Every member, in the roster's order."""
        whole = shapley_values(self.players, self._mean, samples=self._orders, seed=self._seed)
        each = [
            shapley_values(self.players, self._value(episode), samples=self._orders, seed=self._seed)
            for episode in range(self.count)
        ]
        for player in self.players:
            values = np.array([values.of(player).value for values in each])
            interval = paired_bootstrap(values, level=self._level)
            yield Contribution(self.team, player, self.worth, interval, whole.of(player).error)

    def synergies(self) -> Iterator[TeamSynergy]:
        """Every two members; none beyond eight members, whose orders do not ask for all it takes."""
        if not 2 <= len(self.players) <= EXACT_UP_TO:
            return
        each = [synergies(self.players, self._value(episode)) for episode in range(self.count)]
        for same in zip(*each, strict=True):
            interval = paired_bootstrap([pair.value for pair in same], level=self._level)
            yield TeamSynergy(self.team, same[0].first, same[0].second, self.worth, interval)
