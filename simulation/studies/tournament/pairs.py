"""The figures of a tournament of pairs: payoffs, standings, ratings, synergies, and whether play is transitive.

Every interval is a percentile bootstrap over episodes, resampled within each pair.
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
from simulation.metrics.inference import LEVEL, RESAMPLES, percentile_interval
from simulation.metrics.ratings import RatedSide, Rating, rate
from simulation.metrics.registry import Interval
from simulation.metrics.transitivity import Transitivity, transitivity

SPREAD_RESAMPLES = 400
"""Resampled matrices behind the intervals of alpha-rank, which costs most."""

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
    """A model's mean payoff against all models, itself included; each counts once. `mass` is its alpha-rank (0-1).
    `rating` is None where it met only itself."""

    model_id: str
    payoff: Interval
    mass: Interval
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
        means = {pair: values.mean(axis=0, keepdims=True) for pair, values in self._episodes.items()}
        return np.asarray(self._matrices(means, 1)[0])

    @cached_property
    def _resampled(self) -> NDArray[np.float64]:
        """[resample, row, column]."""
        rng, found = np.random.default_rng(0), {}
        for pair in sorted(self._episodes):
            values = self._episodes[pair]
            found[pair] = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
        return self._matrices(found, RESAMPLES)

    def _matrices(self, means: Mapping[tuple[int, int], Payoffs], count: int) -> NDArray[np.float64]:
        n = len(self.players)
        matrices = np.zeros((count, n, n))
        for (i, j), pairs in means.items():
            matrices[:, i, j], matrices[:, j, i] = pairs[:, 0], pairs[:, 1]
            if i == j:
                matrices[:, i, i] = pairs.mean(axis=1)
        return matrices

    def _interval(self, found: Vector, value: float, n: int) -> Interval:
        return percentile_interval(found, float(value), self._level, n)

    def _count(self, i: int, j: int) -> int:
        return len(self._episodes[min(i, j), max(i, j)])

    def meetings(self) -> Iterator[PairMeeting]:
        """Every model against every model, also against itself."""
        for (i, row), (j, column) in itertools.product(enumerate(self.players), repeat=2):
            interval = self._interval(self._resampled[:, i, j], self.payoffs[i, j], self._count(i, j))
            yield PairMeeting(row, column, interval)

    def standings(self) -> tuple[PairStanding, ...]:
        """Every model, the highest mean payoff first."""
        means, ranked, ratings = self._resampled.mean(axis=2), self.rank, {each.player: each for each in self.ratings()}
        spread = np.array(
            [alpha_rank(each, intensity=ranked.intensity).masses for each in self._resampled[:SPREAD_RESAMPLES]]
        )
        found = []
        for i, name in enumerate(self.players):
            n = sum(self._count(i, j) for j in range(len(self.players)))
            payoff = self._interval(means[:, i], self.payoffs[i].mean(), n)
            mass = self._interval(spread[:, i], ranked.masses[i], n)
            found.append(PairStanding(name, payoff, mass, ratings.get(name)))
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
            found = self._together(self._resampled, i, j)
            value = float(self._together(self.payoffs[None], i, j)[0])
            yield PairSynergy(self.players[i], self.players[j], self._interval(found, value, self._count(i, j)))

    def _together(self, matrices: NDArray[np.float64], i: int, j: int) -> Vector:
        both = matrices[:, i, j] + matrices[:, j, i]
        return np.asarray(both - matrices[:, i, i] - matrices[:, j, j])
