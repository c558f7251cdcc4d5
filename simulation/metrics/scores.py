"""Score matrices of runs, and the aggregates of a figure with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from agents.problems import SocietyError
from simulation.games.base import gini
from simulation.metrics.aggregate import Matrix, iqm, mean_score, optimality_gap
from simulation.metrics.comparable import comparable_rows
from simulation.metrics.inference import LEVEL, RESAMPLES, stratified_bootstrap
from simulation.metrics.registry import Interval, metric

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run


class ScoreFigure(str, Enum):
    """The outcomes that lie in 0-1 in every game, and so may be averaged over games."""

    ACCURACY = "accuracy"
    EFFICIENCY = "efficiency"
    COOPERATION = "cooperation_score"


@dataclass(frozen=True)
class Scores:
    """`values`: one row per run of the tasks, one column per task. `clusters`: a label per row; rows with the
    same label come from the same seed."""

    values: Matrix
    tasks: tuple[str, ...]
    clusters: tuple[int, ...]


def score_matrix(
    runs: Sequence[Run],
    figure: ScoreFigure,
    model_id: str | None = None,
    *,
    synthetic: bool = False,
    mix_tiers: bool = False,
) -> Scores:
    """Scores of one model, or the mean over all models of an episode, in every episode of `runs`.

    A row is one pass through the tasks. Its cluster is its run's seed; where all runs share one seed every pass is a
    cluster of its own, as episodes draw from streams of their own. Raises SocietyError where a pass is
    unfinished or a figure missing, and MixedTiersError.
    """
    seeds = [int(run.manifest["seed"]) for run in runs]
    clusters = []
    rows = comparable_rows(_together(runs), synthetic=synthetic, mix_tiers=mix_tiers)
    if model_id is not None:
        rows = rows[rows["model_id"] == model_id]
    table = rows.pivot_table(index=["run", "pass"], columns="task_id", values=figure.value, observed=True)
    if table.empty or bool(table.isna().to_numpy().any()):
        who = model_id or "the runs"
        raise SocietyError(f"no {figure.value} of {who} in some episode: finish the run, or look for invalid decisions")
    for run, pass_ in table.index:
        clusters.append(seeds[run] if len(set(seeds)) > 1 else int(pass_))
    return Scores(table.to_numpy(dtype=np.float64), tuple(map(str, table.columns)), tuple(clusters))


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


AGGREGATES = {"iqm": iqm, "mean": mean_score, "optimality_gap": optimality_gap}


def summarise(
    scores: Scores, *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> Mapping[str, Interval]:
    """IQM, mean and optimality gap of a score matrix, each with its interval, clustered by seed."""
    interval = partial(stratified_bootstrap, clusters=scores.clusters, level=level, resamples=resamples, seed=seed)
    return {name: interval(statistic, scores.values) for name, statistic in AGGREGATES.items()}


@metric("Sen, On Economic Inequality (1973)")
def payoff_gini(payoffs: Sequence[float]) -> float:
    """Gini coefficient of non-negative payoffs: 0 equal, (n-1)/n one takes all."""
    if any(payoff < 0 for payoff in payoffs):
        raise SocietyError("the Gini coefficient needs payoffs of 0 or more: count them from the game's floor")
    return gini(payoffs)
