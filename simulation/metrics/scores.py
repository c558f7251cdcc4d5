"""Scores of 0-1 that every game has, as a matrix of runs x tasks, and their aggregates as rliable defines them.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from agents.problems import SocietyError
from simulation.metrics.arrays import Matrix
from simulation.metrics.comparable import comparable_rows
from simulation.metrics.intervals import jackknife_interval
from simulation.metrics.registry import Interval, MetricInput, metric

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

RLIABLE = "Agarwal et al., NeurIPS 2021"


class ScoreFigure(str, Enum):
    """The outcomes that are in 0-1 in every game, and so may be averaged over games."""

    ACCURACY = "accuracy"
    EFFICIENCY = "efficiency"
    COOPERATION = "cooperation_score"


SHARES = frozenset(figure.value for figure in ScoreFigure)


@dataclass(frozen=True)
class Scores:
    """`values`: one row per pass through the tasks, one column per task. `clusters`: a label per row; rows with the
    same label come from the same seed. `unit`: what a label is, seeds or passes."""

    values: Matrix
    tasks: tuple[str, ...]
    clusters: tuple[int, ...]
    unit: str = "seeds"


def score_matrix(runs: Sequence[Run], figure: ScoreFigure, *, mix_tiers: bool = False) -> Scores:
    """The mean score of all models in every episode of `runs`; synthetic episodes are left out.

    A row is one pass through the tasks. Its cluster is its run's seed; where all runs share one seed every pass is a
    cluster of its own, as episodes draw from streams of their own.

    Args:
        runs: Runs of the same tasks.
        figure: Which outcome.
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        SocietyError: A pass is unfinished, or an outcome is missing.
        MixedTiersError: Replies came from several tiers.
    """
    seeds = [int(run.manifest["seed"]) for run in runs]
    rows = comparable_rows(_together(runs), mix_tiers=mix_tiers)
    table = rows.pivot_table(index=["run", "pass"], columns="task_id", values=figure.value, observed=True)
    if table.empty or bool(table.isna().to_numpy().any()):
        raise SocietyError(f"no {figure.value} in some episode: finish the run, or look for invalid decisions")
    many = len(set(seeds)) > 1
    clusters = tuple(seeds[run] if many else int(pass_) for run, pass_ in table.index)
    unit = "seeds" if many else "passes through the tasks"
    return Scores(table.to_numpy(dtype=np.float64), tuple(map(str, table.columns)), clusters, unit)


def _together(runs: Sequence[Run]) -> pd.DataFrame:
    """The outcomes of all runs, with columns `run` (place in `runs`) and `pass` (times through the tasks)."""
    import pandas as pd

    if not runs:
        raise SocietyError("no run to score")
    frames = []
    for place, run in enumerate(runs):
        tasks = len(run.manifest["scenario"]["tasks"])
        rows = run.outcomes.astype({"tier": str, "task_id": str, "model_id": str})
        frames.append(rows.assign(run=place, **{"pass": rows["episode"] // tasks}))
    return pd.concat(frames, ignore_index=True)


def _parts(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, tuple[Sequence[Run], ScoreFigure, bool]]:
    if all(run.outcomes["synthetic"].all() for run in runs):
        return {}
    return {figure.value: (runs, figure, mix_tiers) for figure in ScoreFigure}


def _estimate(
    statistic: Callable[[Matrix], float], runs: Sequence[Run], figure: ScoreFigure, mix_tiers: bool
) -> Interval:
    return score_interval(statistic, score_matrix(runs, figure, mix_tiers=mix_tiers))


SCORES = MetricInput(_parts, _estimate)
"""For statistics of a score matrix: one value per outcome of 0-1, with its interval over seeds."""


def score_interval(statistic: Callable[[Matrix], float], scores: Scores) -> Interval:
    """Return a statistic of a score matrix with its interval over seeds, or over passes where there is one seed."""
    return jackknife_interval(statistic, scores.values, scores.clusters, unit=scores.unit)


@metric(RLIABLE, SCORES)
def mean_score(scores: Matrix) -> float:
    """Mean over all runs and tasks."""
    return float(np.mean(scores))


@metric(RLIABLE, SCORES)
def iqm(scores: Matrix) -> float:
    """Interquartile mean: mean of the middle half of all runs x tasks, a quarter cut from each end."""
    ordered = np.sort(scores, axis=None)
    cut = ordered.size // 4
    return float(np.mean(ordered[cut : ordered.size - cut]))


@metric(RLIABLE, SCORES)
def optimality_gap(scores: Matrix) -> float:
    """How far scores fall short of 1 on average; more than 1 counts as 1."""
    return 1.0 - float(np.mean(np.minimum(scores, 1.0)))
