"""Aggregates of a score matrix (runs x tasks), as rliable defines them.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.problems import SocietyError
from simulation.games.base import ratio
from simulation.metrics.registry import metric

Matrix = NDArray[np.float64]
"""Scores, one row per run and one column per task."""

RLIABLE = "Agarwal et al., NeurIPS 2021"


@metric(RLIABLE)
def mean_score(scores: Matrix) -> float:
    """Mean over all runs and tasks."""
    return float(np.mean(scores))


@metric(RLIABLE)
def median_score(scores: Matrix) -> float:
    """Median over tasks of each task's mean over runs."""
    return float(np.median(np.mean(scores, axis=0)))


@metric(RLIABLE)
def iqm(scores: Matrix) -> float:
    """Interquartile mean: mean of the middle half of all runs x tasks, a quarter cut from each end."""
    ordered = np.sort(scores, axis=None)
    cut = ordered.size // 4
    return float(np.mean(ordered[cut : ordered.size - cut]))


@metric(RLIABLE)
def optimality_gap(scores: Matrix, target: float = 1.0) -> float:
    """How far scores fall short of `target` on average; more than the target counts as the target."""
    return target - float(np.mean(np.minimum(scores, target)))


@metric(RLIABLE)
def probability_of_improvement(better: Matrix, worse: Matrix) -> float:
    """Chance that a run of `better` beats one of `worse` on a task, ties half, averaged over tasks (0-1).

    The matrices may differ in runs, not in tasks.
    """
    if better.shape[1] != worse.shape[1]:
        raise SocietyError(f"the same tasks are needed on both sides: {better.shape[1]} against {worse.shape[1]}")
    return float(np.mean([_wins(better[:, task], worse[:, task]) for task in range(better.shape[1])]))


def _wins(better: NDArray[np.float64], worse: NDArray[np.float64]) -> float:
    """Mann-Whitney's U over the number of pairs, by ranks: a pair never needs to be looked at."""
    ordered = np.sort(worse)
    below, upto = np.searchsorted(ordered, better, "left"), np.searchsorted(ordered, better, "right")
    return float(np.mean(below + upto) / (2 * len(worse)))


@metric("simulation.games: optimum of each game's docstring")
def welfare_ratio(welfare: float, optimum: float) -> float:
    """Welfare over the best possible welfare, clipped to 0-1; 1 where nothing can be won."""
    return ratio(welfare, optimum)
