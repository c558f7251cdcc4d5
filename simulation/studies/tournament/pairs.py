"""The figures of a tournament of pairs: payoffs, standings, ratings, synergies, and whether play is transitive.

Every interval is over episodes. A standing and a synergy have one value per episode that all their pairs played: pairs
may share the random draws of an episode.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulation.metrics.alpha_rank import AlphaRank, alpha_rank
from simulation.metrics.arrays import Matrix, Vector
from simulation.metrics.intervals import mean_interval
from simulation.metrics.ratings import RatedSide, Rating, rate
from simulation.metrics.registry import LEVEL, Interval
from simulation.metrics.transitivity import Transitivity, transitivity

Payoffs = NDArray[np.float64]
"""[episode, 2]: what the first and the second model of a pair earned."""


@dataclass(frozen=True)
class PairMeeting:
    """What `row` earned against `column`: its mean per episode."""

    row: str
    column: str
    payoff: Interval


@dataclass(frozen=True)
class PairStanding:
    """A model's mean payoff against all models, itself included; each counts once. `mass` is its alpha-rank (0-1); it
    jumps where two payoffs change their order, so it has no interval. `rating` is None where it met only itself."""

    model_id: str
    payoff: Interval
    mass: float
    rating: Rating | None


@dataclass(frozen=True)
class PairSynergy:
    """What two models earn together beyond half of what each earns with itself, per episode.

    It is welfare(a, b) - (welfare(a, a) + welfare(b, b)) / 2. Above 0 they earn more because they are different.
    """

    first: str
    second: str
    value: Interval


class CrossPlay:
    """The figures of a tournament of pairs.

    Args:
        players: The models.
        episodes: The payoffs of every pair (i, j), i <= j, by place in `players`.
        level: Confidence level of the intervals, in (0, 1).
    """

    def __init__(
        self, players: Sequence[str], episodes: Mapping[tuple[int, int], Payoffs], *, level: float = LEVEL
    ) -> None:
        self.players = tuple(players)
        self._episodes, self._level = dict(episodes), level

    @cached_property
    def payoffs(self) -> Matrix:
        """[row, column]: row's mean payoff against column."""
        n = len(self.players)
        return np.array([[self._earned(i, j).mean() for j in range(n)] for i in range(n)])

    def _earned(self, i: int, j: int) -> Vector:
        """What player i earned against player j, per episode; with itself the mean of both seats."""
        values = self._episodes[min(i, j), max(i, j)]
        return values.mean(axis=1) if i == j else values[:, 0 if i < j else 1]

    def _mean(self, values: Vector) -> Interval:
        return mean_interval(values, level=self._level)

    def meetings(self) -> Iterator[PairMeeting]:
        """Every model against every model, also against itself."""
        for (i, row), (j, column) in itertools.product(enumerate(self.players), repeat=2):
            yield PairMeeting(row, column, self._mean(self._earned(i, j)))

    def standings(self) -> tuple[PairStanding, ...]:
        """Every model, the highest mean payoff first."""
        ratings = {each.player: each for each in self.ratings()}
        found = []
        for i, name in enumerate(self.players):
            payoff = self._mean(_shared([self._earned(i, j) for j in range(len(self.players))]).mean(axis=0))
            found.append(PairStanding(name, payoff, self.rank.masses[i], ratings.get(name)))
        return tuple(sorted(found, key=lambda each: (-each.payoff.value, each.model_id)))

    @cached_property
    def rank(self) -> AlphaRank:
        """The alpha-rank of the matrix of payoffs."""
        return alpha_rank(self.payoffs)

    @cached_property
    def transitivity(self) -> Transitivity:
        """Whether one rating per model explains who earns more than whom."""
        margins = {(i, j): values[:, 0] - values[:, 1] for (i, j), values in self._episodes.items() if i != j}
        return transitivity(margins, len(self.players))

    def ratings(self) -> tuple[Rating, ...]:
        """Skill ratings from all meetings of different models; the first episodes of all pairs are rated first."""
        return rate(self._games(), level=self._level)

    def _games(self) -> Iterator[tuple[RatedSide, RatedSide]]:
        pairs = sorted((i, j) for i, j in self._episodes if i != j)
        for turn in range(max((len(self._episodes[pair]) for pair in pairs), default=0)):
            for i, j in pairs:
                if turn < len(self._episodes[i, j]):
                    first, second = self._episodes[i, j][turn]
                    yield RatedSide((self.players[i],), float(first)), RatedSide((self.players[j],), float(second))

    def synergies(self) -> Iterator[PairSynergy]:
        """The synergy of every two different models."""
        for i, j in itertools.combinations(range(len(self.players)), 2):
            first, other, own, theirs = _shared([self._earned(*pair) for pair in ((i, j), (j, i), (i, i), (j, j))])
            yield PairSynergy(self.players[i], self.players[j], self._mean(first + other - own - theirs))


def _shared(episodes: Sequence[Vector]) -> Matrix:
    """One row per pair, one column per episode that all pairs have."""
    count = min(map(len, episodes))
    return np.array([values[:count] for values in episodes])
