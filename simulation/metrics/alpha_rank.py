"""Alpha-rank: how often an evolving population plays each strategy in the long run.

All members of a population play one strategy. Now and then one mutant with another strategy enters; by imitation it
takes over, or it dies out. The mass of a strategy is the share of time that the population plays it. Where strategies
beat each other in a circle, the circle shares the mass; one number of strength per strategy cannot show that.

Sources: Omidshafiei et al., alpha-Rank: Multi-Agent Evaluation by Evolution, Scientific Reports 9 (2019), the model of
one population. The stationary distribution: the elimination of Grassmann, Taksar & Heyman, Operations Research 33
(1985). It subtracts nothing and works here on logarithms, so that no rate is too small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix, Vector

POPULATION = 50
_CLOSE, _SHARPEST = 1e-4, 1000.0
_SMALLEST = 1e-300  # payoffs that are closer are equal: 1 / their spread is no number


@dataclass(frozen=True)
class AlphaRank:
    """`masses` per strategy, summing to 1. `intensity` is the selection pressure alpha, per unit of payoff."""

    masses: tuple[float, ...]
    intensity: float
    population: int


def alpha_rank(payoffs: Matrix, *, intensity: float | None = None, population: int = POPULATION) -> AlphaRank:
    """The masses of strategies in a symmetric game of two.

    Args:
        payoffs: What row earns against column, a finite square matrix; the diagonal is self-play.
        intensity: The selection pressure alpha, per unit of payoff. Without it, it is doubled until masses change by
            less than 0.0001, up to 1000 / (largest - least payoff). Payoffs that differ by less than a thousandth of
            that spread may then tie.
        population: Members of the population, at least 2.

    Raises:
        SocietyError: The matrix or the population is none of these.

    Source:
        Omidshafiei et al., Scientific Reports 9 (2019).
    """
    if payoffs.ndim != 2 or payoffs.shape[0] != payoffs.shape[1] or not payoffs.size or not np.isfinite(payoffs).all():
        raise SocietyError("alpha-rank needs a finite square matrix of payoffs, row against column")
    if population < 2:
        raise SocietyError(f"alpha-rank needs a population of at least 2, not {population}")
    if intensity is not None:
        return AlphaRank(_masses(payoffs, intensity, population), intensity, population)
    return _swept(payoffs, population)


def _swept(payoffs: Matrix, population: int) -> AlphaRank:
    spread = float(payoffs.max() - payoffs.min())
    spread = spread if spread > _SMALLEST else 1.0
    intensity = 1.0 / spread
    masses = _masses(payoffs, intensity, population)
    while intensity < _SHARPEST / spread:
        before, intensity = masses, min(2 * intensity, _SHARPEST / spread)
        masses = _masses(payoffs, intensity, population)
        if np.abs(np.subtract(masses, before)).max() < _CLOSE:
            break
    return AlphaRank(masses, intensity, population)


def _masses(payoffs: Matrix, intensity: float, population: int) -> tuple[float, ...]:
    return tuple(map(float, _stationary(_log_fixation(payoffs, intensity, population))))


def _log_fixation(payoffs: Matrix, intensity: float, population: int) -> Matrix:
    """[s, r]: the log-probability that one mutant r takes over a population of s."""
    mutants = np.arange(1, population, dtype=np.float64)
    own, against = np.diag(payoffs), payoffs.T  # against[s, r] is what r earns from s
    rare = (own[None, :, None] * (mutants - 1) + against[:, :, None] * (population - mutants)) / (population - 1)
    common = (own[:, None, None] * (population - mutants - 1) + payoffs[:, :, None] * mutants) / (population - 1)
    odds = np.cumsum(intensity * (common - rare), axis=2)
    return np.asarray(-np.logaddexp(0.0, np.logaddexp.reduce(odds, axis=2)))


def _stationary(log_rates: Matrix) -> Vector:
    """The stationary distribution of a chain with these log-rates [from, to]; the diagonal does not count."""
    rates, n = log_rates.copy(), len(log_rates)
    for k in range(n - 1, 0, -1):
        leaving = np.logaddexp.reduce(rates[k, :k])
        rates[:k, k] -= leaving
        rates[:k, :k] = np.logaddexp(rates[:k, :k], rates[:k, k][:, None] + rates[k, :k])
    log_mass = np.zeros(n)
    for k in range(1, n):
        log_mass[k] = np.logaddexp.reduce(log_mass[:k] + rates[:k, k])
    mass = np.exp(log_mass - log_mass.max())
    return np.asarray(mass / mass.sum())
