"""Scores of 0-1 as a matrix of runs x tasks of one kind, and their aggregates as rliable defines them.

Source: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from agents.problems import SocietyError
from simulation.games import find_game
from simulation.metrics.arrays import Matrix
from simulation.metrics.comparable import comparable_rows
from simulation.metrics.intervals import jackknife_interval
from simulation.metrics.registry import Interval, MetricInput, metric

if TYPE_CHECKING:
    import pandas as pd

    from simulation.tables.run import Run

RLIABLE = "Agarwal et al., NeurIPS 2021"


class ScoreFigure(str, Enum):
    """The outcomes that are in 0-1 in every game. Only efficiency means the same in all of them; accuracy and
    cooperation are averaged over tasks whose games measure the same (`Game.accuracy_meaning.kind`)."""

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


def score_matrix(
    runs: Sequence[Run], figure: ScoreFigure, *, tasks: Collection[str] | None = None, mix_tiers: bool = False
) -> Scores:
    """The mean score of all models in every episode of `runs`; synthetic episodes are left out.

    A row is one pass through the tasks. Its cluster is its run's seed; where all runs share one seed every pass is a
    cluster of its own, as episodes draw from streams of their own.

    Args:
        runs: Runs of the same tasks.
        figure: Which outcome.
        tasks: Which tasks; by default all, whose games must measure the same.
        mix_tiers: Whether replies of several tiers may be averaged.

    Raises:
        SocietyError: A pass is unfinished, an outcome is missing, or games measure different things.
        MixedTiersError: Replies came from several tiers.
    """
    seeds = [int(run.manifest["seed"]) for run in runs]
    rows = comparable_rows(_together(runs), mix_tiers=mix_tiers)
    rows = rows if tasks is None else rows[rows["task_id"].isin(list(tasks))]
    _refuse_unlike(rows, figure)
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
        rows = run.outcomes.astype({"tier": str, "task_id": str, "task_type": str, "model_id": str})
        frames.append(rows.assign(run=place, **{"pass": rows["episode"] // tasks}))
    return pd.concat(frames, ignore_index=True)


Part = tuple[Sequence["Run"], ScoreFigure, tuple[str, ...], bool]


def _parts(runs: Sequence[Run], mix_tiers: bool) -> Mapping[str, Part]:
    """One part per figure and kind; a task without the figure (an efficiency where nothing can be won) has none."""
    if all(run.outcomes["synthetic"].all() for run in runs):
        return {}
    rows = _together(runs)
    rows = rows[~rows["synthetic"]]
    found: dict[str, Part] = {}
    for figure in ScoreFigure:
        kinds: dict[str, list[str]] = {}
        tasks = rows[rows[figure.value].notna()].drop_duplicates("task_id")
        for task_id, task_type in zip(tasks["task_id"], tasks["task_type"], strict=True):
            kinds.setdefault(kind_of(figure, str(task_type)), []).append(str(task_id))
        for kind, members in kinds.items():
            found[f"{figure.value}: {kind}"] = (runs, figure, tuple(members), mix_tiers)
    return found


def kind_of(figure: ScoreFigure, task_type: str) -> str:
    """Return what a figure measures in a game, in a word or two: figures of one kind may be averaged."""
    game = find_game(task_type)
    if figure is ScoreFigure.ACCURACY:
        return game.accuracy_meaning.kind
    return game.cooperation_meaning.kind if figure is ScoreFigure.COOPERATION else "welfare / optimum"


def _refuse_unlike(rows: pd.DataFrame, figure: ScoreFigure) -> None:
    kinds = {str(game): kind_of(figure, str(game)) for game in rows["task_type"].unique()}
    if len(set(kinds.values())) > 1:
        named = ", ".join(f"{kind} in {game}" for game, kind in sorted(kinds.items()))
        raise SocietyError(f"{figure.value} measures different things and is not averaged: {named}; name tasks of one")


def _estimate(
    statistic: Callable[[Matrix], float],
    runs: Sequence[Run],
    figure: ScoreFigure,
    tasks: tuple[str, ...],
    mix_tiers: bool,
) -> Interval:
    return score_interval(statistic, score_matrix(runs, figure, tasks=tasks, mix_tiers=mix_tiers))


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
