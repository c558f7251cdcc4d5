"""A search for the weights that pay best, by trying some around the present ones. Pure.

Separable natural evolution strategies: candidates are drawn from a normal distribution with a mean and a spread for
each weight; both move towards what paid more. Only the order of payoffs counts, so their scale does not.

Source: Schaul, Glasmachers & Schmidhuber, High dimensions and heavy tails for natural evolution strategies, GECCO 2011;
mirrored draws: Brockhoff et al., Mirrored sampling and sequential selection for evolution strategies, PPSN 2010.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.metrics.arrays import Matrix, Vector


@dataclass(frozen=True)
class SearchState:
    """Where a search is.

    Attributes:
        mean: The present weights.
        spread: The standard deviation of candidates in each weight, above 0.
    """

    mean: Vector
    spread: Vector

    def candidate(self, offset: Vector) -> Vector:
        """Return the weights at an offset, which is in standard deviations."""
        return self.mean + self.spread * offset


def offsets(dimensions: int, count: int, seed: int) -> Matrix:
    """Return the offsets of `count` candidates, an even number: one row each, every second the mirror of the first."""
    drawn = np.random.default_rng(seed).normal(size=(count // 2, dimensions))
    return np.stack([drawn, -drawn], axis=1).reshape(count, dimensions)


def utilities(payoffs: Sequence[float]) -> Vector:
    """Return what each candidate counts: more for the better half, by rank; candidates that tie count the same.

    They sum to 0, so a constant payoff moves nothing.
    """
    values, count = np.asarray(payoffs, dtype=float), len(payoffs)
    by_rank = np.maximum(0.0, math.log(count / 2 + 1) - np.log(np.arange(1, count + 1)))
    by_rank = by_rank / by_rank.sum() - 1 / count
    found = np.empty(count)
    found[np.argsort(-values, kind="stable")] = by_rank
    for value in np.unique(values):
        found[values == value] = found[values == value].mean()
    return found


def moved(state: SearchState, tried: Matrix, payoffs: Sequence[float]) -> SearchState:
    """Return the search after candidates were tried.

    Args:
        state: The search before.
        tried: Their offsets, one row each.
        payoffs: What each was paid.
    """
    weights, dimensions = utilities(payoffs), len(state.mean)
    rate = (3 + math.log(dimensions)) / (5 * math.sqrt(dimensions))
    mean = state.mean + state.spread * (weights @ tried)
    spread = state.spread * np.exp(rate / 2 * (weights @ (tried**2 - 1)))
    return SearchState(mean, spread)
